"""Completion of names, from the running cluster; silent where there is none."""

import click

from utsuwa.cli.failures import Failure


def service_names(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Services whose names begin with what was typed."""
    from utsuwa.cli.options import Connection
    from utsuwa.cli.resources import SERVICES

    connection = Connection(ctx.params.get("data_dir"), ctx.params.get("kubeconfig"))
    try:
        with connection.client() as client:
            found = client.list(SERVICES, ctx.params.get("namespace") or client.namespace)
    except Failure:
        return []
    names = [item["metadata"]["name"] for item in found["items"]]
    return sorted(name for name in names if name.startswith(incomplete))
