"""What pods and machines use of processor and memory: said by the node, asked for by others."""

from typing import NamedTuple


class ContainerUse(NamedTuple):
    """What one container uses now."""

    name: str
    cores: float | None
    """Averaged over the seconds between two readings; None after the first one."""
    memory: float
    """Bytes."""


class PodUse(NamedTuple):
    """What a pod (or a whole machine) uses now: the sum of its containers."""

    cores: float | None
    """Averaged over `window`; None while any container has been read but once."""
    memory: float
    """Bytes."""
    window: float = 0.0
    """Seconds over which `cores` is averaged."""
    containers: tuple[ContainerUse, ...] = ()
