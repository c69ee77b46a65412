"""Follows services over the history that the API tells. Blocking: one request a second."""

from collections.abc import Mapping
from typing import Any

from utsuwa.app.api import Client, Resource
from utsuwa.app.observe.recording import Recording
from utsuwa.model.kinds import SERVICE

_SERVICES = Resource(SERVICE.api_version, SERVICE.plural)
_NEVER = 1 << 40
"""A `since` after which there is nothing: only how far the history has come is told then."""
KEPT = 3600
"""Seconds that a recording without an end holds: as many as the history has."""


class Watch:
    """One service. `recording` grows with each :meth:`poll`."""

    def __init__(self, client: Client, namespace: str, name: str, *, before: int) -> None:
        """Begins `before` seconds back."""
        self._client = client
        self._path = _SERVICES.path(namespace, name, "history")
        until = int(self._ask(_NEVER)["until"])
        self.recording = Recording(name, until - before + 1, until - before)

    def __repr__(self) -> str:
        return f"<Watch of {self._path}>"

    def poll(self) -> range:
        """Take what is new; the seconds that are."""
        first = self.recording.end + 1
        self.recording.take(self._ask(first))
        return range(first, self.recording.end + 1)

    def _ask(self, since: int) -> Mapping[str, Any]:
        return self._client.fetch(self._path, {"since": str(since)})


class WatchAll:
    """Every service of a namespace, or of all; `recordings` by namespace and name."""

    def __init__(self, client: Client, namespace: str, *, before: int) -> None:
        self._client = client
        self._namespace = namespace
        self._before = before
        self.recordings: dict[tuple[str, str], Recording] = {}

    def __repr__(self) -> str:
        return f"<WatchAll of {len(self.recordings)} services>"

    def poll(self) -> None:
        """Take what is new of each; those that are gone go."""
        found: dict[tuple[str, str], Recording] = {}
        for namespace in self._namespaces():
            for answer in self._ask(namespace, self._since(namespace)):
                key = (namespace, answer["metadata"]["name"])
                recording = self.recordings.get(key) or Recording(
                    key[1], int(answer["until"]) - self._before + 1
                )
                recording.take(answer)
                recording.keep(self._before)
                found[key] = recording
        self.recordings = dict(sorted(found.items()))

    def _since(self, namespace: str) -> int:
        """What is not known yet; of one that is seen for the first time no more than is shown: the
        whole hour of many services would take seconds."""
        known = [r for (where, _), r in self.recordings.items() if where == namespace]
        if known:
            return min(recording.end for recording in known) + 1
        latest = max((int(answer["until"]) for answer in self._ask(namespace, _NEVER)), default=0)
        return latest - self._before

    def _ask(self, namespace: str, since: int) -> list[dict[str, Any]]:
        path = _SERVICES.path(namespace, "-", "history")
        items: list[dict[str, Any]] = self._client.fetch(path, {"since": str(max(0, since))})[
            "items"
        ]
        return items

    def _namespaces(self) -> list[str]:
        if self._namespace:
            return [self._namespace]
        items = self._client.list(_SERVICES)["items"]
        return sorted({item["metadata"]["namespace"] for item in items})
