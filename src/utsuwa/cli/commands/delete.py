"""`utsuwa delete`."""

from typing import TYPE_CHECKING

import click

from utsuwa.cli.complete import service_names
from utsuwa.cli.failures import Failure
from utsuwa.cli.options import Connection, connection_options, namespace_option

if TYPE_CHECKING:
    from utsuwa.app.api import Client

_LOOK_EVERY = 0.1


@click.command("delete", short_help="Delete services.")
@click.argument("names", nargs=-1, required=True, metavar="NAME...", shell_complete=service_names)
@namespace_option
@click.option("--no-wait", is_flag=True, help="Return before they are gone.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait until they are gone.",
)
@connection_options
def command(
    *,
    names: tuple[str, ...],
    namespace: str | None,
    no_wait: bool,
    timeout: float,
    connection: Connection,
) -> None:
    """Delete services, with their revisions and pods. Requests in flight are answered first.

    \b
    Examples:
      utsuwa delete hello
      utsuwa delete one two three -n shop
    """
    from utsuwa.app.api import ApiRefusedError
    from utsuwa.cli.resources import SERVICES

    refused: list[str] = []
    with connection.client() as client:
        where = namespace or client.namespace
        for name in names:
            try:
                client.delete(SERVICES, where, name)
            except ApiRefusedError as error:
                refused.append(str(error))
                continue
            if not no_wait:
                _wait_until_gone(client, where, name, timeout)
            click.echo(f"service {where}/{name} deleted")
    if refused:
        raise Failure("; ".join(refused), "List what is there: utsuwa services -A")


def _wait_until_gone(client: "Client", namespace: str, name: str, timeout: float) -> None:
    from utsuwa.app.api import ApiRefusedError
    from utsuwa.cli.resources import SERVICES
    from utsuwa.kit.clock import SystemClock

    clock = SystemClock()
    deadline = clock.monotonic() + timeout
    while clock.monotonic() < deadline:
        try:
            client.get(SERVICES, namespace, name)
        except ApiRefusedError as error:
            if error.code == 404:
                return
            raise
        clock.pause(_LOOK_EVERY)
    raise Failure(
        f"service {namespace}/{name} is still there after {timeout:g} s",
        f"See what holds it: utsuwa services {name} -n {namespace} -o yaml (finalizers)",
    )
