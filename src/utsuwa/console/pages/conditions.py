"""Conditions in plain words. Pure."""

from dataclasses import dataclass

from utsuwa.console.pages.state import Tone
from utsuwa.kit.documents import Document, dig

_WORDS = {
    "Ready": ("All is well: requests are answered", "Not all is well", "Not there yet"),
    "ConfigurationsReady": (
        "The newest revision is ready", "The newest revision is not ready",
        "The newest revision is being made ready",
    ),
    "RoutesReady": (
        "Traffic goes where it should", "Traffic does not go where it should",
        "Traffic is being led to where it should go",
    ),
    "ResourcesAvailable": ("Its pods can run", "Its pods cannot run", "Its pods are being started"),
    "ContainerHealthy": ("Its container runs", "Its container does not run", "Its container starts"),
    "Active": ("It takes traffic, or could at once", "It rests at zero pods", "It wakes up or goes to rest"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Told:
    """One condition: what it means, its own name, reason and message."""

    tone: Tone
    words: str
    name: str
    reason: str
    message: str
    since: str


def told(document: Document) -> tuple[Told, ...]:
    """The conditions of a Service or Revision, `Ready` first."""
    conditions: list[Document] = dig(document, "status", "conditions", default=[])
    ordered = sorted(conditions, key=lambda one: (one["type"] != "Ready", one["type"]))
    return tuple(_told(one) for one in ordered)


def _told(one: Document) -> Told:
    good, bad, neither = _WORDS.get(
        one["type"],
        (f"{one['type']} holds", f"{one['type']} does not hold", f"{one['type']} is open"),
    )
    words = {"True": good, "False": bad}.get(one["status"], neither)
    tone = {"True": Tone.GOOD, "False": Tone.BAD}.get(one["status"], Tone.BUSY)
    if one["status"] == "False" and one.get("severity") == "Info":
        tone = Tone.QUIET
    return Told(
        tone,
        words,
        one["type"],
        one.get("reason") or "",
        one.get("message") or "",
        one.get("lastTransitionTime") or "",
    )
