"""`utsuwa top`."""

import click

from utsuwa.cli.options import (
    Connection,
    all_namespaces_option,
    connection_options,
    namespace_option,
)


@click.command("top", short_help="Watch all services at once.")
@namespace_option
@all_namespaces_option
@connection_options
@click.pass_context
def command(
    ctx: click.Context,
    *,
    namespace: str | None,
    all_namespaces: bool,
    connection: Connection,
) -> None:
    """Watch all services at once, the busiest first: requests and errors a second, requests
    inside and waiting, pods ready of those desired, latency, and what the pods use. Until Ctrl-C;
    without a terminal, once.

    \b
    Examples:
      utsuwa top
      utsuwa top -A
      utsuwa top | head
    """
    from utsuwa.app.observe import top

    with connection.client() as client:
        ctx.exit(top.run(client, "" if all_namespaces else namespace or client.namespace))
