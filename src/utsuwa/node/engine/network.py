"""The network that the containers of one Pod share: that of a container which does nothing.

It keeps the Pod's address while the others come and go. Its image is one program of a few
instructions, made here, so that no registry is needed.
"""

import asyncio
import hashlib
import io
import json
import platform
import struct
import tarfile
from dataclasses import dataclass
from typing import Any

from aiodocker import DockerError

from utsuwa.kit.log import get_logger
from utsuwa.node.engine.instance import address_of
from utsuwa.node.engine.request import CLUSTER, CONTAINER, POD, extra_hosts
from utsuwa.node.engine.wire import Wire
from utsuwa.node.runtime import Box, LaunchError

_log = get_logger(__name__)

IMAGE = "localhost/utsuwa/pause:v1"
NOT_FOUND, CONFLICT = 404, 409
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_MACHINES = {"x86_64": 62, "aarch64": 183}
"""Their numbers in an ELF file."""
_WAIT_FOR_EVER = {
    # mov eax, 34 (pause); syscall; jmp to the start
    "x86_64": bytes.fromhex("b8220000000f05ebf7"),
    # x0 to x3 = 0; x8 = 73 (ppoll); svc 0; branch to the start
    "aarch64": struct.pack(
        "<7L", 0xD2800000, 0xD2800001, 0xD2800002, 0xD2800003, 0xD2800928, 0xD4000001, 0x17FFFFFA
    ),
}
_BASE, _HEADERS = 0x400000, 64 + 56


def program(machine: str) -> bytes:
    """An executable that waits for ever.

    Raises:
        LaunchError: nobody has written it for such a machine.
    """
    if machine not in _WAIT_FOR_EVER:
        raise LaunchError(
            f"several containers in a pod: expected a machine of {', '.join(_WAIT_FOR_EVER)}, "
            f"found {machine}"
        )
    code = _WAIT_FOR_EVER[machine]
    size = _HEADERS + len(code)
    start = _BASE + _HEADERS
    header = b"\x7fELF" + bytes((2, 1, 1)) + bytes(9) + struct.pack(
        "<HHLQQQLHHHHHH", 2, _MACHINES[machine], 1, start, 64, 0, 0, 64, 56, 1, 64, 0, 0
    )  # fmt: skip
    segment = struct.pack("<LLQQQQQQ", 1, 5, 0, _BASE, _BASE, size, size, 0x1000)
    return header + segment + code


def image(machine: str) -> bytes:
    """The image in the form of `docker save`."""
    layer = _packed({"pause": (program(machine), 0o755)})
    config = {
        "architecture": _ARCHITECTURES[machine],
        "os": "linux",
        "config": {"Entrypoint": ["/pause"], "User": "65535:65535"},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
        "history": [{"created_by": "utsuwa"}],
    }
    manifest = [{"Config": "config.json", "RepoTags": [IMAGE], "Layers": ["layer.tar"]}]
    return _packed({
        "layer.tar": (layer, 0o644),
        "config.json": (json.dumps(config).encode(), 0o644),
        "manifest.json": (json.dumps(manifest).encode(), 0o644),
    })  # fmt: skip


def _packed(files: dict[str, tuple[bytes, int]]) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        for name, (content, mode) in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), mode
            archive.addfile(entry, io.BytesIO(content))
    return target.getvalue()


@dataclass(frozen=True, slots=True)
class Network:
    """The container that keeps it, and the Pod's address."""

    id: str
    address: str
    names_too: bool
    """Whether the name of the machine must be asked for: Docker gives it with the network."""

    def joining(self) -> dict[str, str]:
        """What a container asks for that joins it."""
        mode = f"container:{self.id}"
        return {"NetworkMode": mode, **({"UTSMode": mode} if self.names_too else {})}


class Networks:
    """Makes and removes them. Mutable state: `_locks`, one for each Pod that starts a container
    just now."""

    def __init__(self, wire: Wire, label: str) -> None:
        self._wire = wire
        self._label = label
        self._locks: dict[str, asyncio.Lock] = {}

    def __repr__(self) -> str:
        return f"<Networks of {self._wire.name}>"

    async def of(self, uid: str, box: Box) -> Network:
        """The network of the Pod `uid`, made if there is none. Raises DockerError, LaunchError."""
        async with self._locks.setdefault(uid, asyncio.Lock()):
            shown = await self._find(uid)
            if shown is not None and not shown["State"]["Running"]:
                # Somebody has ended it: its address is lost, and who runs keeps what it has.
                _log.warning("the network of a pod has ended and is made anew", pod=uid)
                await self._remove(uid)
                shown = None
            if shown is None:
                shown = await self._make(uid, box)
        return Network(shown["Id"], address_of(shown), self._wire.name == "podman")

    async def release(self, uid: str) -> None:
        """Remove it, if there is one."""
        self._locks.pop(uid, None)
        try:
            await self._remove(uid)
        except DockerError as error:
            if error.status not in {NOT_FOUND, CONFLICT}:
                _log.warning("the network of a pod is not removed", pod=uid, reason=error)

    async def _find(self, uid: str) -> Any | None:
        try:
            return await self._wire.client.containers.container(_name(uid)).show()
        except DockerError as error:
            if error.status == NOT_FOUND:
                return None
            raise

    async def _remove(self, uid: str) -> None:
        await self._wire.client.containers.container(_name(uid)).delete(force=True, v=True)

    async def _make(self, uid: str, box: Box) -> Any:
        await self._ensure_image()
        body: dict[str, Any] = {
            "Image": IMAGE,
            "Hostname": box.hostname[:63],
            "Labels": {CLUSTER: self._label, POD: uid, CONTAINER: ""},
            "HostConfig": {
                "RestartPolicy": {"Name": "no"},
                "ReadonlyRootfs": True,
                "CapDrop": ["ALL"],
                "ExtraHosts": extra_hosts(box),
            },
        }
        container = await self._wire.client.containers.create(body, name=_name(uid))
        try:
            await container.start()
            return await container.show()
        except BaseException:
            await container.delete(force=True, v=True)
            raise

    async def _ensure_image(self) -> None:
        try:
            await self._wire.client.images.inspect(IMAGE)
        except DockerError as error:
            if error.status != NOT_FOUND:
                raise
            packed = io.BytesIO(image(platform.machine()))
            async for _ in self._wire.client.images.import_image(packed, stream=True):
                pass  # its progress


def _name(uid: str) -> str:
    return f"utsuwa_pod_{uid}"
