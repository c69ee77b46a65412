"""Logs outlive their pods, as files in the data directory; this finds them."""

from collections.abc import Collection, Iterator
from pathlib import Path

Life = tuple[str, Path]
"""A pod, and the log of one life of one of its containers."""


def of_last_pod(root: Path, namespace: str, revisions: Collection[str]) -> list[Life]:
    """What the pod of `revisions` that wrote last has left below `root`
    (`NAMESPACE/POD_UID/CONTAINER/RESTART.log`); empty when nothing is kept."""
    pods = [entry for entry in _directories(root / namespace) if belongs(entry.name, revisions)]
    lives = [(entry.name.partition("_")[0], _logs(entry)) for entry in pods]
    with_output = [(pod, logs) for pod, logs in lives if logs]
    if not with_output:
        return []
    pod, logs = max(with_output, key=lambda life: max(_written(log) for log in life[1]))
    return [(pod, log) for log in logs]


def belongs(directory: str, revisions: Collection[str]) -> bool:
    """True when the directory is that of a pod of one of `revisions`: pods are named
    `REVISION-deployment-HASH-SUFFIX`.

    >>> belongs("hello-00001-deployment-7f9c-x2b4k_8d1f", {"hello-00001"})
    True
    """
    pod = directory.partition("_")[0]
    return any(pod.startswith(f"{revision}-deployment-") for revision in revisions)


def _directories(directory: Path) -> Iterator[Path]:
    try:
        yield from (entry for entry in directory.iterdir() if entry.is_dir())
    except OSError:
        return  # no pod has ever run in that namespace, or the cluster is on another machine


def _logs(pod: Path) -> list[Path]:
    return sorted(pod.glob("*/*.log"), key=_written)


def _written(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0  # removed since it was listed
