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
            _print(client, where, labels, tail)
            return
        for pod, line in Follower(client, where, labels, tail).lines():
            click.echo(f"{pod} | {line}")


def _print(client: "Client", namespace: str, labels: dict[str, str], tail: int | None) -> None:
    from utsuwa.app.api import ApiRefusedError
    from utsuwa.cli.resources import PODS
    from utsuwa.cli.tailing import lines

    pods = client.list(PODS, namespace, labels=labels)["items"]
    pods.sort(key=lambda pod: pod["metadata"].get("creationTimestamp") or "")
    if not pods:
        click.echo(
            "no pod is running: the service is at zero; its next request starts one (logs -f)",
            err=True,
        )
    for pod in pods:
        name = pod["metadata"]["name"]
        head = f"{name} | " if len(pods) > 1 else ""
        try:
            for line in lines(client, namespace, name, tail=tail):
                click.echo(head + line)
        except ApiRefusedError as error:
            click.echo(f"{name}: {error}", err=True)  # has ended just now, or has not begun
