"""The end of a namespace: what is in it goes first."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from utsuwa.cluster.errors import NotFoundError
from utsuwa.cluster.informer import Informers, key_of
from utsuwa.cluster.port import Cluster, DeleteOptions, Key
from utsuwa.kit.clock import Clock, rfc3339
from utsuwa.kit.documents import Document, dig
from utsuwa.model.conditions import conditions_of, groom
from utsuwa.model.kinds import KINDS, NAMESPACE, Kind

_CONTENT = tuple(kind for kind in reversed(KINDS) if kind.namespaced)
"""What a namespace holds, makers before what they make: so little is made anew meanwhile."""

Left = Sequence[tuple[Kind, Document]]
"""The objects that are still there, with their kinds."""


@dataclass(frozen=True, slots=True)
class NamespaceEnd:
    """Empties a Namespace that is being deleted, then lets it go."""

    cluster: Cluster
    informers: Informers
    clock: Clock

    async def reconcile(self, key: Key) -> None:
        """Delete what is in the namespace; when nothing is left, declare it empty. While
        something is left, the namespace's conditions say what, and what it waits for."""
        try:
            namespace = await self.cluster.get(NAMESPACE, key)
        except NotFoundError:
            return
        if "deletionTimestamp" not in namespace["metadata"]:
            return
        left = [item for kind in _CONTENT for item in await self._emptied(kind, key.name)]
        if left:
            known = conditions_of(namespace.get("status"))
            now = rfc3339(self.clock.now())
            status = {"conditions": groom(known, remaining(left), now)}
            await self.cluster.merge(NAMESPACE, key, {"status": status}, subresource="status")
        else:
            await self.cluster.merge(
                NAMESPACE, key, {"spec": {"finalizers": None}}, subresource="finalize"
            )

    async def _emptied(self, kind: Kind, namespace: str) -> Left:
        """Delete the objects of `kind`; answers those that stay for a while."""
        left = []
        for document in (await self.cluster.list(kind, namespace)).items:
            stays = await self._deleted(kind, document)
            if stays is not None:
                left.append((kind, stays))
        return left

    async def _deleted(self, kind: Kind, document: Document) -> Document | None:
        if "deletionTimestamp" in document["metadata"]:
            return document
        try:
            return await self.cluster.delete(kind, key_of(document), DeleteOptions())
        except NotFoundError:
            return None

    def of(self, document: Document) -> Iterable[Key]:
        """The namespace of `document`, if it is being deleted and may have waited for it."""
        key = Key("", document["metadata"].get("namespace", ""))
        namespace = self.informers.of(NAMESPACE).get(key)
        if namespace is not None and "deletionTimestamp" in namespace["metadata"]:
            yield key


def remaining(left: Left) -> list[Document]:
    """The conditions of a Namespace that waits for what is `left`, as Kubernetes words them."""
    resources = Counter(f"{kind.plural}.{kind.group}" for kind, _ in left)
    finalizers = Counter(
        name for _, document in left for name in dig(document, "metadata", "finalizers", default=())
    )
    conditions = [
        {
            "type": "NamespaceContentRemaining",
            "status": "True",
            "reason": "SomeResourcesRemain",
            "message": "Some resources are remaining: "
            + ", ".join(f"{name} has {n} resource instances" for name, n in resources.items()),
        }
    ]
    if finalizers:
        conditions.append(
            {
                "type": "NamespaceFinalizersRemaining",
                "status": "True",
                "reason": "SomeFinalizersRemain",
                "message": "Some content in the namespace has finalizers remaining: "
                + ", ".join(f"{name} in {n} resource instances" for name, n in finalizers.items()),
            }
        )
    return conditions
