"""`utsuwa version`."""

import click

from utsuwa import __version__
from utsuwa.cli import render
from utsuwa.cli.options import one_output_option


@click.command("version", short_help="Show the version.")
@one_output_option
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
