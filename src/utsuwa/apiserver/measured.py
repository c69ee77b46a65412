"""What is measured rather than stored: `metrics.k8s.io`, and the decisions on a PodAutoscaler.

`kubectl top` reads the first: get and list, by name, namespace and labels. Each answer is of now;
there is nothing to watch and nothing to write.
"""

from collections.abc import Sequence

from utsuwa.apiserver.calls import Call, Outcome
from utsuwa.apiserver.ports import Backend, DecisionSource, UsageSource
from utsuwa.apiserver.reads import Reads
from utsuwa.cluster.errors import NotFoundError
from utsuwa.cluster.port import Key
from utsuwa.kit.clock import Clock, rfc3339
from utsuwa.kit.documents import Document
from utsuwa.model.kinds import NODE, NODE_METRICS, POD, POD_AUTOSCALER, POD_METRICS, Kind
from utsuwa.model.usage import PodUse

SOURCES: dict[Kind, Kind] = {POD_METRICS: POD, NODE_METRICS: NODE}
"""Of which stored kind each measured one tells."""


class NothingKnown:
    """A source of use and of decisions that has none: where no node and no autoscaler run."""

    async def measured(self, uids: Sequence[str]) -> dict[str, PodUse]:
        """Nothing."""
        return {}

    async def machine(self, name: str) -> PodUse | None:
        """Nothing."""
        return None

    def decisions(self, autoscaler: Key) -> Sequence[Document]:
        """None."""
        return ()

    def present(self, autoscaler: Key) -> Document:
        """Nothing."""
        return {}


class Measured:
    """Answers from what others measure and decide."""

    def __init__(
        self,
        cluster: Backend,
        reads: Reads,
        clock: Clock,
        *,
        usage: UsageSource,
        decisions: DecisionSource,
    ) -> None:
        self._cluster = cluster
        self._reads = reads
        self._clock = clock
        self._usage = usage
        self._decisions = decisions

    async def get(self, call: Call) -> Outcome:
        """One measurement.

        Raises:
            NotFoundError: there is no such object, or it does not run.
        """
        target = call.target
        stored = await self._cluster.get(SOURCES[target.kind], target.key)
        found = await self._documents(target.kind, [stored])
        if not found:
            raise NotFoundError(
                f'{target.kind.resource} "{target.name}" not found: expected one that runs; '
                "see its status",
                name=target.name, group=target.kind.group, kind=target.kind.plural,
            )  # fmt: skip
        return Outcome(call.shape.one(found[0], self._clock.now()))

    async def listing(self, call: Call) -> Outcome:
        """Measurements of all that runs among what the selectors select."""
        stored, version = await self._reads.select(call, SOURCES[call.target.kind])
        found = await self._documents(call.target.kind, stored)
        metadata = {"resourceVersion": str(version)}
        return Outcome(call.shape.many(found, metadata, self._clock.now()))

    async def decisions(self, call: Call) -> Outcome:
        """The last hour of decisions on a PodAutoscaler, oldest first; with `limit`, the newest so
        many.

        Raises:
            NotFoundError: no such PodAutoscaler.
        """
        document = await self._cluster.get(POD_AUTOSCALER, call.target.key)
        items = list(self._decisions.decisions(call.target.key))
        limit = call.number("limit")
        metadata = {name: document["metadata"][name] for name in ("name", "namespace", "uid")}
        return Outcome({
            "kind": "PodAutoscalerDecisionList",
            "apiVersion": POD_AUTOSCALER.api_version,
            "metadata": metadata,
            **self._decisions.present(call.target.key),
            "items": items[-limit:] if limit else items,
        })  # fmt: skip

    async def _documents(self, kind: Kind, stored: Sequence[Document]) -> list[Document]:
        if kind is POD_METRICS:
            uids = [one["metadata"]["uid"] for one in stored]
            found = await self._usage.measured(uids)
            uses = [found.get(uid) for uid in uids]
        else:
            uses = [await self._usage.machine(one["metadata"]["name"]) for one in stored]
        return [
            self._document(kind, one, use)
            for one, use in zip(stored, uses, strict=True)
            if use is not None
        ]

    def _document(self, kind: Kind, stored: Document, use: PodUse) -> Document:
        now = rfc3339(self._clock.now())
        metadata = stored["metadata"]
        document = kind.document(
            metadata.get("namespace", ""), metadata["name"],
            timestamp=now, window=f"{use.window:.3f}s",
        )  # fmt: skip
        document["metadata"]["creationTimestamp"] = now
        if metadata.get("labels"):
            document["metadata"]["labels"] = dict(metadata["labels"])
        if kind is NODE_METRICS:
            return {**document, "usage": _quantities(use.cores, use.memory)}
        containers = [
            {"name": one.name, "usage": _quantities(one.cores, one.memory)}
            for one in use.containers
        ]
        return {**document, "containers": containers}


def _quantities(cores: float | None, memory: float) -> dict[str, str]:
    """As Kubernetes writes them: nanocores and KiB."""
    return {"cpu": f"{round((cores or 0.0) * 1e9)}n", "memory": f"{round(memory / 1024)}Ki"}
