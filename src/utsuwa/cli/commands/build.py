"""`utsuwa build`, and the building that `deploy --source` does."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from utsuwa.cli.failures import Failure

if TYPE_CHECKING:
    from utsuwa.node.images import Built


@click.command("build", short_help="Pack a directory into an image.")
@click.argument("directory", type=click.Path(path_type=Path), metavar="DIR")
@click.option(
    "-t",
    "--tag",
    "ref",
    required=True,
    metavar="REF",
    help="Name of the image: REPOSITORY[:TAG], as a Revision's image names it.",
)
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Data directory of the cluster [$UTSUWA_DATA_DIR, or ~/.local/state/utsuwa].",
)
def command(*, directory: Path, ref: str, data_dir: Path | None) -> None:
    """Pack a directory into an image, and let REF point to it. Needs no registry and no running
    cluster.

    What is started: the `web:` line of a Procfile, else main.py or app.py, else the start script
    of package.json, else an executable named `start`. Dependencies in requirements.txt,
    pyproject.toml or package-lock.json are installed once, into the image. The same content makes
    the same image, known by its digest, which is printed.

    \b
    Examples:
      utsuwa build . -t dev.local/shop:1
      utsuwa build samples/autoscale -t gcr.io/knative-samples/autoscale-go:0.1
    """
    from utsuwa.app.options import default_data_dir

    built = build(directory, ref, data_dir or default_data_dir(), say_to_stderr)
    verb = "unchanged" if built.reused else "built"
    size = f"{built.files} files, {built.size / 1024:.0f} KiB"
    say_to_stderr(f"{verb} {built.ref}: {size}; starts {' '.join(built.command)} ({built.source})")
    click.echo(built.digest)


def say_to_stderr(line: str) -> None:
    """Tell the person, not the pipe."""
    click.echo(line, err=True)


def build(directory: Path, ref: str, data_dir: Path, progress: Callable[[str], None]) -> "Built":
    """Pack `directory` under `ref` into the images of `data_dir`; a Failure where it cannot."""
    from utsuwa.app.options import Layout
    from utsuwa.node.images import BuildError, ImageStore

    try:
        return ImageStore(Layout(data_dir).images).build(directory, ref, progress)
    except ValueError as error:
        raise Failure(f"--tag: {error}") from error
    except BuildError as error:
        raise Failure(str(error)) from error
    except OSError as error:
        raise Failure(f"cannot build {directory}: {error}") from error
