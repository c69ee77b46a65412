"""`utsuwa up`."""

from pathlib import Path

import click

from utsuwa.cli.names import ROLES

_PORT = click.IntRange(1, 65535)


@click.command("up", short_help="Run a cluster in the foreground.")
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Where all state lives [$UTSUWA_DATA_DIR, or ~/.local/state/utsuwa].",
)
@click.option(
    "--gateway-port", type=_PORT, default=8080, show_default=True, help="Port of your services."
)
@click.option(
    "--https-port",
    type=click.IntRange(0, 65535),
    help="Port of your services with TLS [8443 if it is free], 0 for none.",
)
@click.option(
    "--metrics-port",
    type=click.IntRange(0, 65535),
    help="Port of metrics for Prometheus [9464 if it is free], 0 for none.",
)
@click.option(
    "--api-port", type=_PORT, default=6443, show_default=True, help="Port of the Kubernetes API."
)
@click.option(
    "--console-port",
    type=click.IntRange(0, 65535),
    help="Port of the console [8090 if it is free], 0 for none.",
)
@click.option(
    "--domain",
    default="localhost",
    show_default=True,
    help="Services answer at NAME.NAMESPACE.DOMAIN.",
)
@click.option(
    "--address",
    default="127.0.0.2",
    show_default=True,
    metavar="IP|off",
    help="Serve ports 80 and 443 here too, as gcloud needs it; 'off' for neither.",
)
@click.option(
    "--gke-port",
    type=_PORT,
    default=8001,
    show_default=True,
    help="Port of the GKE control API, at that address.",
)
@click.option(
    "--runtime",
    type=click.Choice(["auto", "process", "container"]),
    default="auto",
    show_default=True,
    help="What a pod is: auto runs bundles as processes and other images as containers.",
)
@click.option(
    "--isolation",
    type=click.Choice(["auto", "none"]),
    default="auto",
    show_default=True,
    help="Whether processes of bundles see only what they need, as a user without rights.",
)
@click.option(
    "--gateway-workers",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    metavar="N",
    help="Gateway processes that share the port, for machines with many cores.",
)
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"], case_sensitive=False),
    default="info",
    show_default=True,
    help="How much is logged below DIR/logs.",
)
@click.option(
    "--anonymous",
    type=click.Choice(ROLES),
    is_flag=False,
    flag_value="view",
    default=None,
    help="Let callers on this machine who do not say who they are act in this role [view].",
)
def command(  # noqa: PLR0913  (each one is an option of the command line, all by name)
    *,
    data_dir: Path | None,
    https_port: int | None,
    metrics_port: int | None,
    console_port: int | None,
    domain: str,
    address: str,
    runtime: str,
    isolation: str,
    gateway_workers: int,
    log_level: str,
    anonymous: str | None,
    **ports: int,
) -> int:
    """Run a cluster in the foreground, until Ctrl-C or SIGTERM.

    Prints `utsuwa is ready` when deploys and requests work, then where to find what. Everything
    it keeps is in the data directory: stop it and start it again, and your services are back.

    \b
    Examples:
      utsuwa up
      utsuwa up --domain example.com --address 127.0.0.2   # for unmodified gcloud
      utsuwa up --data-dir /tmp/second --gateway-port 8081 --api-port 6444 \\
                --console-port 8091 --address off          # a second one beside it
    """
    own = [port for name, port in ports.items() if name != "gke_port"]  # that one is elsewhere
    optional = (https_port, metrics_port, console_port)
    asked = [port or -number for number, port in enumerate(optional, start=1)]
    _check(domain, address, (*own, *asked))
    from utsuwa.app.options import UpOptions, default_data_dir
    from utsuwa.app.supervisor import run

    options = UpOptions(
        data_dir=(data_dir or default_data_dir()).absolute(),
        https_port=https_port,
        metrics_port=metrics_port,
        console_port=console_port,
        domain=domain,
        address=address,
        runtime=runtime,
        isolation=isolation,
        gateway_workers=gateway_workers,
        log_level=log_level.lower(),
        anonymous=anonymous or "",
        **ports,
    )
    return run(options)


def _check(domain: str, address: str, ports: tuple[int, ...]) -> None:
    import ipaddress
    import re

    if not re.fullmatch(r"[a-z0-9]([a-z0-9.-]{0,200}[a-z0-9])?", domain):
        raise click.UsageError(f"--domain {domain!r}: expected a DNS name such as example.com")
    if address != "off":
        try:
            ipaddress.ip_address(address)
        except ValueError:
            raise click.UsageError(
                f"--address {address!r}: expected an IP address of this machine, or 'off'"
            ) from None
    if len(set(ports)) < len(ports):
        raise click.UsageError(
            "--gateway-port, --https-port, --metrics-port, --api-port and --console-port: "
            "expected different ports"
        )
