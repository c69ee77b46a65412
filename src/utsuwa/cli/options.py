"""Options that several commands share, and the connection that comes out of them."""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from utsuwa.cli.failures import Failure

if TYPE_CHECKING:
    from utsuwa.app.api import Client

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


@dataclass(frozen=True)
class Connection:
    """Which cluster to talk to."""

    data_dir: Path | None = None
    kubeconfig: Path | None = None

    @property
    def directory(self) -> Path:
        """The data directory, named or not."""
        from utsuwa.app.options import default_data_dir

        return self.data_dir or default_data_dir()

    @property
    def start_command(self) -> str:
        """What to type to get a server there."""
        return f"utsuwa up --data-dir {self.data_dir}" if self.data_dir else "utsuwa up"

    @contextmanager
    def client(self) -> "Iterator[Client]":
        """A client; what goes wrong while it is used becomes a Failure that says what to do."""
        from utsuwa.app.api import ApiRefusedError, Client, KubeconfigError, NoServerError, read

        path = self.kubeconfig or self.directory / "kubeconfig"
        try:
            yield Client(read(path))
        except FileNotFoundError as error:
            if error.filename is None or Path(error.filename) != path:
                raise
            raise Failure(
                f"no cluster here: {path} does not exist", f"Start one: {self.start_command}"
            ) from error
        except KubeconfigError as error:
            raise Failure(str(error), "Name another one with --kubeconfig.") from error
        except NoServerError as error:
            raise Failure(
                f"the API server does not answer: {error}", f"Start it: {self.start_command}"
            ) from error
        except ApiRefusedError as error:
            there = "See what is there: utsuwa services -A" if error.code == 404 else ""
            raise Failure(str(error), there) from error


class Duration(click.ParamType[float]):
    """A Go duration such as 90s or 10m, in seconds."""

    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The seconds."""
        from utsuwa.kit.units import parse_duration

        if isinstance(value, float):
            return value
        try:
            seconds = parse_duration(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if seconds <= 0:
            self.fail(f"duration {value!r}: expected more than zero", param, ctx)
        return seconds


def connection_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds --data-dir and --kubeconfig; the command gets `connection: Connection`."""

    @click.option(
        "--data-dir",
        type=click.Path(path_type=Path, file_okay=False),
        metavar="DIR",
        help="Data directory of the cluster [$UTSUWA_DATA_DIR, or ~/.local/state/utsuwa].",
    )
    @click.option(
        "--kubeconfig",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help="Another kubeconfig than the one in the data directory.",
    )
    @functools.wraps(function)
    def command(*args: Any, data_dir: Path | None, kubeconfig: Path | None, **rest: Any) -> Any:
        return function(*args, connection=Connection(data_dir, kubeconfig), **rest)

    return command


namespace_option: Decorator = click.option(
    "-n", "--namespace", metavar="NS", help="Namespace [that of the kubeconfig: default]."
)

all_namespaces_option: Decorator = click.option(
    "-A", "--all-namespaces", is_flag=True, help="Those of every namespace."
)

output_option: Decorator = click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "wide", "yaml", "json"]),
    default="table",
    show_default=True,
    help="How to print them.",
)

one_output_option: Decorator = click.option(
    "-o",
    "--output",
    type=click.Choice(["text", "yaml", "json"]),
    default="text",
    show_default=True,
    help="How to print it.",
)


def waiting_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds --no-wait and --timeout; the command gets `wait: float | None`, the seconds to wait
    (None: not at all)."""

    @click.option("--no-wait", is_flag=True, help="Return as soon as the request is accepted.")
    @click.option(
        "--timeout",
        type=click.FloatRange(min=0, min_open=True),
        default=600.0,
        show_default=True,
        metavar="SECONDS",
        help="How long to wait.",
    )
    @functools.wraps(function)
    def command(*args: Any, no_wait: bool, timeout: float, **rest: Any) -> Any:
        return function(*args, wait=None if no_wait else timeout, **rest)

    return command


builder_option: Decorator = click.option(
    "--builder",
    type=click.Choice(["auto", "bundle", "dockerfile"]),
    default="auto",
    show_default=True,
    help="auto: by the Dockerfile where there is one and an engine runs, else as a bundle.",
)

fresh_option: Decorator = click.option(
    "--no-cache", "fresh", is_flag=True, help="Install dependencies anew, as of today."
)
