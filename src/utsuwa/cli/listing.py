"""What the list commands have in common."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from utsuwa.cli import render
from utsuwa.kit.clock import SystemClock

if TYPE_CHECKING:
    from utsuwa.app.api import Client, Resource
    from utsuwa.cli.rows import Listing

Document = dict[str, Any]


def now() -> float:
    """Unix seconds."""
    return SystemClock().now()


def fetch(
    client: "Client",
    resource: "Resource",
    namespace: str,
    name: str | None,
    *,
    labels: Mapping[str, str] | None = None,
) -> Document:
    """The list; or a list of the one named, which must be there unless all namespaces are asked."""
    if name and namespace:
        return {"items": [client.get(resource, namespace, name)]}
    found = client.list(resource, namespace, labels=labels)
    if name:
        found["items"] = [item for item in found["items"] if item["metadata"]["name"] == name]
    return found


def print_documents(found: Document, form: str, *, one: bool) -> None:
    """As JSON or YAML: a List, as kubectl prints it, or the object alone."""
    if one and len(found["items"]) == 1:
        click.echo(render.document(found["items"][0], form))
        return
    whole = {"apiVersion": "v1", "kind": "List", "metadata": {}, "items": found["items"]}
    click.echo(render.document(whole, form))


def print_table(table: "Listing", when_empty: str) -> None:
    """On stdout; when there is nothing to list, that is said on stderr."""
    if table.rows:
        click.echo(render.table(table.columns, table.rows))
    else:
        click.echo(when_empty, err=True)
