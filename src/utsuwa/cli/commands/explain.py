"""`utsuwa explain`."""

from typing import TYPE_CHECKING, Any

import click

from utsuwa.cli.complete import service_names
from utsuwa.cli.options import Connection, Duration, connection_options, namespace_option

if TYPE_CHECKING:
    from utsuwa.cli.explained import Asker

_FORMS = click.Choice(["text", "yaml", "json"])


@click.command("explain", short_help="Say why there are so many pods, and what would change it.")
@click.argument("name", shell_complete=service_names)
@click.option(
    "--since",
    type=Duration(),
    metavar="DURATION",
    help="Only what happened in the last 90s, 10m, 1h [all that is kept: an hour].",
)
@click.option("-w", "--watch", is_flag=True, help="Go on, with each event as it happens.")
@click.option(
    "-o", "--output", type=_FORMS, default="text", show_default=True, help="How to print it."
)
@namespace_option
@connection_options
def command(
    *,
    name: str,
    since: float | None,
    watch: bool,
    output: str,
    namespace: str | None,
    connection: Connection,
) -> None:
    """Say what the autoscaler does with a service (or one revision) now, and why: what was
    measured, which rules fired, what would bring more or fewer pods and when at the earliest. Then
    what happened, with the reasons.

    \b
    Examples:
      utsuwa explain hello
      utsuwa explain hello --since 10m
      utsuwa explain hello-00002 -w
      utsuwa explain hello -o json
    """
    from utsuwa.cli.explained import Asker

    with connection.client() as client:
        asker = Asker(client, namespace or client.namespace, name)
        explanation = asker.ask(since)
        _print(explanation, output, watch=watch)
        if watch:
            _follow(asker, output)


def _print(explanation: dict[str, Any], output: str, *, watch: bool) -> None:
    from utsuwa.cli import explained, render

    if output == "text":
        click.echo("\n".join(explained.lines(explanation)))
    elif watch:
        for event in explained.events(explanation):
            _print_event(event, output)
    else:
        click.echo(render.document(explanation, output))


def _follow(asker: "Asker", output: str) -> None:
    from utsuwa.cli import explained

    for event in asker.follow():
        if output == "text":
            click.echo(explained.line(event, revisions=True))
        else:
            _print_event(event, output)


def _print_event(event: dict[str, Any], output: str) -> None:
    """One document each: a line of JSON, or a document of YAML."""
    import json

    from utsuwa.cli import render

    if output == "json":
        click.echo(json.dumps(event, ensure_ascii=False))
    else:
        click.echo(f"---\n{render.document(event, output)}")
