"""What one user may see of the cluster, read from informers: in memory, current, no copy."""

from collections.abc import Iterable

from utsuwa.apiserver import User
from utsuwa.apiserver.ports import Attributes, Authorizer
from utsuwa.cluster.informer import Informers
from utsuwa.cluster.port import Key
from utsuwa.kit.documents import Document
from utsuwa.model.kinds import Kind
from utsuwa.model.meta import namespace_of

EVERYWHERE = Key("", "")


class Sight:
    """The cluster as `user` may see it. Documents are shared: read, never change."""

    def __init__(self, user: User, informers: Informers, authorizer: Authorizer) -> None:
        self.user = user
        self._informers = informers
        self._authorizer = authorizer

    def __repr__(self) -> str:
        return f"<Sight of {self.user.name}>"

    def may(self, verb: str, kind: Kind, key: Key = EVERYWHERE, subresource: str = "") -> bool:
        """Whether the user may do it, as the API server would decide."""
        asked = Attributes(verb, kind, key.namespace, key.name, subresource)
        return self._authorizer.allows(self.user, asked)

    def all(self, kind: Kind, namespace: str = "") -> list[Document]:
        """All that he may list: of one namespace, or of each in which he may."""
        found = self._informers.of(kind).list(namespace)
        if self.may("list", kind, Key(namespace, "")):
            return found
        if namespace:
            return []
        allowed = {one for one in _namespaces(found) if self.may("list", kind, Key(one, ""))}
        return [document for document in found if namespace_of(document) in allowed]

    def one(self, kind: Kind, key: Key) -> Document | None:
        """The object, or None where there is none; also where he may not get it."""
        return self._informers.of(kind).get(key) if self.may("get", kind, key) else None


def _namespaces(documents: Iterable[Document]) -> set[str]:
    return {namespace_of(document) for document in documents}
