"""Containers of an engine. They, and what they have written, survive us; labels find them."""

import json
from dataclasses import replace

from aiodocker import DockerError
from aiodocker.containers import DockerContainer

from utsuwa.kit.clock import Clock
from utsuwa.kit.documents import Document
from utsuwa.kit.log import get_logger
from utsuwa.node import procfs
from utsuwa.node.engine.instance import EngineInstance, Found
from utsuwa.node.engine.network import Network, Networks
from utsuwa.node.engine.request import CLUSTER, POD, creation, name_of
from utsuwa.node.engine.spares import Spares
from utsuwa.node.engine.wire import Wire, refusals_told
from utsuwa.node.runtime import Instance, Launch, LaunchError

_log = get_logger(__name__)

NOT_FOUND, CONFLICT = 404, 409


class EngineRuntime:
    """Starts containers and finds them again. `label` keeps clusters apart.

    Mutable state: `_instances`, those whose end is awaited.
    """

    def __init__(self, wire: Wire, clock: Clock, label: str) -> None:
        self._wire = wire
        self._clock = clock
        self._label = label
        self._boot = procfs.boot_id()
        self._networks = Networks(wire, label)
        self._spares = Spares(wire)
        self._instances: set[EngineInstance] = set()

    def __repr__(self) -> str:
        return f"<EngineRuntime {self.version}: {len(self._instances)} containers>"

    @property
    def version(self) -> str:
        """Such as `podman://4.3.1`."""
        return f"{self._wire.name}://{self._wire.version}"

    async def close(self) -> None:
        """Follow none of them any more; they run on."""
        for instance in list(self._instances):
            await instance.let_go()

    async def launch(self, launch: Launch) -> Instance:
        """Start the container that was created ahead for it, or create one and start it.

        Raises:
            LaunchError: the engine refuses; nothing is left of it.
        """
        box = launch.box
        assert box is not None, "only images of an engine come here"
        if (ready := await self._spares.start(launch)) is not None:
            return self._follow(ready, launch.uid, launch.container)
        network: Network | None = None
        with refusals_told():
            if box.shared:
                network = await self._networks.of(launch.uid, box)
            container = await self._create(launch, network)
            try:
                await container.start()
                shown = await container.show()
            except BaseException:
                await container.delete(force=True, v=True)
                raise
        found = Found.of(shown, launch.log, box.stop_signal)
        if network is not None:
            found = replace(found, address=network.address)
        return self._follow(found, launch.uid, launch.container)

    async def _create(self, launch: Launch, network: Network | None = None) -> DockerContainer:
        name, containers = name_of(launch), self._wire.client.containers
        joining = network.joining() if network is not None else None
        body = creation(launch, self._label, swap=self._wire.swap, network=joining)
        try:
            return await containers.create(body, name=name)
        except DockerError as error:
            if error.status != CONFLICT:
                raise
            # A life that was cut short between the engine's answer and our record.
            await containers.container(name).delete(force=True, v=True)
            return await containers.create(body, name=name)

    async def ahead(self, launch: Launch) -> None:
        """Create the container of a `launch` that may come, and do not start it.

        Raises:
            LaunchError: the engine refuses; nothing is left of it.
        """
        await self._spares.make(launch, self._create)

    def _follow(self, found: Found, uid: str, container: str) -> EngineInstance:
        record = {"uid": uid, "container": container, "boot": self._boot}
        instance = EngineInstance(self._wire, self._clock, found, record)
        self._instances.add(instance)
        instance.on_end(lambda: self._instances.discard(instance))
        return instance

    async def adopt(self, record: Document) -> Instance | None:
        """The container of `record`; None when the machine has been booted since, or somebody
        has removed it."""
        if record.get("boot") != self._boot:
            return None
        try:
            shown = await self._wire.client.containers.container(record["engine"]).show()
        except DockerError as error:
            if error.status == NOT_FOUND:
                return None
            raise
        return self._follow(Found.again(shown, record), record["uid"], record["container"])

    async def release(self, uid: str) -> None:
        """Remove the network that the containers of Pod `uid` shared, and what was created ahead
        for it and not used."""
        if self._spares.holds(uid):
            try:
                await self.sweep(uid)
            except LaunchError as error:
                _log.warning("container created ahead is not removed", pod=uid, reason=error)
        await self._networks.release(uid)

    async def sweep(self, uid: str) -> int:
        """Remove the containers of Pod `uid`; how many there were. Raises LaunchError from an
        engine that does not answer."""
        self._spares.forget(uid)
        wanted = {"label": [f"{CLUSTER}={self._label}", f"{POD}={uid}"]}
        with refusals_told():
            found = await self._wire.client.containers.list(all=1, filters=json.dumps(wanted))
        for container in found:
            try:
                await container.delete(force=True, v=True)
            except DockerError as error:
                if error.status not in {NOT_FOUND, CONFLICT}:
                    _log.warning("container not removed", pod=uid, id=container.id, reason=error)
        return len(found)
