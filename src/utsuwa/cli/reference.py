"""The reference of the command line, made of the commands' own help: `scripts/cli-reference`."""

import sys
from pathlib import Path
from typing import Any

import click

from utsuwa.cli.root import root

PAGE = Path("docs/cli.md")
_WIDTH = 92
"""Not that of whoever runs the script."""

_HEAD = """\
# The command line

<!-- Written by scripts/cli-reference from the help texts: change those, and run it again. -->

Exit codes: 0 done; 1 the request failed (one line why, one line what to do); 2 wrong usage;
130 interrupted. Results go to stdout, progress and errors to stderr.

The data directory is that of `--data-dir`, else `$UTSUWA_DATA_DIR`, else `utsuwa` in the user's
state directory (`~/.local/state/utsuwa`). Commands find the cluster by the kubeconfig in it.
"""


def page() -> str:
    """The whole page, as Markdown."""
    settings: dict[str, Any] = {**root.context_settings, "terminal_width": _WIDTH}
    with click.Context(root, info_name="utsuwa", **settings) as ctx:
        sections = [_HEAD, _section("utsuwa", root, ctx)]
        for name in root.list_commands(ctx):
            command = root.get_command(ctx, name)
            if command is not None:
                child = click.Context(command, parent=ctx, info_name=name)
                sections.append(_section(f"utsuwa {name}", command, child))
                sections += _inner(f"utsuwa {name}", command, child)
    return "\n".join(sections)


def _inner(title: str, command: click.Command, ctx: click.Context) -> list[str]:
    """The commands of a group."""
    if not isinstance(command, click.Group):
        return []
    return [
        "#" + _section(f"{title} {name}", inner, click.Context(inner, parent=ctx, info_name=name))
        for name, inner in command.commands.items()
    ]


def main(arguments: list[str]) -> int:
    """Write the page; with `--check` compare it, and return 1 when it is not current."""
    if arguments == ["--check"]:
        current = PAGE.exists() and PAGE.read_text() == page()
        if not current:
            click.echo(f"{PAGE} is not current: run scripts/cli-reference", err=True)
        return 0 if current else 1
    PAGE.write_text(page())
    return 0


def _section(title: str, command: click.Command, ctx: click.Context) -> str:
    return f"## {title}\n\n```\n{command.get_help(ctx).strip()}\n```\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
