"""The objects in memory, by kind, namespace and name."""

from collections.abc import Iterator

from utsuwa.store.records import ObjectKey, Stored


class Objects:
    """An index; lists come sorted by namespace and name, as Kubernetes answers them."""

    def __init__(self) -> None:
        self._kinds: dict[str, dict[str, dict[str, Stored]]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def get(self, key: ObjectKey) -> Stored | None:
        """The object at `key`, or None."""
        kind, namespace, name = key
        return self._kinds.get(kind, {}).get(namespace, {}).get(name)

    def set(self, key: ObjectKey, stored: Stored) -> None:
        """Put or replace the object at `key`."""
        kind, namespace, name = key
        names = self._kinds.setdefault(kind, {}).setdefault(namespace, {})
        self._count += name not in names
        names[name] = stored

    def remove(self, key: ObjectKey) -> None:
        """Drop the object at `key`; it must be there."""
        kind, namespace, name = key
        namespaces = self._kinds[kind]
        del namespaces[namespace][name]
        self._count -= 1
        if not namespaces[namespace]:
            del namespaces[namespace]

    def of(self, kind: str, namespace: str = "") -> Iterator[Stored]:
        """The objects of `kind`, of one namespace or of all, in order of their keys."""
        namespaces = self._kinds.get(kind, {})
        for space in (namespace,) if namespace else sorted(namespaces):
            names = namespaces.get(space, {})
            for name in sorted(names):
                yield names[name]
