"""Running containers of the node, as the API server lets people get at them."""

import asyncio

from utsuwa.apiserver.ports import NotRunningError
from utsuwa.app.options import ControlOptions, Layout
from utsuwa.kit.caller import Caller
from utsuwa.kit.clock import Clock
from utsuwa.kit.documents import Document
from utsuwa.node.access import Access
from utsuwa.node.names import ServiceNames
from utsuwa.node.process_runtime import ProcessRuntime
from utsuwa.node.runtime import LaunchError


def service_names(options: ControlOptions) -> ServiceNames:
    """The names of services inside Pods."""
    return ServiceNames(
        Layout(options.data_dir).hosts,
        boxes=options.pods_address,
        processes=options.inside_address
        or (options.address if options.address_has_gateway else ""),
    )


def process_runtime(options: ControlOptions, clock: Clock, label: str) -> ProcessRuntime:
    """What runs bundles. None of its processes is to see what the cluster keeps."""
    layout = Layout(options.data_dir)
    return ProcessRuntime(
        clock,
        exits=layout.exits,
        label=label,
        hidden=[layout.root],
        isolation=options.isolation == "auto",
    )


class Containers:
    """The node's answers in the API server's words."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def __repr__(self) -> str:
        return f"<Containers {self._access!r}>"

    def runs(self, pod: Document, container: str) -> bool:
        """As the port."""
        return self._access.runs(pod, container)

    async def execute(
        self, pod: Document, container: str, command: tuple[str, ...], caller: Caller
    ) -> int:
        """As the port."""
        try:
            return await self._access.execute(pod, container, command, caller)
        except LaunchError as error:
            raise NotRunningError(str(error)) from error

    async def attach(self, pod: Document, container: str, caller: Caller) -> None:
        """As the port."""
        try:
            await self._access.attach(pod, container, caller)
        except LaunchError as error:
            raise NotRunningError(str(error)) from error

    async def connect(
        self, pod: Document, port: int
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """As the port."""
        return await self._access.connect(pod, port)
