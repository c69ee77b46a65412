"""Types for tests that type at the command line."""

from typing import NamedTuple, Protocol


class Result(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


class Type(Protocol):
    """Runs the command line with some arguments."""

    def __call__(self, *arguments: str) -> Result:
        """The outcome."""
        ...
