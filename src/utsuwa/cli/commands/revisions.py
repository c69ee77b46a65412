"""`utsuwa revisions`."""

import click

from utsuwa.cli.complete import service_names
from utsuwa.cli.options import (
    Connection,
    all_namespaces_option,
    connection_options,
    namespace_option,
    output_option,
)


@click.command("revisions", short_help="List revisions, and the traffic they get.")
@click.argument("name", required=False)
@click.option(
    "-s",
    "--service",
    metavar="SERVICE",
    help="Those of one service.",
    shell_complete=service_names,
)
@namespace_option
@all_namespaces_option
@output_option
@connection_options
def command(
    *,
    name: str | None,
    service: str | None,
    namespace: str | None,
    all_namespaces: bool,
    output: str,
    connection: Connection,
) -> None:
    """List revisions, the newest of each service first: share of the traffic, tags, pods now.

    With NAME only that one.

    \b
    Examples:
      utsuwa revisions
      utsuwa revisions --service hello -o wide
      utsuwa revisions hello-00001 -o yaml
    """
    from utsuwa.cli import listing, rows
    from utsuwa.cli.resources import REVISIONS, SERVICES

    labels = {rows.SERVICE_LABEL: service} if service else None
    with connection.client() as client:
        where = "" if all_namespaces else namespace or client.namespace
        found = listing.fetch(client, REVISIONS, where, name, labels=labels)
        services = [] if output in {"json", "yaml"} else client.list(SERVICES, where)["items"]
    found["items"] = rows.newest_first(found["items"])
    if output in {"json", "yaml"}:
        listing.print_documents(found, output, one=name is not None)
        return
    table = rows.revisions(
        found["items"],
        rows.traffic_of(services),
        listing.now(),
        wide=output == "wide",
        namespaces=all_namespaces,
    )
    listing.print_table(table, f"No revisions in {where or 'any namespace'}.")
