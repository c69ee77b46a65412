"""`utsuwa observe`."""

import shlex
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

from utsuwa.cli.complete import service_names
from utsuwa.cli.failures import Failure
from utsuwa.cli.options import Connection, connection_options, namespace_option

if TYPE_CHECKING:
    from utsuwa.app.api import Client
    from utsuwa.app.load import Load
    from utsuwa.app.observe.load import LoadOption

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command("observe", short_help="Watch a service under load: live, and as a picture.")
@click.argument("name", shell_complete=service_names)
@click.option(
    "--load",
    metavar="c=N,n=N,path=PATH",
    help="Send this: c requests at a time, n in all, t seconds for each (20).",
)
@click.option(
    "--settle",
    type=click.FloatRange(min=0),
    default=0.0,
    metavar="SECONDS",
    help="Go on for so long after the load, to see pods go.",
)
@click.option(
    "--for",
    "seconds",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="End after so long, not with the load or Ctrl-C.",
)
@click.option("--html", type=_FILE, metavar="FILE", help="Write a page: chart, summary, figures.")
@click.option("--png", type=_FILE, metavar="FILE", help="Write a picture of the chart.")
@click.option("--png-dark", type=_FILE, metavar="FILE", help="The same, light on dark.")
@click.option("--svg", type=_FILE, metavar="FILE", help="Write the chart, light and dark in one.")
@click.option("--csv", type=_FILE, metavar="FILE", help="Write a row of figures for each second.")
@namespace_option
@connection_options
@click.pass_context
def command(  # noqa: PLR0913  (each one is an option)
    ctx: click.Context,
    *,
    name: str,
    load: str | None,
    settle: float,
    seconds: float | None,
    html: Path | None,
    png: Path | None,
    png_dark: Path | None,
    svg: Path | None,
    csv: Path | None,
    namespace: str | None,
    connection: Connection,
) -> None:
    """Watch a service: requests by status, in flight and waiting, pods. With --load send
    requests meanwhile, and print the summary that users of hey know. Without a terminal, a line
    a second.

    \b
    Examples:
      utsuwa observe hello
      utsuwa observe autoscale-go --load 'c=500,n=15000,path=/?sleep=1000'
      utsuwa observe hello --load c=50,n=10000 --png run.png --html run.html
    """
    from utsuwa.app.observe import conduct
    from utsuwa.app.observe.png import NoPillowError

    wanted = _load_option(load)
    outputs = conduct.Outputs(html, png, png_dark, svg, csv)
    _check_outputs((html, png, png_dark, svg, csv), picture=bool(png or png_dark))
    with connection.client() as client:
        where = namespace or client.namespace
        options = conduct.ObserveOptions(
            name=name,
            namespace=where,
            load=None if wanted is None else _to(wanted, client, where, name),
            told="" if wanted is None else wanted.told,
            seconds=seconds,
            settle=settle,
            outputs=outputs,
            command=_typed(name, load),
        )
        try:
            ctx.exit(conduct.run(options, client))
        except NoPillowError as error:
            raise Failure(str(error), "Install it: pip install 'utsuwa[png]'") from error


def _load_option(text: str | None) -> "LoadOption | None":
    from utsuwa.app.observe.load import LoadOption

    if text is None:
        return None
    try:
        return LoadOption.parse(text)
    except ValueError as error:
        raise click.UsageError(f"--load {text!r}: {error}") from error


def _check_outputs(paths: Sequence[Path | None], *, picture: bool) -> None:
    """Before a run of minutes, not after it."""
    for path in paths:
        if path is not None and not path.parent.is_dir():
            raise Failure(f"{path}: {path.parent} is no directory", "Make it first.")
    if picture and find_spec("PIL") is None:
        raise Failure("drawing a PNG needs Pillow", "Install it: pip install 'utsuwa[png]'")


def _to(option: "LoadOption", client: "Client", namespace: str, name: str) -> "Load":
    from utsuwa.cli.resources import SERVICES

    status = client.get(SERVICES, namespace, name).get("status") or {}
    url = status.get("url")
    if not url:
        raise Failure(
            f"{namespace}/{name} has no address yet", f"See why: utsuwa services {name} -o wide"
        )
    try:
        return option.to(url, client.host)
    except ValueError as error:
        raise Failure(str(error), "Send the load with another tool, and watch without.") from error


def _typed(name: str, load: str | None) -> str:
    words = ["utsuwa", "observe", name, *(["--load", load] if load else [])]
    return shlex.join(words)
