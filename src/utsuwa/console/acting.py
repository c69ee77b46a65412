"""The API, as one user: every read and every write passes the rights and the admission that a
request of kubectl passes, in the same code."""

from collections.abc import Mapping
from typing import NamedTuple

from utsuwa.apiserver import ApiServer, User
from utsuwa.apiserver.calls import Call
from utsuwa.apiserver.paths import Target
from utsuwa.cluster.port import Key
from utsuwa.kit.documents import Document, decode, encode
from utsuwa.model.kinds import Kind

_AGENT = "utsuwa-console"
_JSON = "application/json"


class Done(NamedTuple):
    """What a write led to: the object as it is (or would be), and warnings."""

    document: Document
    warnings: tuple[str, ...] = ()


class Acting:
    """What `user` asks. Everything raises ApiError when it is refused."""

    def __init__(self, server: ApiServer, user: User) -> None:
        self._server = server
        self._user = user

    def __repr__(self) -> str:
        return f"<Acting as {self._user.name}>"

    async def get(
        self, kind: Kind, key: Key, subresource: str = "", query: Mapping[str, str] | None = None
    ) -> Document:
        """One object, or a sub-resource of it (`history`, `decisions`)."""
        return (await self._ask("GET", kind, key, subresource, query=query)).document

    async def list(
        self, kind: Kind, namespace: str = "", query: Mapping[str, str] | None = None
    ) -> list[Document]:
        """All objects of a kind, in one namespace or in all."""
        found = await self._ask("GET", kind, Key(namespace, ""), query=query)
        items: list[Document] = found.document.get("items") or []
        return items

    async def create(self, kind: Kind, document: Document, *, dry_run: bool = False) -> Done:
        """A new object."""
        key = Key(document["metadata"].get("namespace", ""), "")
        return await self._ask("POST", kind, key, body=document, query=_dry(dry_run))

    async def replace(self, kind: Kind, document: Document, *, dry_run: bool = False) -> Done:
        """The object as `document` says, at the resourceVersion that it carries."""
        metadata = document["metadata"]
        key = Key(metadata.get("namespace", ""), metadata["name"])
        return await self._ask("PUT", kind, key, body=document, query=_dry(dry_run))

    async def patch(self, kind: Kind, key: Key, patch: Document, *, dry_run: bool = False) -> Done:
        """A merge patch laid over the object."""
        return await self._ask(
            "PATCH", kind, key, body=patch, query=_dry(dry_run),
            content="application/merge-patch+json",
        )  # fmt: skip

    async def delete(self, kind: Kind, key: Key) -> Done:
        """The object, and all it owns."""
        return await self._ask("DELETE", kind, key, body={"propagationPolicy": "Background"})

    async def _ask(
        self,
        method: str,
        kind: Kind,
        key: Key,
        subresource: str = "",
        *,
        query: Mapping[str, str] | None = None,
        body: Document | None = None,
        content: str = _JSON,
    ) -> Done:
        call = Call(
            self._user,
            Target(kind, key.namespace, key.name, subresource),
            query or {},
            body=b"" if body is None else encode(body),
            content_type=content,
            agent=_AGENT,
        )
        outcome = await self._server.ask(call, method)
        document = decode(outcome.body) if outcome.body else outcome.document
        return Done(document, outcome.warnings)


def _dry(dry_run: bool) -> dict[str, str]:
    return {"fieldManager": _AGENT, "fieldValidation": "Strict"} | (
        {"dryRun": "All"} if dry_run else {}
    )
