"""Messages of a command's WebSocket: their first byte says whose they are. Pure.

    0 stdin · 1 stdout · 2 stderr · 3 how it ended · 4 size of the window · 255 end of a channel

Protocols `v4.channel.k8s.io` and `v5.channel.k8s.io` differ in the last one alone: only a client
of v5 can say that its input has ended (`ff 00`).
"""

import json

from utsuwa.kit.documents import Document

STDIN, STDOUT, STDERR, ERROR, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255
V4, V5 = "v4.channel.k8s.io", "v5.channel.k8s.io"
LARGEST_WINDOW = 0xFFFF


def message(channel: int, data: bytes) -> bytes:
    """`data` on `channel`."""
    return bytes((channel,)) + data


def split(data: bytes) -> tuple[int, bytes]:
    """Channel and data of a message; an empty one is an empty one on stdin."""
    return (data[0], data[1:]) if data else (STDIN, b"")


def window(data: bytes) -> tuple[int, int] | None:
    """Columns and rows from `{"Width":80,"Height":24}`; None from anything else.

    >>> window(b'{"Width":80,"Height":24}')
    (80, 24)
    """
    try:
        told = json.loads(data)
        size = int(told["Width"]), int(told["Height"])
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None
    return size if all(0 <= side <= LARGEST_WINDOW for side in size) else None


def exit_status(code: int) -> Document:
    """What is told at the end of a command: kubectl exits with the same code."""
    if code == 0:
        return {"metadata": {}, "status": "Success"}
    return {
        "metadata": {},
        "status": "Failure",
        "reason": "NonZeroExitCode",
        "message": f"command terminated with non-zero exit code: exit status {code}",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }


def broken_status(why: str) -> Document:
    """What is told when the command could not run to its end."""
    return {
        "metadata": {},
        "status": "Failure",
        "reason": "InternalError",
        "message": why,
        "details": {"causes": [{"message": why}]},
        "code": 500,
    }
