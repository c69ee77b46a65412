"""What is asked of the engine for one life of one container. Pure."""

from collections.abc import Mapping
from typing import Any

from utsuwa.node.runtime import Box, Launch, Limits, Mount

CLUSTER, POD, CONTAINER = "utsuwa.cluster", "utsuwa.pod", "utsuwa.container"
"""Labels by which containers are found again."""
PERIOD = 100_000
"""Microseconds over which the cpu limit is averaged."""
LEAST_SHARES = 2


def name_of(launch: Launch) -> str:
    """The container's name: unique, and telling in a list of the engine's."""
    life = launch.log.stem
    return f"utsuwa_{launch.container}_{launch.uid}_{life}"


def creation(
    launch: Launch, label: str, *, swap: bool, network: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """The body of `POST /containers/create`; `network`: what is asked for to join one."""
    box = launch.box
    assert box is not None, "a launch for an engine says what image"
    found: dict[str, Any] = {
        "Image": box.image,
        "Hostname": box.hostname[:63],
        "Env": [f"{name}={value}" for name, value in launch.env.items()],
        "Labels": {CLUSTER: label, POD: launch.uid, CONTAINER: launch.container},
        "Tty": False,
        "OpenStdin": False,
        "HostConfig": _host(launch, box, swap=swap),
    }
    if network:
        # The name of the machine, and all names, belong to the network.
        del found["Hostname"]
        found["HostConfig"] |= network
        found["Env"] = [f"HOSTNAME={box.hostname}", *found["Env"]]
    else:
        found["HostConfig"]["ExtraHosts"] = extra_hosts(box)
    if box.entrypoint:
        # Empty arguments, too: with a command of its own the image's arguments do not count.
        found |= {"Entrypoint": list(box.entrypoint), "Cmd": list(box.arguments)}
    elif box.arguments:
        found["Cmd"] = list(box.arguments)
    if box.directory:
        found["WorkingDir"] = box.directory
    if user := _user(launch):
        found["User"] = user
    return found


def extra_hosts(box: Box) -> list[str]:
    """The names that a container knows from its start."""
    return [f"{name}:{address}" for name, address in box.hosts]


def _user(launch: Launch) -> str:
    if launch.user is None:
        return "" if launch.group is None else f":{launch.group}"
    return str(launch.user) if launch.group is None else f"{launch.user}:{launch.group}"


def _host(launch: Launch, box: Box, *, swap: bool) -> dict[str, Any]:
    found: dict[str, Any] = {
        # Not rotated: what we have written of the output is found again by its length.
        "LogConfig": {"Type": "json-file", "Config": {}},
        "RestartPolicy": {"Name": "no"},
        "ReadonlyRootfs": box.read_only,
        "Mounts": [_mount(mount) for mount in launch.mounts],
        **_resources(launch.limits, swap=swap),
    }
    chosen = {"no-new-privileges": box.no_new_privileges, "seccomp=unconfined": box.unconfined}
    if options := [option for option, wanted in chosen.items() if wanted]:
        found["SecurityOpt"] = options
    if box.add:
        found["CapAdd"] = list(box.add)
    if box.drop:
        found["CapDrop"] = list(box.drop)
    if box.groups:
        found["GroupAdd"] = [str(group) for group in box.groups]
    return found


def _mount(mount: Mount) -> dict[str, Any]:
    return {
        "Type": "bind",
        "Source": str(mount.source),
        "Target": str(mount.target),
        "ReadOnly": mount.read_only,
    }


def _resources(limits: Limits, *, swap: bool) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if limits.memory:
        found["Memory"] = limits.memory
        if swap:
            found["MemorySwap"] = limits.memory
    if limits.cpu:
        found |= {"CpuPeriod": PERIOD, "CpuQuota": int(limits.cpu * PERIOD)}
    if limits.cpu_request:
        found["CpuShares"] = max(LEAST_SHARES, int(limits.cpu_request * 1024))
    return found
