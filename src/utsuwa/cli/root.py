"""The group of commands, loaded one by one as they are called, and the way every failure leaves."""

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from utsuwa.cli.failures import Failure

_COMMANDS: dict[str, str] = {
    "up": "Run a cluster in the foreground.",
    "env": "Print what a shell needs for kubectl, gcloud and the others.",
    "deploy": "Create or update a service, and wait until it serves.",
    "dev": "Run a directory, and roll what is saved.",
    "build": "Make an image of a directory.",
    "services": "List services.",
    "revisions": "List revisions, and the traffic they get.",
    "traffic": "Show or change who gets the traffic of a service.",
    "logs": "Show what a service printed.",
    "observe": "Watch a service under load: live, and as a picture.",
    "top": "Watch all services at once.",
    "console": "Print a link into the console: everything in a browser.",
    "explain": "Say why there are so many pods, and what would change it.",
    "delete": "Delete services.",
    "token": "Make, list and revoke bearer tokens.",
    "demo": "See it scale: the experiment from zero to 13 pods and back.",
    "version": "Show the version.",
    "completion": "Print the completion script of a shell.",
}
"""Every command with its line in the overview: the module `commands.NAME` need not be loaded to
list it. In the order in which one meets them."""


class LazyGroup(click.Group):
    """Imports the module of a command when the command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names, in the order of the table."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command `cmd_name`, from a module of that name."""
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(f"utsuwa.cli.commands.{cmd_name}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The overview, from the table alone."""
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does; a mistyped name gets the one that was probably meant."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            import difflib

            close = difflib.get_close_matches(args[0], _COMMANDS, n=1)
            if not close:
                raise
            hint = f"{error.message} Did you mean {close[0]!r}?"
            raise click.UsageError(hint, ctx=ctx) from error


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
def root() -> None:
    """Knative Serving and Cloud Run on one machine, without Kubernetes.

    \b
    A first round:
      utsuwa up                                  # in a terminal of its own
      utsuwa deploy hello --source samples/hello
      curl http://hello.default.localhost:8080

    Every client of Knative works as well: eval "$(utsuwa env)" prepares a
    shell for them.
    """


def run(arguments: Sequence[str]) -> int:
    """Run the command line `arguments`; returns the exit code and prints what went wrong."""
    try:
        result: Any = root.main(list(arguments), prog_name="utsuwa", standalone_mode=False)
    except click.exceptions.Abort:
        return 130
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except Failure as failure:
        print(failure, file=sys.stderr)  # noqa: T201  (the command line speaks to people)
        return 1
    except BrokenPipeError:
        # Whoever read our output has seen enough (`| head`): nothing more to say, not even on exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception as error:
        if os.environ.get("UTSUWA_DEBUG"):
            raise
        what = f"{type(error).__name__}: {error}"
        print(  # noqa: T201  (as above)
            f"utsuwa: this should not have happened: {what}\n"
            "  Please report it, with the output of the same command under UTSUWA_DEBUG=1.",
            file=sys.stderr,
        )
        return 1
    return result if isinstance(result, int) else 0
