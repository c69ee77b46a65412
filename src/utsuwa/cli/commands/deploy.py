"""`utsuwa deploy`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from utsuwa.cli.complete import service_names
from utsuwa.cli.failures import Failure
from utsuwa.cli.options import (
    Connection,
    builder_option,
    connection_options,
    fresh_option,
    namespace_option,
    waiting_options,
)

if TYPE_CHECKING:
    from utsuwa.model.deployment import Change


@click.command("deploy", short_help="Create or update a service, and wait until it serves.")
@click.argument("name", shell_complete=service_names)
@click.option("--image", metavar="REF", help="Image to run.")
@click.option(
    "--source",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="DIR",
    help="Directory to build and run, in place of --image.",
)
@builder_option
@fresh_option
@click.option(
    "--concurrency",
    type=click.IntRange(min=0, max=1000),
    metavar="N",
    help="Requests at a time in one pod, at most; 0 for no limit.",
)
@click.option("--min-scale", type=click.IntRange(min=0), metavar="N", help="Pods, at least.")
@click.option(
    "--max-scale", type=click.IntRange(min=0), metavar="N", help="Pods, at most; 0 for no limit."
)
@click.option(
    "--env",
    multiple=True,
    metavar="K=V",
    help="Environment variable; K- removes it. May be repeated.",
)
@click.option(
    "--port", type=click.IntRange(1, 65535), metavar="N", help="Port the program listens on."
)
@click.option(
    "--use-http2/--no-use-http2",
    default=None,
    help="Whether requests reach the program as HTTP/2 (gRPC needs it), without TLS.",
)
@click.option(
    "--no-traffic", is_flag=True, help="The new revision gets no traffic; the rest stays put."
)
@click.option("--tag", metavar="T", help="Address of its own for the new revision: T-NAME...")
@namespace_option
@waiting_options
@connection_options
def command(  # noqa: PLR0913  (a parameter an option)
    *,
    name: str,
    image: str | None,
    source: Path | None,
    builder: str,
    fresh: bool,
    concurrency: int | None,
    min_scale: int | None,
    max_scale: int | None,
    env: tuple[str, ...],
    port: int | None,
    use_http2: bool | None,
    no_traffic: bool,
    tag: str | None,
    namespace: str | None,
    wait: float | None,
    connection: Connection,
) -> None:
    """Create the service NAME, or update it, and wait until it serves; prints its address.

    An update makes a new revision, and keeps whatever is not mentioned. Progress goes to stderr;
    stdout has the address alone.

    \b
    Examples:
      utsuwa deploy hello --source samples/hello --env TARGET=World
      utsuwa deploy shop --image dev.local/shop:1 --concurrency 80 --max-scale 10
      utsuwa deploy shop --image dev.local/shop:2 --no-traffic --tag next   # try it first
      curl "$(utsuwa deploy hello --env TARGET=again)"
    """
    from utsuwa.cli import deploying
    from utsuwa.model import deployment as manifest

    if image and source:
        raise click.UsageError("--image and --source: expected one of them, not both")
    pairs = _checked(name, image, env, tag, namespace)
    if source is not None:
        image, user_image = _build(source, name, connection, builder=builder, fresh=fresh)
    else:
        user_image = image or ""
    change = manifest.Change(
        nonce=deploying.nonce(),
        image=image or "",
        user_image=user_image,
        concurrency=concurrency,
        min_scale=min_scale,
        max_scale=max_scale,
        env=pairs,
        port=port,
        http2=use_http2,
        no_traffic=no_traffic,
        tag=tag or "",
    )
    _deploy(connection, name, change, namespace, wait)


def _checked(
    name: str, image: str | None, env: tuple[str, ...], tag: str | None, namespace: str | None
) -> tuple[tuple[str, str | None], ...]:
    from utsuwa.cli import names
    from utsuwa.model.images import parse_reference

    try:
        names.label(name, "NAME")
        if namespace:
            names.label(namespace, "--namespace")
        if tag:
            names.label(tag, "--tag")
        if image is not None:
            parse_reference(image)
        return names.environment(env)
    except ValueError as error:
        message = str(error)
        raise click.UsageError(
            f"--{message}" if message.startswith("image ") else message
        ) from error


def _build(
    source: Path, name: str, connection: Connection, *, builder: str, fresh: bool
) -> tuple[str, str]:
    """Build `source`; answers the image by digest, and by the name it is known under."""
    from utsuwa.cli.commands.build import build, say_to_stderr

    if connection.kubeconfig is not None and connection.data_dir is None:
        raise click.UsageError(
            "--source: the image is built into the cluster's data directory; name it: --data-dir"
        )
    with connection.client() as client:
        client.fetch("/version")  # a build may take minutes: not in vain
    ref = f"dev.local/{name}:latest"
    say_to_stderr(f"building {source}")
    built = build(source, ref, connection.directory, builder=builder, fresh=fresh)
    return built.pinned, built.ref


def _deploy(
    connection: Connection,
    name: str,
    change: "Change",
    namespace: str | None,
    timeout: float | None,
) -> None:
    """Write the service, wait for it for `timeout` seconds (None: do not), and say how it went."""
    from utsuwa.cli import deploying, waiting
    from utsuwa.model import deployment as manifest

    with connection.client() as client:
        where = namespace or client.namespace
        try:
            service = deploying.write(client, where, name, change)
        except manifest.ChangeError as error:
            raise Failure(
                str(error), f"utsuwa deploy {name} --source DIR, or --image REF"
            ) from error
        if timeout is None:
            click.echo(f"service {where}/{name}: accepted", err=True)
            return
        service = deploying.wait(client, service, timeout)
    revision = service["status"].get("latestReadyRevisionName", "")
    click.echo(
        f"service {where}/{name}: revision {revision} is ready and gets "
        f"{waiting.share(service)}% of the traffic",
        err=True,
    )
    url = waiting.tag_url(service, change.tag) if change.tag else ""
    click.echo(url or service["status"].get("url", ""))
