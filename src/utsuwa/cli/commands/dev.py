"""`utsuwa dev`."""

import signal
from pathlib import Path
from typing import TYPE_CHECKING

import click

from utsuwa.cli.options import (
    Connection,
    builder_option,
    connection_options,
    namespace_option,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from threading import Event

    from utsuwa.kit.clock import SystemClock
    from utsuwa.node.sources import Image

_PASSING = 600.0
"""Seconds for which what was built stays after it was replaced."""


@click.command("dev", short_help="Run a directory, and roll what is saved.")
@click.argument(
    "directory",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="DIR",
    default=".",
)
@click.option("--name", metavar="NAME", help="Name of the service [that of DIR, with -dev].")
@click.option(
    "--env",
    multiple=True,
    metavar="K=V",
    help="Environment variable; K- removes it. May be repeated.",
)
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    metavar="N",
    help="Port the program listens on.",
)
@builder_option
@click.option("--keep", is_flag=True, help="Leave the service there at the end.")
@namespace_option
@connection_options
def command(
    *,
    directory: Path,
    name: str | None,
    env: tuple[str, ...],
    port: int | None,
    builder: str,
    keep: bool,
    namespace: str | None,
    connection: Connection,
) -> int:
    """Run DIR as a service, watch its files, and roll whenever one is saved, until Ctrl-C.

    What cannot be built or does not start is told, and what worked last goes on serving. stdout
    has what the app prints. Files that an ignore file names are not watched. Where no cluster
    runs, one is started for as long as this runs. The service is removed at the end.

    \b
    Examples:
      utsuwa dev
      utsuwa dev samples/hello --env TARGET=World
      utsuwa dev . --name shop-next --keep
    """
    from utsuwa.cli import names
    from utsuwa.cli.dev.own import cluster
    from utsuwa.cli.dev.revisions import name_of
    from utsuwa.cli.dev.session import Session, Wanted
    from utsuwa.kit.clock import SystemClock

    directory = directory.absolute()
    name = name or name_of(directory.resolve().name)
    try:
        names.label(name, "--name")
        if namespace:
            names.label(namespace, "--namespace")
        pairs = names.environment(env)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    if connection.kubeconfig is not None and connection.data_dir is None:
        raise click.UsageError(
            "images are built into the cluster's data directory; name it: --data-dir"
        )
    clock = SystemClock()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # A shell that starts us in the background has SIGINT ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with cluster(connection.directory, clock), connection.client() as client:
            wanted = Wanted(
                directory=directory,
                namespace=namespace or client.namespace,
                name=name,
                env=pairs,
                port=port,
                build=_building(directory, name, builder, connection),
                changes=_watching(directory, builder, clock),
            )
            session = Session(client, wanted, clock)
            try:
                session.run()
            finally:
                session.close(keep=keep)
    except KeyboardInterrupt:
        pass
    return 0


def _building(
    directory: Path, name: str, builder: str, connection: Connection
) -> "Callable[[Callable[[str], None]], Image]":
    from utsuwa.app.options import Layout
    from utsuwa.node.images import ImageStore
    from utsuwa.node.sources import build

    store = ImageStore(Layout(connection.directory).images)
    ref = f"dev.local/{name}:latest"
    # Each save makes a bundle: none of them is worth keeping once it is replaced.
    return lambda progress: build(
        directory, ref, store, progress, builder=builder, passing=_PASSING
    )


def _watching(
    directory: Path, builder: str, clock: "SystemClock"
) -> "Callable[[Event], Iterator[list[str]]]":
    from utsuwa.cli.dev.session import say
    from utsuwa.cli.dev.watching import Counting, changes
    from utsuwa.node.sources import by_engine

    file = by_engine(directory, builder)
    counting = Counting(directory, file.name if file else "")
    return lambda stop: changes(counting, stop, clock, say)
