"""Before a service is deleted: what goes with it. Pure."""

from dataclasses import dataclass

from utsuwa.console.pages.service import Head


@dataclass(frozen=True, slots=True)
class RemovalPage:
    """What a person should know before."""

    head: Head
    revisions: int
    pods: int
    busy: float = 0.0
    """Requests a second that it answers now."""
    wrong: str = ""


def wrong_name(typed: str, head: Head) -> str:
    """Why `typed` confirms nothing; "" where it does."""
    if typed.strip() == head.name:
        return ""
    return f"Expected {head.name}, found {typed.strip() or 'nothing'}. Nothing was deleted."
