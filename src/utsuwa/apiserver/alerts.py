"""What a person should act on: `services/NAME/alerts`, `revisions/NAME/alerts`, `nodes/NAME/alerts`,
read-only, for whoever may read the object; with `-` for a name, of all in the namespace (of all
nodes), for whoever may list them. Objects without alerts are left out of that list.
"""

from collections.abc import Sequence

from utsuwa.apiserver.calls import Call, Outcome
from utsuwa.apiserver.paths import ALL
from utsuwa.apiserver.ports import AlertSource, Backend
from utsuwa.cluster.port import Key
from utsuwa.kit.documents import Document
from utsuwa.model.kinds import Kind

ALERTS = "alerts"


class NoAlerts:
    """A source that has none: where nobody watches."""

    def alerts(self, kind: Kind, key: Key) -> Sequence[Document]:
        """None."""
        return ()


class Alerts:
    """Answers from what stands."""

    def __init__(self, cluster: Backend, source: AlertSource) -> None:
        self._cluster = cluster
        self._source = source

    async def get(self, call: Call) -> Outcome:
        """The alerts of one object, or of all in its namespace that have any.

        Raises:
            NotFoundError: there is no such object.
        """
        target = call.target
        if target.name != ALL:
            return Outcome(self._of(target.kind, await self._cluster.get(target.kind, target.key)))
        found = await self._cluster.list(target.kind, target.namespace)
        told = (self._of(target.kind, item) for item in found.items)
        return Outcome({
            "kind": "AlertsList",
            "apiVersion": target.kind.api_version,
            "metadata": {},
            "items": [one for one in told if one["items"]],
        })  # fmt: skip

    def _of(self, kind: Kind, stored: Document) -> Document:
        metadata = stored["metadata"]
        names = ("name", "namespace", "uid")
        key = Key(metadata.get("namespace", ""), metadata["name"])
        return {
            "kind": "Alerts",
            "apiVersion": kind.api_version,
            "metadata": {name: metadata[name] for name in names if name in metadata},
            "items": list(self._source.alerts(kind, key)),
        }
