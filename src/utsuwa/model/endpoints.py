"""Where a Pod can be reached. Pure."""

from utsuwa.kit.documents import Document, dig

PROBE_FAILED = "ReadinessProbeFailed"
"""Reason of the condition Ready of a Pod one of whose containers runs, and says that it is not
ready."""


def reachable_port(pod: Document, declared: Document) -> int:
    """The real port of `declared`, an entry of `ports`: the one that the node gave it on the
    machine's address, or the declared one itself where the Pod has an address of its own. 0 while
    there is neither."""
    if given := declared.get("hostPort"):
        return int(given)
    address = dig(pod, "status", "podIP")
    own = bool(address) and address != dig(pod, "status", "hostIP", default=address)
    return int(declared.get("containerPort") or 0) if own else 0
