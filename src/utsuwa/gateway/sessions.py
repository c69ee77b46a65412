"""Session affinity: a cookie that names the pod which answered a client's first request.

Best effort, as in Cloud Run: a pod that is gone, is to go, or has no free slot is not waited for;
another one answers, and the cookie names that from then on.
"""

import re

NAME = b"utsuwa-session"
MAX_AGE = 30 * 24 * 3600
"""Seconds for which the client keeps the cookie: 30 days."""

_PAIR = rb"utsuwa-session=([!-:<-~]{1,128})(?![!-:<-~])"
_IN_VALUE = re.compile(rb"(?:\A|;)[ \t]*" + _PAIR)
_IN_HEAD = re.compile(rb"\r\n[Cc][Oo][Oo][Kk][Ii][Ee]:(?:[^\r]*;)?[ \t]*" + _PAIR)


def in_cookie(value: bytes) -> str:
    """The pod's uid in a Cookie field, or "".

    >>> in_cookie(b"theme=dark; utsuwa-session=4f1c")
    '4f1c'
    """
    match = _IN_VALUE.search(value)
    return match[1].decode() if match is not None else ""


def in_head(head: bytes) -> str:
    """The pod's uid in the head of an HTTP/1.1 request, or ""."""
    match = _IN_HEAD.search(head)
    return match[1].decode() if match is not None else ""


def set_cookie(uid: str, *, secure: bool) -> bytes:
    """The value of the Set-Cookie field that binds a client to the pod `uid`."""
    value = b"%b=%b; Path=/; Max-Age=%d; HttpOnly" % (NAME, uid.encode(), MAX_AGE)
    return value + b"; Secure" if secure else value
