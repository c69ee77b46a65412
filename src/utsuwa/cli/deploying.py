"""Writes a Service and waits for it."""

import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import click

from utsuwa.app.api import ApiRefusedError, NoServerError
from utsuwa.cli import waiting
from utsuwa.cli.failures import Failure
from utsuwa.cli.resources import REVISIONS, SERVICES
from utsuwa.kit.clock import SystemClock
from utsuwa.kit.ids import Ids
from utsuwa.model import deployment as manifest

if TYPE_CHECKING:
    from utsuwa.app.api import Client

Document = dict[str, Any]

_ATTEMPTS = 5
"""How often a write is tried when somebody else writes the same object meanwhile."""
_PATIENCE = 15.0
"""Seconds for which a server that went away while we wait may stay away: it is restarted."""


class _Clock(Protocol):
    def monotonic(self) -> float: ...

    def pause(self, seconds: float) -> None: ...


def nonce() -> str:
    """A word that no other deployment has."""
    return Ids(random.SystemRandom()).suffix(10)


def write(client: "Client", namespace: str, name: str, change: manifest.Change) -> Document:
    """Create or update the service; answers it as stored.

    Raises:
        ChangeError: `change` does not apply to what is there.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            current = client.get(SERVICES, namespace, name)
        except ApiRefusedError as error:
            if error.code != 404:
                raise
            current = None
        try:
            if current is None:
                return client.create(SERVICES, manifest.created(namespace, name, change))
            return client.replace(SERVICES, _updated(client, current, change))
        except ApiRefusedError as error:
            if error.reason not in {"Conflict", "AlreadyExists"} or attempt == _ATTEMPTS:
                raise
    raise AssertionError("the last attempt returns or raises")


def _updated(client: "Client", current: Document, change: manifest.Change) -> Document:
    updated = manifest.updated(current, change)
    latest = (current.get("status") or {}).get("latestCreatedRevisionName")
    if change.image or not latest:
        return updated
    try:
        revision = client.get(REVISIONS, current["metadata"]["namespace"], latest)
    except ApiRefusedError:
        return updated  # it has been deleted: nothing to hold on to
    return manifest.with_image(updated, manifest.pinned_image(current, revision))


def wait(
    client: "Client",
    service: Document,
    timeout: float,
    clock: _Clock | None = None,
    *,
    state_of: Callable[[Document], waiting.State] = waiting.state_of,
) -> Document:
    """Follow `service` until it is ready, as `state_of` sees it; answers it then.

    Raises:
        Failure: it has failed, or is not ready after `timeout` seconds.
    """
    clock = clock or SystemClock()
    metadata = service["metadata"]
    what = f"service {metadata['namespace']}/{metadata['name']}"
    state = state_of(service)
    with _progress(what) as say:
        for latest in _versions(client, service, timeout, clock):
            if latest["metadata"].get("generation", 0) > metadata["generation"]:
                raise Failure(f"{what} was changed by somebody else while we waited for it")
            state = state_of(latest)
            if state.outcome:
                return latest
            if state.outcome is False:
                why = f"{state.reason}: {state.message}" if state.message else state.reason
                raise Failure(f"{what} is not ready: {why}", waiting.advice(state, service))
            say(str(state))
    raise Failure(
        f"{what} is not ready after {timeout:g} s: {state}", waiting.advice(state, service)
    )


def _versions(
    client: "Client", service: Document, timeout: float, clock: _Clock
) -> Iterator[Document]:
    """The service as it changes, until `timeout` seconds have passed."""
    metadata = service["metadata"]
    deadline = clock.monotonic() + timeout
    away_since = None
    while (left := deadline - clock.monotonic()) > 0:
        try:
            for event in client.watch(
                SERVICES, metadata["namespace"], name=metadata["name"], timeout=left
            ):
                away_since = None
                if event["type"] == "DELETED":
                    raise Failure(
                        f"service {metadata['namespace']}/{metadata['name']} was deleted "
                        "while we waited for it"
                    )
                yield event["object"]
                if clock.monotonic() >= deadline:
                    return
        except TimeoutError:
            return
        except NoServerError:
            now = clock.monotonic()
            away_since = away_since if away_since is not None else now
            if now - away_since > _PATIENCE:
                raise
        clock.pause(0.2)


@contextmanager
def _progress(what: str) -> Iterator[Callable[[str], None]]:
    """Shows what is going on: a line that is rewritten on a terminal, else a line per change."""
    if sys.stderr.isatty():
        from rich.console import Console

        with Console(stderr=True).status(f"{what}: waiting") as spinner:

            def rewrite(line: str) -> None:
                spinner.update(f"{what}: {line}".replace("[", "\\["))

            yield rewrite
        return
    last = ""

    def append(line: str) -> None:
        nonlocal last
        if line != last:
            click.echo(f"{what}: {line}", err=True)
        last = line

    yield append
