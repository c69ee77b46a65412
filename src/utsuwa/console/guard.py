"""What a browser may be talked into, and what not. Pure.

* A page of a stranger that makes its own name point here (DNS rebinding) comes with that name in
  `Host`: only names of this machine's loopback are answered.
* A form or script of another page, on another port of this very machine too, comes with that
  page's `Origin`: whatever changes something must come from our own.
* No page of ours runs a script or takes a style that is not a file of ours, none is shown in
  another page's frame.
"""

import ipaddress
from collections.abc import Mapping

SAFE = frozenset({"GET", "HEAD"})

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def is_ours(host: str) -> bool:
    """Whether the value of `Host` is a name of this machine's loopback.

    >>> is_ours("localhost:8090"), is_ours("[::1]:8090"), is_ours("rebound.example:8090")
    (True, True, False)
    """
    name = host.rpartition(":")[0] if ":" in host and not host.endswith("]") else host
    if name.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


def is_from_us(headers: Mapping[str, str]) -> bool:
    """Whether a request that changes something was sent by a page of ours: by `Origin`, which
    browsers send with each such request; a program that is no browser sends neither header.

    >>> is_from_us({"Host": "127.0.0.1:8090", "Origin": "http://127.0.0.1:30001"})
    False
    """
    origin = headers.get("Origin")
    if origin is not None:
        return origin == f"http://{headers.get('Host', '')}"
    return headers.get("Sec-Fetch-Site", "same-origin") == "same-origin"


def is_prefetch(headers: Mapping[str, str]) -> bool:
    """Whether a browser asks for a page that nobody has opened yet."""
    purposes = (headers.get("Sec-Purpose", ""), headers.get("Purpose", ""))
    return any("prefetch" in purpose for purpose in purposes)
