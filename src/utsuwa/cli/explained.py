"""`utsuwa explain`: asking the API server, and laying the explanation out for people."""

import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from utsuwa.app.api.errors import ApiRefusedError
from utsuwa.autoscale.explanation import explain
from utsuwa.autoscale.sentences import headline, is_busy, limits, measured
from utsuwa.cli import alerting
from utsuwa.cli.failures import Failure
from utsuwa.cli.resources import POD_AUTOSCALERS, REVISIONS, SERVICES
from utsuwa.kit.clock import parse_rfc3339, time_of_day
from utsuwa.kit.wall import WallClock

if TYPE_CHECKING:
    from utsuwa.app.api import Client

Document = dict[str, Any]

_SERVICE = "serving.knative.dev/service"
_POLL = 1.0
_NAMED = 14
"""Columns of the names on the left."""
_WIDTH = 100


class Asker:
    """Asks about one service or revision.

    Mutable state: `_seen`, the time of the newest event told of each revision.
    """

    def __init__(self, client: "Client", namespace: str, name: str) -> None:
        self._client = client
        self._clock = WallClock()
        self._namespace = namespace
        self._name = name
        self._seen: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"<Asker about {self._namespace}/{self._name}>"

    def ask(self, since: float | None = None) -> Document:
        """The explanation of all revisions concerned, with events of the last `since` seconds.

        Raises:
            Failure: there is nothing of that name.
        """
        kind, names = self._revisions()
        now = self._clock.now()
        found = [one for name in names if (one := self._one(name, now)) is not None]
        for one in found:
            if one["events"]:
                self._seen[one["revision"]] = one["events"][-1]["time"]
            if since is not None:
                one["events"] = [
                    event for event in one["events"] if parse_rfc3339(event["time"]) >= now - since
                ]
        return {
            "kind": "Explanation",
            "of": kind,
            "namespace": self._namespace,
            "name": self._name,
            "alerts": alerting.of_name(self._client, kind, self._namespace, self._name),
            "revisions": found,
        }

    def follow(self) -> Iterator[Document]:
        """Each event from now on, with the name of its revision; without end."""
        while True:
            self._clock.pause(_POLL)
            seen = dict(self._seen)
            for event in events(self.ask()):
                if event["time"] > seen.get(event["revision"], ""):
                    yield event

    def _revisions(self) -> tuple[str, list[str]]:
        """A service's revisions, the newest first; or the one revision of that name."""
        try:
            self._client.get(SERVICES, self._namespace, self._name)
        except ApiRefusedError as error:
            if error.code != 404:
                raise
        else:
            labels = {_SERVICE: self._name}
            found = self._client.list(REVISIONS, self._namespace, labels=labels)["items"]
            found.sort(key=lambda one: one["metadata"].get("creationTimestamp") or "")
            return "service", [one["metadata"]["name"] for one in reversed(found)]
        try:
            self._client.get(REVISIONS, self._namespace, self._name)
        except ApiRefusedError as error:
            if error.code != 404:
                raise
            raise Failure(
                f"no service and no revision {self._name!r} in namespace {self._namespace!r}",
                "See what there is: utsuwa services -A, utsuwa revisions -A",
            ) from error
        return "revision", [self._name]

    def _one(self, revision: str, now: float) -> Document | None:
        """None where nobody scales it (yet)."""
        try:
            answer = self._client.get(
                POD_AUTOSCALERS, self._namespace, revision, subresource="decisions"
            )
        except ApiRefusedError as error:
            if error.code != 404:
                raise
            return None
        return explain(answer, now=now, shown=time_of_day)


def events(explanation: Document) -> list[Document]:
    """Those of all revisions, oldest first, each with the name of its revision."""
    found = [
        {"revision": one["revision"], **event}
        for one in explanation["revisions"]
        for event in one["events"]
    ]
    return sorted(found, key=lambda event: str(event["time"]))


# --- for people -------------------------------------------------------------------------------


def lines(explanation: Document) -> Iterator[str]:
    """All of it: what needs somebody to act, revisions that do something, then what happened."""
    yield from (urgent := list(alerting.lines(explanation["alerts"])))
    if urgent:
        yield ""
    revisions = explanation["revisions"]
    shown = [one for one in revisions if is_busy(one)] or revisions[:1]
    if not shown:
        yield f"{explanation['name']} has no revision that is scaled yet."
        return
    for one in shown:
        yield from _revision(one)
        yield ""
    resting = [one["revision"] for one in revisions if one not in shown]
    if resting:
        yield f"At zero, and nothing happened: {', '.join(resting)}"
        yield ""
    happened = events(explanation)
    yield "What happened" if happened else "Nothing happened in that time."
    for event in happened:
        yield line(event, revisions=len(shown) > 1)


def _revision(one: Document) -> Iterator[str]:
    yield f"{one['revision']}: {headline(one, time_of_day)}"
    if one["inputs"].get("metric"):
        yield from _entry("Measured", measured(one["inputs"]))
    if one["limits"]:
        yield from _entry("Limits", limits(one["limits"]))
    for number, reason in enumerate(one["why"]):
        yield from _entry("" if number else "Why", reason["sentence"])
    sentences = [text for text in (one["next"]["more"], one["next"]["fewer"]) if text]
    for number, text in enumerate(sentences):
        yield from _entry("" if number else "Next", text)


def _entry(name: str, text: str) -> Iterator[str]:
    head = f"  {name}".ljust(_NAMED)
    yield from textwrap.wrap(
        text, _WIDTH, initial_indent=head, subsequent_indent=" " * _NAMED, break_on_hyphens=False
    )


def line(event: Document, *, revisions: bool) -> str:
    """One event: when, how many pods, why."""
    before, after = event["from"], event["to"]
    pods = f"{'?' if before is None else before} → {after}" if before != after else f"{after}"
    if after is None:
        pods = ""
    head = f"  {time_of_day(parse_rfc3339(event['time']))}  {pods:8}"
    if revisions:
        head += f"{event['revision']}  "
    text = "; ".join(reason["sentence"] for reason in event["reasons"])
    return "\n".join(
        textwrap.wrap(
            text or "as it was set",
            max(_WIDTH, len(head) + 40),
            initial_indent=head,
            subsequent_indent=" " * len(head),
            break_on_hyphens=False,
        )
    )
