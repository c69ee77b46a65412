"""`utsuwa build`, and the building that `deploy --source` does."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from utsuwa.cli.failures import Failure
from utsuwa.cli.options import builder_option, fresh_option

if TYPE_CHECKING:
    from utsuwa.node.sources import Image


@click.command("build", short_help="Make an image of a directory.")
@click.argument("directory", type=click.Path(path_type=Path), metavar="DIR")
@click.option(
    "-t",
    "--tag",
    "ref",
    required=True,
    metavar="REF",
    help="Name of the image: REPOSITORY[:TAG], as a Revision's image names it.",
)
@builder_option
@fresh_option
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Data directory of the cluster [$UTSUWA_DATA_DIR, or ~/.local/state/utsuwa].",
)
def command(*, directory: Path, ref: str, builder: str, fresh: bool, data_dir: Path | None) -> None:
    """Make an image of a directory, and let REF point to it. Needs no registry and no running
    cluster.

    A Dockerfile or Containerfile is built by Podman or Docker, where one of them runs. Everything
    else becomes a bundle, which starts the `web:` line of a Procfile, else main.py or app.py, else
    the start script of package.json, else an executable named `start`, else what `go build` makes.
    Dependencies are installed once and kept for the next build. The same content makes the same
    image, known by its digest, which is printed.

    \b
    Examples:
      utsuwa build . -t dev.local/shop:1
      utsuwa build samples/autoscale -t gcr.io/knative-samples/autoscale-go:0.1
    """
    from utsuwa.app.options import default_data_dir

    built = build(directory, ref, data_dir or default_data_dir(), builder=builder, fresh=fresh)
    say_to_stderr(f"{'unchanged' if built.reused else 'built'} {built.ref}: {built.told}")
    click.echo(built.digest)


def say_to_stderr(line: str) -> None:
    """Tell the person, not the pipe."""
    click.echo(line, err=True)


def build(
    directory: Path, ref: str, data_dir: Path, *, builder: str = "auto", fresh: bool = False
) -> "Image":
    """Make an image `ref` of `directory` for the cluster of `data_dir`, and tell how it goes; a
    Failure where it cannot be made."""
    from utsuwa.app.options import Layout
    from utsuwa.node.images import BuildError, ImageStore
    from utsuwa.node.sources import build as build_source

    store = ImageStore(Layout(data_dir).images)
    try:
        return build_source(directory, ref, store, say_to_stderr, builder=builder, fresh=fresh)
    except ValueError as error:
        raise Failure(f"--tag: {error}") from error
    except BuildError as error:
        raise Failure(str(error)) from error
    except OSError as error:
        raise Failure(f"cannot build {directory}: {error}") from error
