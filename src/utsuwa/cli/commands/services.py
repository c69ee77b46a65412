"""`utsuwa services`."""

import click

from utsuwa.cli.complete import service_names
from utsuwa.cli.options import (
    Connection,
    all_namespaces_option,
    connection_options,
    namespace_option,
    output_option,
)


@click.command("services", short_help="List services.")
@click.argument("name", required=False, shell_complete=service_names)
@namespace_option
@all_namespaces_option
@output_option
@connection_options
def command(
    *,
    name: str | None,
    namespace: str | None,
    all_namespaces: bool,
    output: str,
    connection: Connection,
) -> None:
    """List services: address, latest ready revision, whether they are ready, and why not. Below
    them, on standard error: what needs somebody to act, and how.

    With NAME only that one.

    \b
    Examples:
      utsuwa services
      utsuwa services -A -o wide
      utsuwa services hello -o yaml
    """
    from utsuwa.cli import alerting, listing, rows
    from utsuwa.cli.resources import SERVICES

    with connection.client() as client:
        where = "" if all_namespaces else namespace or client.namespace
        found = listing.fetch(client, SERVICES, where, name)
        if output in {"json", "yaml"}:
            listing.print_documents(found, output, one=name is not None)
            return
        namespaces = [item["metadata"]["namespace"] for item in found["items"]]
        alerts = alerting.of_namespaces(client, namespaces)
    table = rows.services(
        found["items"], listing.now(), wide=output == "wide", namespaces=all_namespaces
    )
    listing.print_table(table, f"No services in {where or 'any namespace'}.")
    if name is not None:
        alerts = [one for one in alerts if one["subject"]["name"] == name]
    for line in alerting.lines(alerts):
        click.echo(line, err=True)
