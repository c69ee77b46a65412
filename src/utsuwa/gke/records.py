"""What the control API remembers, in one ConfigMap: clusters, operations, services.

It is kept with the objects, so that it lives as long as they do and a backup of them has it.
"""

from collections.abc import Mapping

from utsuwa.cluster.errors import AlreadyExistsError, NotFoundError
from utsuwa.cluster.port import Cluster, Key
from utsuwa.gke.clusters import Name, Place
from utsuwa.kit.documents import Document, decode, encode
from utsuwa.model.kinds import CONFIG_MAP

KEY = Key("kube-system", "gke-control-api")
OPERATIONS_KEPT = 50

_CLUSTER = "cluster."
_OPERATION = "operation."
_SERVICES = "services."


class Records:
    """Reads and writes the ConfigMap; every write is one atomic merge."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def __repr__(self) -> str:
        return f"<Records in {KEY}>"

    async def clusters(self) -> dict[Name, Document]:
        """Every cluster, in the order of their names."""
        data = await self._data()
        found = {}
        for key in sorted(data):
            if key.startswith(_CLUSTER):
                # Neither a project nor a location nor a cluster has a dot or underscore in it.
                project, location, name = key.removeprefix(_CLUSTER).split("_")
                found[Name(Place(project, location), name)] = decode(data[key])
        return found

    async def operations(self, project: str) -> list[Document]:
        """The last operations of a project, the oldest first."""
        data = await self._data()
        kept = [
            decode(text) for key, text in data.items() if key.startswith(f"{_OPERATION}{project}_")
        ]
        return sorted(kept, key=_began)

    async def services(self, project: str) -> list[str]:
        """What was switched on, sorted."""
        data = await self._data()
        return sorted(decode(data.get(f"{_SERVICES}{project}", "[]")))

    async def keep_cluster(self, name: Name, record: Document, operation: Document) -> None:
        """Note a cluster and the operation that made it."""
        await self._put(name.place.project, {_key(name): _text(record)}, operation)

    async def drop_cluster(self, name: Name, operation: Document) -> None:
        """Forget a cluster, and note the operation."""
        await self._put(name.place.project, {_key(name): None}, operation)

    async def keep_operation(self, project: str, operation: Document) -> None:
        """Note an operation that changed nothing else."""
        await self._put(project, {}, operation)

    async def keep_services(self, project: str, names: list[str]) -> None:
        """Note what is switched on."""
        await self._merge({f"{_SERVICES}{project}": _text(sorted(names))})

    async def _put(
        self, project: str, changes: Mapping[str, str | None], operation: Document
    ) -> None:
        kept = await self.operations(project)
        dropped = kept[: max(0, len(kept) + 1 - OPERATIONS_KEPT)]
        forgotten = {f"{_OPERATION}{project}_{one['name']}": None for one in dropped}
        noted = {f"{_OPERATION}{project}_{operation['name']}": _text(operation)}
        await self._merge({**changes, **forgotten, **noted})

    async def _data(self) -> Mapping[str, str]:
        try:
            document = await self._cluster.get(CONFIG_MAP, KEY)
        except NotFoundError:
            return {}
        data: Mapping[str, str] = document.get("data") or {}
        return data

    async def _merge(self, changes: Mapping[str, str | None]) -> None:
        patch: Document = {"data": dict(changes)}
        try:
            await self._cluster.merge(CONFIG_MAP, KEY, patch)
        except NotFoundError:
            data = {key: text for key, text in changes.items() if text is not None}
            try:
                await self._cluster.create(CONFIG_MAP.document(*KEY, data=data))
            except AlreadyExistsError:
                await self._cluster.merge(CONFIG_MAP, KEY, patch)


def _key(name: Name) -> str:
    return f"{_CLUSTER}{name.place.project}_{name.place.location}_{name.cluster}"


def _text(value: object) -> str:
    return encode(value).decode()


def _began(operation: Document) -> tuple[str, str]:
    return str(operation["startTime"]), str(operation["name"])
