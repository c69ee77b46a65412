"""The logs of a service as its server tells them, and as people read them."""

import json
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from utsuwa.app.api import NoServerError
from utsuwa.cli.resources import SERVICES

if TYPE_CHECKING:
    from utsuwa.app.api import Client

_FOR_EVER = 365 * 86400.0
_PATIENCE = 30.0
"""Seconds for which a server may be away that is followed: it is being started anew."""
_AGAIN = 0.5
_COLOURS: dict[str, dict[str, Any]] = {
    "DEBUG": {"dim": True},
    "NOTICE": {"fg": "cyan"},
    "WARNING": {"fg": "yellow"},
    "ERROR": {"fg": "red"},
    "CRITICAL": {"fg": "red", "bold": True},
    "ALERT": {"fg": "red", "bold": True},
    "EMERGENCY": {"fg": "red", "bold": True},
}

Line = dict[str, Any]


class Told:
    """What one question about the logs of a service is answered with.

    Mutable state, while it follows: `_seen`, how far each file has been told, and `_latest`, when
    the last line was written.
    """

    def __init__(
        self, client: "Client", namespace: str, name: str, query: Mapping[str, str]
    ) -> None:
        self._client = client
        self._path = SERVICES.path(namespace, name, "logs")
        self._query = dict(query)
        self._seen: dict[tuple[str, ...], int] = {}
        self._latest = ""

    def __repr__(self) -> str:
        return f"<Told {self._path} {self._query}>"

    def sources(self) -> list[Line]:
        """The files that there are."""
        found: list[Line] = self._client.fetch(self._path, {"sources": "true"})["items"]
        return found

    def raw(self) -> Iterator[str]:
        """The lines as they were written."""
        query = urlencode({**self._query, "format": "text"})
        for line in self._client.lines(f"{self._path}?{query}", timeout=_FOR_EVER):
            yield line.decode("utf-8", "replace").rstrip("\n")

    def lines(self) -> Iterator[Line]:
        """The lines, parsed. While it follows, a server that is started anew is asked again, and
        no line is told twice.

        Raises:
            NoServerError: it does not come back.
        """
        deadline = 0.0
        while True:
            try:
                for line in self._once():
                    deadline = 0.0
                    yield line
                if "follow" not in self._query:
                    return
            except NoServerError:
                now = time.monotonic()  # noqa: TID251  (a person waits, no clock is at hand)
                deadline = deadline or now + _PATIENCE
                if "follow" not in self._query or now > deadline or not self._latest:
                    raise
            time.sleep(_AGAIN)  # noqa: TID251  (likewise)

    def _once(self) -> Iterator[Line]:
        query = dict(self._query)
        if self._latest:
            query["sinceTime"] = self._latest
            query.pop("sinceSeconds", None)
            query.pop("tailLines", None)
        for text in self._client.lines(f"{self._path}?{urlencode(query)}", timeout=_FOR_EVER):
            line: Line = json.loads(text)
            file = tuple(
                str(line.get(part, "")) for part in ("kind", "pod", "container", "restart")
            )
            if line["position"] > self._seen.get(file, -1):
                self._seen[file] = line["position"]
                self._latest = max(self._latest, line["received"])
                yield line


def shown(line: Line, *, head: bool, times: bool = False) -> tuple[str, dict[str, Any]]:
    """A line as people read it, and the style of its severity."""
    parts = []
    if times:
        parts.append(line["time"])
    if head:
        parts.append(f"{line.get('pod') or line['kind']} |")
    severity = line["severity"]
    if "payload" in line or "text" in line:  # a structured one
        if severity != "DEFAULT":
            parts.append(severity)
        parts.append(line["message"])
        payload = {} if line["message"] == line.get("text") else line.get("payload", {})
        parts += [f"{name}={_value(value)}" for name, value in payload.items()]
    else:
        parts.append(line["message"])
    return " ".join(parts), _COLOURS.get(severity, {})


def _value(value: Any) -> str:
    if isinstance(value, str) and value and not any(c.isspace() or c in '"=' for c in value):
        return value
    return json.dumps(value, ensure_ascii=False)
