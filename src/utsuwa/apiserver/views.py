"""Kinds that are another kind in other words: a cluster in which they seem to be stored.

Everything else of the server treats a view's kind as any other. Here it is turned into the stored
kind on the way in, and back on the way out; admission sees the stored kind.
"""

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace

from utsuwa.apiserver.ports import Admission, Attributes, Authorizer, Backend, Review, User
from utsuwa.apiserver.schemas import tree_of
from utsuwa.apiserver.status import invalid
from utsuwa.cluster.errors import AlreadyExistsError, Cause, NotFoundError
from utsuwa.cluster.port import DeleteOptions, Key, ObjectList, WatchEvent
from utsuwa.kit.documents import Document
from utsuwa.model import labels
from utsuwa.model.cloud_domains import records_of, stored, viewed
from utsuwa.model.kinds import (
    CLOUD_DOMAIN_MAPPING,
    CLUSTER_DOMAIN_CLAIM,
    CORE_SERVICE,
    DOMAIN_MAPPING,
    Kind,
)
from utsuwa.model.schema import faults

GATEWAY = Key("istio-system", "istio-ingressgateway")
"""The core Service whose address DNS records lead to."""


def is_view(kind: Kind) -> bool:
    """Whether objects of `kind` are stored as another kind."""
    return kind is CLOUD_DOMAIN_MAPPING


class Views:
    """A Backend over another one: views are looked at and written as if they were stored."""

    def __init__(self, cluster: Backend) -> None:
        self._cluster = cluster

    @property
    def resource_version(self) -> int:
        """As the port."""
        return self._cluster.resource_version

    async def get(self, kind: Kind, key: Key) -> Document:
        """As the port."""
        if not is_view(kind):
            return await self._cluster.get(kind, key)
        return viewed(await self._cluster.get(DOMAIN_MAPPING, key), await self._records())

    async def list(
        self, kind: Kind, namespace: str = "", *, labels: Mapping[str, str] | None = None
    ) -> ObjectList:
        """As the port."""
        if not is_view(kind):
            return await self._cluster.list(kind, namespace, labels=labels)
        found = await self._cluster.list(DOMAIN_MAPPING, namespace, labels=labels)
        records = await self._records()
        return replace(found, items=[viewed(item, records) for item in found.items])

    def watch(self, kind: Kind, namespace: str = "", *, since: int) -> AsyncIterator[WatchEvent]:
        """As the port."""
        if not is_view(kind):
            return self._cluster.watch(kind, namespace, since=since)
        return self._watch(namespace, since)

    async def _watch(self, namespace: str, since: int) -> AsyncIterator[WatchEvent]:
        async for event in self._cluster.watch(DOMAIN_MAPPING, namespace, since=since):
            if not event.object.get("metadata", {}).get("name"):
                yield event  # a bookmark
                continue
            records = await self._records()
            previous = event.previous and viewed(event.previous, records)
            yield replace(event, object=viewed(event.object, records), previous=previous)

    async def create(self, document: Document, *, dry_run: bool = False) -> Document:
        """As the port."""
        if document["apiVersion"] != CLOUD_DOMAIN_MAPPING.api_version:
            return await self._cluster.create(document, dry_run=dry_run)
        made = await self._cluster.create(stored(document), dry_run=dry_run)
        return viewed(made, await self._records())

    async def update(self, document: Document, *, dry_run: bool = False) -> Document:
        """As the port; a view is changed by :meth:`transform` alone."""
        return await self._cluster.update(document, dry_run=dry_run)

    async def update_status(self, document: Document, *, dry_run: bool = False) -> Document:
        """As the port; views have no status of their own."""
        return await self._cluster.update_status(document, dry_run=dry_run)

    async def merge(
        self, kind: Kind, key: Key, patch: Document, *, subresource: str = ""
    ) -> Document:
        """As the port; a view is changed by :meth:`transform` alone."""
        return await self._cluster.merge(kind, key, patch, subresource=subresource)

    async def transform(
        self,
        kind: Kind,
        key: Key,
        function: Callable[[Document], Document],
        *,
        subresource: str = "",
        dry_run: bool = False,
    ) -> Document:
        """As the port."""
        if not is_view(kind):
            return await self._cluster.transform(
                kind, key, function, subresource=subresource, dry_run=dry_run
            )
        records = await self._records()

        def decide(old: Document) -> Document:
            return stored(function(viewed(old, records)), old)

        changed = await self._cluster.transform(DOMAIN_MAPPING, key, decide, dry_run=dry_run)
        return viewed(changed, records)

    async def delete(
        self, kind: Kind, key: Key, options: DeleteOptions | None = None
    ) -> Document | None:
        """As the port."""
        if not is_view(kind):
            return await self._cluster.delete(kind, key, options)
        left = await self._cluster.delete(DOMAIN_MAPPING, key, options)
        return left and viewed(left, await self._records())

    async def _records(self) -> tuple[Document, ...]:
        try:
            return records_of(await self._cluster.get(CORE_SERVICE, GATEWAY))
        except NotFoundError:
            return ()


def admission_of_views(admission: Admission) -> Admission:
    """`admission`, which sees of a view what would be stored."""

    def decide(review: Review) -> tuple[Document, tuple[str, ...]]:
        if not is_view(review.kind):
            return admission(review)
        name = review.object["metadata"].get("name", "")
        if found := faults(review.object, tree_of(review.kind)):
            causes = tuple(Cause(one.message, one.field, one.reason) for one in found)
            raise invalid(review.kind, name, causes)
        new, old = stored(review.object), review.old and stored(review.old)
        admitted, warnings = admission(replace(review, kind=DOMAIN_MAPPING, object=new, old=old))
        return {**viewed(admitted), "spec": review.object["spec"]}, warnings

    return decide


class Claims:
    """Claims a domain for whoever maps it in gcloud's words, which know no claims.

    Only where he may create claims himself: a claim keeps a domain from all other namespaces.
    """

    def __init__(self, cluster: Backend, authorizer: Authorizer) -> None:
        self._cluster = cluster
        self._authorizer = authorizer

    async def take(self, user: User, document: Document) -> None:
        """The domain is claimed if it is free and `user` may; if not, the mapping will say so."""
        if document["apiVersion"] != CLOUD_DOMAIN_MAPPING.api_version:
            return
        namespace, name = document["metadata"]["namespace"], document["metadata"].get("name", "")
        asked = Attributes("create", CLUSTER_DOMAIN_CLAIM, name=name)
        if not name or not self._authorizer.allows(user, asked):
            return
        claim = CLUSTER_DOMAIN_CLAIM.document("", name, spec={"namespace": namespace})
        claim["metadata"]["annotations"] = {labels.CLAIMED_WITH_MAPPING: "true"}
        with contextlib.suppress(AlreadyExistsError):
            await self._cluster.create(claim)
