"""One port per Pod, unique on the machine while the Pod has it."""

import socket

FIRST, LAST = 20_000, 29_999
"""Below the range from which the kernel gives ports to outgoing connections (32768-60999)."""


class NoPortError(Exception):
    """Every port of the range is taken."""


class Ports:
    """Hands out ports, each in turn, so that one just given back rests for long.

    `start` spreads several clusters on one machine over the range. Mutable state: `_taken`,
    `_next`.
    """

    def __init__(self, start: int = 0, *, first: int = FIRST, last: int = LAST) -> None:
        self._first = first
        self._size = last - first + 1
        self._next = start % self._size
        self._taken: set[int] = set()

    def __repr__(self) -> str:
        return f"<Ports {len(self._taken)} of {self._size} taken>"

    def take(self) -> int:
        """A port that nobody listens on.

        Raises:
            NoPortError: there is none.
        """
        for _ in range(self._size):
            port = self._first + self._next
            self._next = (self._next + 1) % self._size
            if port not in self._taken and is_free(port):
                self._taken.add(port)
                return port
        raise NoPortError(
            f"no free port between {self._first} and {self._first + self._size - 1}: "
            f"{len(self._taken)} belong to pods, the others to other programs"
        )

    def keep(self, port: int) -> None:
        """`port` belongs to a Pod that was found running."""
        self._taken.add(port)

    def give_back(self, port: int) -> None:
        """The Pod that had `port` is gone."""
        self._taken.discard(port)


def is_free(port: int) -> bool:
    """Whether a server could listen on `port` now, on any address."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True
