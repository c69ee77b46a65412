"""Alerts on the command line: asking for them, and laying them out."""

import textwrap
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from utsuwa.app.api.errors import ApiRefusedError
from utsuwa.cli.resources import NODES, REVISIONS, SERVICES

if TYPE_CHECKING:
    from utsuwa.app.api import Client, Resource

Document = dict[str, Any]

_ALL = "-"
_WIDTH = 100
_NOT_FOR_US = frozenset({403, 404})
"""Who may read services need not be allowed to read nodes; an older server knows no alerts."""


def of_namespaces(client: "Client", namespaces: Iterable[str]) -> list[Document]:
    """What stands on the services there, and on the machine."""
    found = [one for name in sorted(set(namespaces)) for one in _all(client, SERVICES, name)]
    return [*found, *_all(client, NODES, "")]


def of_name(client: "Client", kind: str, namespace: str, name: str) -> list[Document]:
    """What stands on one service or revision."""
    resource = REVISIONS if kind == "revision" else SERVICES
    return _items(client, resource, namespace, name)


def _all(client: "Client", resource: "Resource", namespace: str) -> list[Document]:
    return [
        alert for one in _items(client, resource, namespace, _ALL) for alert in one.get("items", ())
    ]


def _items(client: "Client", resource: "Resource", namespace: str, name: str) -> list[Document]:
    try:
        answer = client.get(resource, namespace, name, subresource="alerts")
    except ApiRefusedError as error:
        if error.code not in _NOT_FOR_US:
            raise
        return []
    items: list[Document] = answer.get("items") or []
    return items


def lines(alerts: Iterable[Document]) -> Iterator[str]:
    """Each with what to do."""
    for alert in alerts:
        subject = alert["subject"]
        where = "/".join(part for part in (subject["namespace"], subject["name"]) if part)
        text = f"{where}: {alert['message']} {_sentence(alert['detail'])} Since {alert['since']}."
        yield _wrapped(f"{alert['severity'].upper()} ", text)
        yield _wrapped("    ", alert["action"])


def _sentence(text: str) -> str:
    return f"({text})" if text else ""


def _wrapped(head: str, text: str) -> str:
    return "\n".join(
        textwrap.wrap(
            text, _WIDTH, initial_indent=head, subsequent_indent="    ", break_on_hyphens=False,
            break_long_words=False,
        )
    )  # fmt: skip
