"""`utsuwa revisions`."""

from typing import Any

import click

from utsuwa.cli.complete import service_names
from utsuwa.cli.failures import Failure
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
    """List revisions, the newest of each service first: share of the traffic, tags, pods now, and
    why one is not ready.

    With NAME only that one, or those of the service of that name.

    \b
    Examples:
      utsuwa revisions
      utsuwa revisions hello
      utsuwa revisions --service hello -o wide
      utsuwa revisions hello-00001 -o yaml
    """
    from utsuwa.cli import listing, rows
    from utsuwa.cli.resources import REVISIONS, SERVICES

    labels = {rows.SERVICE_LABEL: service} if service else None
    with connection.client() as client:
        where = "" if all_namespaces else namespace or client.namespace
        found = listing.fetch(client, REVISIONS, where, None, labels=labels)
        one = _narrow(found, name, where) if name else False
        services = [] if output in {"json", "yaml"} else client.list(SERVICES, where)["items"]
    found["items"] = rows.newest_first(found["items"])
    if output in {"json", "yaml"}:
        listing.print_documents(found, output, one=one)
        return
    table = rows.revisions(
        found["items"],
        rows.traffic_of(services),
        listing.now(),
        wide=output == "wide",
        namespaces=all_namespaces,
    )
    listing.print_table(table, f"No revisions in {where or 'any namespace'}.")


def _narrow(found: dict[str, Any], name: str, where: str) -> bool:
    """Keep the revision `name`, which is answered as True, or else those of the service `name`."""
    from utsuwa.cli import rows

    items = found["items"]
    own = [item for item in items if item["metadata"]["name"] == name]
    found["items"] = own or [
        item
        for item in items
        if (item["metadata"].get("labels") or {}).get(rows.SERVICE_LABEL) == name
    ]
    if not found["items"]:
        place = f"in {where}" if where else "anywhere"
        raise Failure(
            f"no revision {name!r} {place}, and no service of that name has one",
            "List what there is: utsuwa revisions -A",
        )
    return bool(own)
