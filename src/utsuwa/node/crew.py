"""All containers of one Pod, in their order: the init containers one after another, then the
others together; the end in the opposite order.

An init container with `restartPolicy: Always` is a sidecar: what comes after it waits until it has
started, and it runs until the others have ended.
"""

import asyncio
from collections.abc import Callable, Mapping

from utsuwa.kit.documents import Document, dig
from utsuwa.node.container import Container
from utsuwa.node.launching import Home, Services
from utsuwa.node.meter import Reading
from utsuwa.node.pods import (
    container_port,
    init_containers,
    is_sidecar,
    main_containers,
    serving_container,
)
from utsuwa.node.runtime import Instance
from utsuwa.node.status import ContainerState, Initial, restored

INITIALIZING = "PodInitializing"
"""What the containers of a Pod wait for while its init containers run."""


class Crew:
    """Runs the containers of one Pod.

    Mutable state: `_lives`, the task of each container that was begun; `_stopping`.
    """

    def __init__(
        self,
        services: Services,
        home: Home,
        *,
        adopted: Mapping[str, Instance],
        changed: Callable[[], None],
        saved: Callable[[str, Instance], None],
    ) -> None:
        self._services = services
        self._home = home
        self._adopted = adopted
        self._told = changed
        self._saved = saved
        self._moved = asyncio.Event()
        self._lives: dict[Container, asyncio.Task[None]] = {}
        self._stopping = False
        pod = home.pod
        self._initial = {spec["name"]: self._container(spec) for spec in init_containers(pod)}
        self._main = [self._container(spec) for spec in main_containers(pod)]
        self._sidecars = [
            self._initial[spec["name"]] for spec in init_containers(pod) if is_sidecar(pod, spec)
        ]
        if self._must_initialize():
            for container in self._main:
                container.state.wait(INITIALIZING)

    def __repr__(self) -> str:
        return f"<Crew of {self._home.key}: {list(self._all)}>"

    def _container(self, spec: Document) -> Container:
        pod, name = self._home.pod, spec["name"]
        known: dict[str, Document] = {
            status["name"]: status
            for member in ("initContainerStatuses", "containerStatuses")
            for status in dig(pod, "status", member, default=())
        }
        state = restored(spec, known.get(name) if self._adopted else None)
        serves = name == serving_container(pod)
        port = (self._home.port or container_port(spec)) if serves else 0
        home = Home(pod, port, self._home.scratch, own_address=self._home.own_address)
        container = Container(
            self._services, home, spec, state, changed=self._changed, saved=self._saved
        )
        if name in self._adopted and not container.succeeded:
            container.adopt(self._adopted[name])
        return container

    def _changed(self) -> None:
        self._moved.set()
        self._told()

    # --- what others see ------------------------------------------------------------------------

    @property
    def _all(self) -> list[Container]:
        return [*self._initial.values(), *self._main]

    @property
    def states(self) -> list[ContainerState]:
        """Of the containers that are not init containers."""
        return [container.state for container in self._main]

    @property
    def initial(self) -> Initial:
        """The init containers."""
        return Initial(
            [container.state for container in self._initial.values()],
            frozenset(container.state.name for container in self._sidecars),
        )

    @property
    def running(self) -> bool:
        """Whether any of them has a process."""
        return any(container.running for container in self._all)

    @property
    def begun(self) -> bool:
        """Whether any of them was ever begun."""
        return bool(self._lives)

    @property
    def instances(self) -> dict[str, Instance]:
        """What runs, by container; in the order in which it was started."""
        found = {container.state.name: container.instance for container in self._all}
        return {name: instance for name, instance in found.items() if instance is not None}

    def origin(self, name: str) -> str:
        """What the process of a container came from, if it was not started anew."""
        return next((one.origin for one in self._all if one.state.name == name), "")

    def readings(self) -> dict[str, Reading]:
        """What each running container has used, by name."""
        found = {container.state.name: container.reading() for container in self._all}
        return {name: reading for name, reading in found.items() if reading is not None}

    # --- life -----------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until all of them have ended for good."""
        try:
            if await self._initialize():
                for container in self._main:
                    self._begin(container)
            await asyncio.gather(*self._lives.values())
        finally:
            await self._cancel(list(self._lives.values()))

    def _begin(self, container: Container) -> "asyncio.Task[None]":
        name = f"container {self._home.key} {container.state.name}"
        life = self._lives[container] = asyncio.create_task(container.run(), name=name)
        return life

    def _must_initialize(self) -> bool:
        """Whether any init container is still to run, as far as is known from before."""
        if any(container.running for container in self._main):
            return False
        return any(not container.succeeded for container in self._initial.values())

    async def _initialize(self) -> bool:
        """Whether the others may start."""
        must = self._must_initialize()
        for container in self._initial.values():
            if container in self._sidecars:
                await self._until_started(container, self._begin(container))
            elif must and not container.succeeded:
                await asyncio.wait((self._begin(container),))
                self._lives[container].result()
                if not container.succeeded:
                    return False
            if self._stopping:
                return False
        for container in self._main:
            if container.state.waiting is not None and not container.running:
                container.state.waiting = None
        if self._initial:
            self._told()
        return True

    async def _until_started(self, container: Container, life: "asyncio.Task[None]") -> None:
        while not (container.state.started or life.done() or self._stopping):
            self._moved.clear()
            moved = asyncio.create_task(self._moved.wait(), name=f"start of {container!r}")
            try:
                await asyncio.wait((moved, life), return_when=asyncio.FIRST_COMPLETED)
            finally:
                moved.cancel()
        if life.done():
            life.result()

    # --- the end --------------------------------------------------------------------------------

    async def stop(self, seconds: float) -> None:
        """End them all within `seconds`, sidecars last and in reverse. Returns when nothing of
        them runs."""
        self._stopping = True
        clock = self._services.clock
        deadline = clock.monotonic() + seconds
        first = [container for container in self._all if container not in self._sidecars]
        await asyncio.gather(*(container.stop(seconds) for container in first))
        for container in reversed(self._sidecars):
            await container.stop(max(0.0, deadline - clock.monotonic()))
        self._moved.set()
        waiting = [task for c, task in self._lives.items() if not c.state.running_since]
        for task in waiting:
            task.cancel()
        await asyncio.gather(*self._lives.values(), return_exceptions=True)

    @staticmethod
    async def _cancel(tasks: list["asyncio.Task[None]"]) -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
