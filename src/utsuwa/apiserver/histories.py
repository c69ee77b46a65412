"""What Services and Revisions did: `services/NAME/history`, read-only, for whoever may read the
object; with `-` for a name, of all in the namespace, for whoever may list them.

Query: `step`, seconds between two points; `since`, Unix seconds; `revisions=true`, those of a
Service's revisions as well.
"""

from dataclasses import replace

from utsuwa.apiserver.alerts import ALERTS
from utsuwa.apiserver.calls import Call, Outcome
from utsuwa.apiserver.paths import ALL
from utsuwa.apiserver.ports import Attributes, Backend, HistorySource
from utsuwa.apiserver.status import bad_request
from utsuwa.cluster.errors import NotFoundError
from utsuwa.cluster.port import Key
from utsuwa.kit.clock import parse_rfc3339
from utsuwa.kit.documents import Document
from utsuwa.model.kinds import Kind

HISTORY = "history"


class NoHistory:
    """A source that has none: where nothing is recorded."""

    steps: tuple[int, ...] = (1,)

    async def history(
        self, kind: Kind, key: Key, *, step: int, since: int | None, born: int, parts: bool
    ) -> Document:
        """Refused.

        Raises:
            NotFoundError: always.
        """
        raise NotFoundError(f"no history of {kind.resource} {key}: nothing is recorded here")


class Histories:
    """Answers from what is remembered."""

    def __init__(self, cluster: Backend, source: HistorySource) -> None:
        self._cluster = cluster
        self._source = source

    async def get(self, call: Call) -> Outcome:
        """The history of one object, or of all in its namespace.

        Raises:
            NotFoundError: there is no such object.
            BadRequestError: there are no points at that distance.
        """
        target = call.target
        step = call.number("step")
        if step is None:
            step = self._source.steps[0]
        if step not in self._source.steps:
            known = " or ".join(map(str, self._source.steps))
            raise bad_request(f"query parameter step: expected {known}, found {step}")
        if target.name != ALL:
            stored = await self._cluster.get(target.kind, target.key)
            return Outcome(await self._of(stored, step, call))
        found = await self._cluster.list(target.kind, target.namespace)
        items = [await self._of(item, step, call) for item in found.items]
        return Outcome({
            "kind": "HistoryList",
            "apiVersion": target.kind.api_version,
            "metadata": {},
            "items": items,
        })  # fmt: skip

    async def _of(self, stored: Document, step: int, call: Call) -> Document:
        metadata = stored["metadata"]
        told = await self._source.history(
            call.target.kind,
            Key(metadata["namespace"], metadata["name"]),
            step=step,
            since=call.number("since"),
            born=int(parse_rfc3339(metadata["creationTimestamp"])),
            parts=call.flag("revisions"),
        )
        return {
            "kind": "History",
            "apiVersion": call.target.kind.api_version,
            "metadata": {name: metadata[name] for name in ("name", "namespace", "uid")},
            **told,
        }


def reading(attributes: Attributes) -> Attributes:
    """The right that reading a history, or alerts, needs: that of reading the object, or of listing
    them."""
    if attributes.subresource not in {HISTORY, ALERTS} or attributes.verb != "get":
        return attributes
    if attributes.name == ALL:
        return replace(attributes, verb="list", name="", subresource="")
    return replace(attributes, subresource="")
