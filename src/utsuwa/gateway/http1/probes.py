"""Questions to the platform that travel as requests (`spec/dataplane.md` §7.1).

One hop is ingress, activator and queue-proxy at once, and the activator is always in the path: it
is what answers here. No pod is woken, nothing is counted.
"""

from utsuwa.gateway.answers import answer

Reply = tuple[int, bytes, bytes]
"""Status, body (of a 400: without its line feed), and the hash to echo."""

NO_HASH = b'a probe request must contain a non-empty "K-Network-Hash" header'


def reply_to(found: dict[bytes, bytes]) -> Reply | None:
    """The answer to a request with the fields `found`, or None: it is an ordinary one.

    `user-agent` is among them only when it is a kubelet's.
    """
    if found.get(b"k-kubelet-probe") or b"user-agent" in found:
        return (200, b"", b"")
    match found.get(b"k-network-probe", b""):
        case b"":
            return None
        case b"probe":
            name = found.get(b"k-network-hash", b"")
            return (200, b"", name) if name else (400, NO_HASH, b"")
        case b"activator":
            return (200, b"activator", b"")
        case other:
            return (400, b"unexpected probe header value: " + other, b"")


def encode(reply: Reply, *, close: bool, head_only: bool) -> bytes:
    """`reply` as a response."""
    status, body, name = reply
    if status != 200:
        return answer(status, body.decode("latin-1"), close=close, head_only=head_only)
    return b"HTTP/1.1 200 OK\r\n%b%bContent-Length: %d\r\n%b\r\n%b" % (
        b"K-Network-Hash: %b\r\n" % name if name else b"",
        b"Content-Type: text/plain; charset=utf-8\r\n" if body else b"",
        len(body),
        b"Connection: close\r\n" if close else b"",
        b"" if head_only else body,
    )
