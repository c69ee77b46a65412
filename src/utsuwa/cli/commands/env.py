"""`utsuwa env`."""

import os
from pathlib import Path

import click

from utsuwa.cli.failures import Failure


@click.command("env", short_help="Print what a shell needs for kubectl, gcloud and the others.")
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Data directory of the cluster [$UTSUWA_DATA_DIR, or ~/.local/state/utsuwa].",
)
@click.option(
    "--platform",
    type=click.Choice(["kubernetes", "gke"]),
    default="kubernetes",
    show_default=True,
    help="How `gcloud run` reaches it: by the kubeconfig, or as a GKE cluster by name.",
)
@click.option(
    "--project",
    default="utsuwa",
    show_default=True,
    metavar="ID",
    help="The project that gcloud works in; any name will do.",
)
@click.option(
    "--shell",
    type=click.Choice(["bash", "zsh", "fish"]),
    help="In the words of this shell [that of $SHELL, else bash].",
)
@click.option("--unset", is_flag=True, help="Take it all away again.")
def command(
    *, data_dir: Path | None, platform: str, project: str, shell: str | None, unset: bool
) -> None:
    """Print the lines that prepare a shell for the clients of a running cluster.

    kubectl and the others find it by KUBECONFIG. gcloud gets settings of its own below the data
    directory, a token, and the addresses to call instead of Google's: in such a shell it works on
    this cluster alone, without an account.

    \b
    Examples:
      eval "$(utsuwa env)"
      eval "$(utsuwa env --platform gke)"     # as a GKE cluster: clusters create, run/cluster
      utsuwa env --shell fish | source
      eval "$(utsuwa env --unset)"
    """
    from utsuwa.app import environment
    from utsuwa.app.options import Layout, default_data_dir
    from utsuwa.app.serving import Serving

    shell = shell or _shell()
    if unset:
        click.echo(environment.unsets(shell))
        return
    layout = Layout((data_dir or default_data_dir()).absolute())
    serving = Serving.read(layout)
    if serving is None:
        start = f"utsuwa up --data-dir {data_dir}" if data_dir else "utsuwa up"
        raise Failure(f"no cluster runs in {layout.root}", f"Start one: {start}")
    found = environment.environment(
        layout, serving, platform=platform, project=project, given=os.environ
    )
    if found.note:
        click.echo(f"utsuwa: {found.note}", err=True)
    click.echo(environment.exports(found, shell))


def _shell() -> str:
    from utsuwa.app.environment import SHELLS

    name = Path(os.environ.get("SHELL", "")).name
    return name if name in SHELLS else "bash"
