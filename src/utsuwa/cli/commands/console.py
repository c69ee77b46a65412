"""`utsuwa console`."""

import click

from utsuwa.cli.options import Connection, connection_options


@click.command("console", short_help="Print a link into the console: everything in a browser.")
@click.option("--open", "opens", is_flag=True, help="Open it in this machine's browser too.")
@connection_options
def command(*, opens: bool, connection: Connection) -> None:
    """Print a link into the console. It lets in once, within an hour, as whoever asks for it: with
    the rights that this kubeconfig has.

    \b
    Examples:
      utsuwa console
      utsuwa console --open
    """
    with connection.client() as client:
        url = client.post("/utsuwa/console-link")["url"]
    click.echo(url)
    if opens:
        import webbrowser

        webbrowser.open(url)
