"""`utsuwa traffic`."""

from typing import TYPE_CHECKING, Any

import click

from utsuwa.cli.complete import service_names
from utsuwa.cli.failures import Failure
from utsuwa.cli.options import Connection, connection_options, namespace_option, waiting_options

if TYPE_CHECKING:
    from utsuwa.app.api import Client
    from utsuwa.cli.splitting import Plan

Document = dict[str, Any]


@click.command("traffic", short_help="Show or change who gets the traffic of a service.")
@click.argument("name", shell_complete=service_names)
@click.argument("action", required=False, type=click.Choice(["rollback"]), metavar="[rollback]")
@click.option(
    "--to",
    multiple=True,
    metavar="REV=PERCENT,...",
    help="Who gets how much; adds up to 100. LATEST is whatever revision is the latest ready one.",
)
@click.option(
    "--tag", multiple=True, metavar="TAG=REV", help="An address of its own for REV: TAG-NAME..."
)
@click.option("--untag", multiple=True, metavar="TAG", help="Take a tag away.")
@namespace_option
@click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "yaml", "json"]),
    default="table",
    show_default=True,
    help="How to print it.",
)
@waiting_options
@connection_options
def command(  # noqa: PLR0913  (a parameter an option)
    *,
    name: str,
    action: str | None,
    to: tuple[str, ...],
    tag: tuple[str, ...],
    untag: tuple[str, ...],
    namespace: str | None,
    output: str,
    wait: float | None,
    connection: Connection,
) -> None:
    """Show who gets the traffic of the service NAME; or change it, and wait until it is in force.

    `rollback` gives everything to the newest ready revision before the one that has traffic now,
    and keeps it there: later deployments get none until `--to LATEST`.

    \b
    Examples:
      utsuwa traffic hello
      utsuwa traffic hello --to hello-00001=30,LATEST=70
      utsuwa traffic hello --tag v1=hello-00001
      utsuwa traffic hello --untag v1 --to LATEST
      utsuwa traffic hello rollback
    """
    from utsuwa.cli import splitting
    from utsuwa.cli.resources import REVISIONS, SERVICES
    from utsuwa.cli.rows import SERVICE_LABEL

    try:
        shares = splitting.shares_of(to) if to else {}
        tags = splitting.tags_of(tag)
    except splitting.SplitError as error:
        raise click.UsageError(str(error)) from error
    if action and to:
        raise click.UsageError("rollback and --to: expected one of them, not both")
    with connection.client() as client:
        where = namespace or client.namespace
        service = client.get(SERVICES, where, name)
        if not (action or shares or tags or untag):
            _show(service, output)
            return
        revisions = client.list(REVISIONS, where, labels={SERVICE_LABEL: name})["items"]
        try:
            if action:
                shares = {splitting.previous(service, revisions): 100}
            plan = splitting.changed(
                splitting.plan_of(service), shares=shares, tags=tags, untag=untag
            )
            splitting.check_known(plan, revisions, f"{where}/{name}")
        except splitting.SplitError as error:
            raise Failure(str(error), f"See what there is: utsuwa revisions -s {name}") from error
        service = _write(client, service, plan, wait)
    _show(service, output)


def _write(client: "Client", service: Document, plan: "Plan", timeout: float | None) -> Document:
    """Write `plan`; wait for it for `timeout` seconds (None: do not)."""
    from utsuwa.cli import deploying, splitting, waiting
    from utsuwa.cli.resources import SERVICES

    metadata = service["metadata"]
    patch = {"spec": {"traffic": splitting.traffic_of(plan)}}
    service = client.patch(SERVICES, metadata["namespace"], metadata["name"], patch)
    if timeout is None:
        what = f"service {metadata['namespace']}/{metadata['name']}"
        click.echo(f"{what}: accepted, what follows may not be in force yet", err=True)
        return service
    return deploying.wait(client, service, timeout, state_of=waiting.taken_up)


def _show(service: Document, output: str) -> None:
    from utsuwa.cli import listing, render, splitting, waiting

    traffic = splitting.shown(service)
    state = waiting.routed(service)
    metadata = service["metadata"]
    if output != "table":
        document = {
            "service": metadata["name"],
            "namespace": metadata["namespace"],
            "url": (service.get("status") or {}).get("url", ""),
            "ready": state.outcome is True,
            "reason": state.reason,
            "message": state.message,
            "traffic": [one.document() for one in traffic],
        }
        click.echo(render.document(document, output))
        return
    what = f"service {metadata['namespace']}/{metadata['name']}"
    if not state.outcome:
        click.echo(f"{what}: {state}", err=True)
    listing.print_table(splitting.listing(traffic), f"{what} gets no traffic anywhere yet.")
