"""The tabs of a service's pages: name, where below its path, title."""

from typing import NamedTuple


class Tab(NamedTuple):
    """One of them; `path` is below that of the service."""

    name: str
    path: str
    title: str


TABS = (
    Tab("overview", "", "Overview"),
    Tab("traffic", "/traffic", "Traffic"),
    Tab("logs", "/logs", "Logs"),
    Tab("events", "/events", "Events"),
    Tab("yaml", "/yaml", "YAML"),
)
