"""What a Pod tells of its containers, and where it can be reached. Pure."""

from collections.abc import Iterator

from utsuwa.kit.documents import Document, dig

PROBE_FAILED = "ReadinessProbeFailed"
"""Reason of the condition Ready of a Pod one of whose containers runs, and says that it is not
ready."""


def container_statuses(pod: Document) -> Iterator[Document]:
    """Of each container, the init containers that have done their work excepted."""
    for status in dig(pod, "status", "initContainerStatuses", default=()):
        if dig(status, "state", "terminated", "exitCode") != 0:
            yield status
    yield from dig(pod, "status", "containerStatuses", default=())


def reachable_port(pod: Document, declared: Document) -> int:
    """The real port of `declared`, an entry of `ports`: the one that the node gave it on the
    machine's address, or the declared one itself where the Pod has an address of its own. 0 while
    there is neither."""
    if given := declared.get("hostPort"):
        return int(given)
    address = dig(pod, "status", "podIP")
    own = bool(address) and address != dig(pod, "status", "hostIP", default=address)
    return int(declared.get("containerPort") or 0) if own else 0
