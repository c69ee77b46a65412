"""Answers that the gateway makes itself: one line that says what is wrong and what to do."""

from http import HTTPStatus

_REASONS = {status.value: status.phrase for status in HTTPStatus}


def reason(status: int) -> bytes:
    """The phrase that HTTP/1.1 has for `status`."""
    return _REASONS.get(status, "Error").encode()


def answer(status: int, text: str, *, close: bool = False, head_only: bool = False) -> bytes:
    """A complete response with `text` as its body, ended by a line feed as `http.Error` does.

    `spec/dataplane.md` §6; the timeouts' 504 of §5 alone has neither line feed nor nosniff.
    """
    timeout = status == 504
    body = text.encode() if timeout else text.encode() + b"\n"
    return (
        b"HTTP/1.1 %d %b\r\nContent-Type: text/plain; charset=utf-8\r\n%bContent-Length: %d\r\n%b\r\n%b"
        % (
            status,
            reason(status),
            b"" if timeout else b"X-Content-Type-Options: nosniff\r\n",
            len(body),
            b"Connection: close\r\n" if close else b"",
            b"" if head_only else body,
        )
    )


def moved(location: bytes, *, close: bool = False) -> bytes:
    """A response that sends the client to `location` for good."""
    return b"HTTP/1.1 301 Moved Permanently\r\nLocation: %b\r\nContent-Length: 0\r\n%b\r\n" % (
        location,
        b"Connection: close\r\n" if close else b"",
    )


def https_url(host: bytes, port: int, target: bytes) -> bytes:
    """Where `target` of `host` is to be had with TLS.

    >>> https_url(b"hello.example.com", 8443, b"/a?b")
    b'https://hello.example.com:8443/a?b'
    """
    path = target if target.startswith(b"/") else b"/"
    return b"https://%b%b%b" % (host, b"" if port == 443 else b":%d" % port, path)


def unknown_host(host: bytes) -> str:
    """The 404 for a host that no route has."""
    name = host.decode("latin-1") or "(none)"
    if name.endswith(".svc.cluster.local"):
        return f"no service has the host {name}, or it is one that pods alone may call"
    return f"no service has the host {name}: see `utsuwa services` for the URLs that exist"
