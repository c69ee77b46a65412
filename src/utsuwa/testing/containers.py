"""Pods that a test runs as real processes, without a node: for what gets at running containers."""

from pathlib import Path

from utsuwa.app.containers import Containers
from utsuwa.kit.clock import Clock
from utsuwa.kit.documents import Document
from utsuwa.node.access import Access
from utsuwa.node.logs import PodLogs
from utsuwa.node.process_runtime import ProcessRuntime
from utsuwa.node.resting import Rest
from utsuwa.node.runtime import Instance, Launch


class RunningPods:
    """Starts the container of a Pod and finds it again. Mutable state: `_running` by uid and
    name."""

    def __init__(self, directory: Path, clock: Clock) -> None:
        self._directory = directory
        self.logs = PodLogs(directory / "logs")
        self.runtime = ProcessRuntime(clock, exits=directory, label=str(directory), cgroups=False)
        self.containers = Containers(Access(self, self.logs, clock))
        self._running: dict[tuple[str, str], Instance] = {}

    def __repr__(self) -> str:
        return f"<RunningPods {len(self._running)}>"

    def rest(self, uid: str) -> Rest | None:
        """None is ever frozen."""
        return None

    async def start(self, pod: Document, container: str, *command: str, **env: str) -> Instance:
        """Run `command` as the container of `pod`."""
        uid = pod["metadata"]["uid"]
        launch = Launch(
            uid=uid,
            container=container,
            command=command,
            env={"PATH": "/usr/local/bin:/usr/bin:/bin", **env},
            directory=self._directory,
            log=self.logs.file(pod, container, 0),
        )
        instance = await self.runtime.launch(launch)
        self._running[uid, container] = instance
        return instance

    def instance(self, uid: str, container: str) -> Instance | None:
        """As the port of who knows what runs."""
        found = self._running.get((uid, container))
        return found if found is not None and found.alive else None

    def path(self, pod: Document, container: str, previous: bool) -> Path | None:
        """As the port of where the output is."""
        return self.logs.path(pod, container, previous=previous)

    async def close(self) -> None:
        """End all."""
        for instance in self._running.values():
            await instance.kill()
        self.runtime.close()
