"""`utsuwa logs`."""

from typing import TYPE_CHECKING

import click

from utsuwa.cli.complete import service_names
from utsuwa.cli.options import Connection, connection_options, namespace_option

if TYPE_CHECKING:
    from utsuwa.app.api import Client

_SERVICE = "serving.knative.dev/service"
_REVISION = "serving.knative.dev/revision"


@click.command("logs", short_help="Show what a service printed.")
@click.argument("name", shell_complete=service_names)
@click.option("-f", "--follow", is_flag=True, help="Go on, with pods that come later too.")
@click.option("--revision", metavar="REVISION", help="Of this revision only.")
@click.option("--tail", type=click.IntRange(min=0), metavar="N", help="The last N lines of a pod.")
@namespace_option
@connection_options
def command(
    *,
    name: str,
    follow: bool,
    revision: str | None,
    tail: int | None,
    namespace: str | None,
    connection: Connection,
) -> None:
    """Show what the pods of a service printed, stdout and stderr alike. Each line is headed by
    its pod when there are several.

    \b
    Examples:
      utsuwa logs hello
      utsuwa logs hello -f --tail 10
      utsuwa logs hello --revision hello-00002
    """
    from utsuwa.cli.resources import SERVICES
    from utsuwa.cli.tailing import Follower

    labels = {_SERVICE: name, **({_REVISION: revision} if revision else {})}
    with connection.client() as client:
        where = namespace or client.namespace
        client.get(SERVICES, where, name)  # says so when there is no such service
        if not follow:
            _print(client, where, labels, tail, connection)
            return
        for pod, line in Follower(client, where, labels, tail).lines():
            click.echo(f"{pod} | {line}")


def _print(
    client: "Client",
    namespace: str,
    labels: dict[str, str],
    tail: int | None,
    connection: Connection,
) -> None:
    from utsuwa.app.api import ApiRefusedError
    from utsuwa.cli.resources import PODS
    from utsuwa.cli.tailing import lines

    pods = client.list(PODS, namespace, labels=labels)["items"]
    pods.sort(key=lambda pod: pod["metadata"].get("creationTimestamp") or "")
    if not pods:
        _print_kept(client, namespace, labels, tail, connection)
    for pod in pods:
        name = pod["metadata"]["name"]
        head = f"{name} | " if len(pods) > 1 else ""
        try:
            for line in lines(client, namespace, name, tail=tail):
                click.echo(head + line)
        except ApiRefusedError as error:
            click.echo(f"{name}: {error}", err=True)  # has ended just now, or has not begun


def _print_kept(
    client: "Client",
    namespace: str,
    labels: dict[str, str],
    tail: int | None,
    connection: Connection,
) -> None:
    """What the last pod left behind: at zero there is nobody to ask."""
    from utsuwa.app.options import Layout
    from utsuwa.cli import kept
    from utsuwa.cli.resources import REVISIONS

    found = client.list(REVISIONS, namespace, labels={_SERVICE: labels[_SERVICE]})["items"]
    names = {item["metadata"]["name"] for item in found}
    if _REVISION in labels:
        names &= {labels[_REVISION]}
    lives = kept.of_last_pod(Layout(connection.directory).logs, namespace, names)
    if not lives:
        click.echo("no pod is running, and none has left a log", err=True)
        return
    click.echo(f"no pod is running; this is what the last one, {lives[0][0]}, printed:", err=True)
    for _, log in lives:
        lines = log.read_text(errors="replace").splitlines()
        for line in lines if tail is None else lines[max(0, len(lines) - tail) :]:
            click.echo(line)
