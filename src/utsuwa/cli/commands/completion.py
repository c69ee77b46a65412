"""`utsuwa completion`."""

import click


@click.command("completion", short_help="Print the completion script of a shell.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(*, shell: str) -> None:
    """Print a script that completes commands, options and names of services.

    \b
    Examples:
      eval "$(utsuwa completion bash)"                 # now, or in ~/.bashrc
      eval "$(utsuwa completion zsh)"                  # or in ~/.zshrc
      utsuwa completion fish > ~/.config/fish/completions/utsuwa.fish
    """
    from click.shell_completion import get_completion_class

    from utsuwa.cli.root import root

    known = get_completion_class(shell)
    if known is None:
        raise click.UsageError(f"{shell}: this version of click does not know that shell")
    click.echo(known(root, {}, "utsuwa", "_UTSUWA_COMPLETE").source())
