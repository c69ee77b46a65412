"""`utsuwa version`."""

import click

from utsuwa import __version__
from utsuwa.cli import render


@click.command("version", short_help="Show the version.")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["text", "yaml", "json"]),
    default="text",
    show_default=True,
    help="How to print it.",
)
def command(*, output: str) -> None:
    """Show the version of Utsuwa, and of the Python that runs it.

    \b
    Examples:
      utsuwa version
      utsuwa version -o json
    """
    import platform

    facts = {"version": __version__, "python": platform.python_version()}
    if output == "text":
        click.echo(f"utsuwa {facts['version']} (Python {facts['python']})")
    else:
        click.echo(render.document(facts, output))
