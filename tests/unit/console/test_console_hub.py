"""Live pages: one look for all who follow, and only what has changed goes over the wire."""

from collections.abc import Sequence

from utsuwa.console.assets import Assets
from utsuwa.console.hub import BEHIND, RETRY, Hub
from utsuwa.console.rendering import Renderer
from utsuwa.console.visit import Piece
from utsuwa.kit.clock import LoopClock


class Shown:
    def __init__(self) -> None:
        self.values = {"one": 1, "two": 1}
        self.looks = 0

    async def look(self) -> Sequence[Piece]:
        self.looks += 1
        return [Piece(name, "", value) for name, value in self.values.items()]


def a_hub() -> Hub:
    return Hub(Renderer(Assets()), LoopClock())


async def test_whoever_comes_is_told_everything_and_then_what_changes() -> None:
    hub, shown = a_hub(), Shown()
    stream = hub.follow("page", shown.look)
    assert await anext(stream) == RETRY
    assert await anext(stream) == b"event: one\ndata: 1\n\nevent: two\ndata: 1\n\n"
    shown.values["two"] = 2
    await hub.look()
    assert await anext(stream) == b"event: two\ndata: 2\n\n"
    late = hub.follow("page", shown.look)
    await anext(late)
    assert await anext(late) == b"event: one\ndata: 1\n\nevent: two\ndata: 2\n\n"


async def test_twenty_pages_are_one_look() -> None:
    hub, shown = a_hub(), Shown()
    streams = [hub.follow("page", shown.look) for _ in range(20)]
    for stream in streams:
        await anext(stream)
        await anext(stream)
    before = shown.looks
    await hub.look()
    assert shown.looks == before + 1


async def test_a_browser_that_lags_is_cut_off() -> None:
    hub, shown = a_hub(), Shown()
    stream = hub.follow("page", shown.look)
    await anext(stream)
    await anext(stream)
    for number in range(BEHIND + 2):
        shown.values["one"] = number + 10
        await hub.look()
    assert len([frame async for frame in stream]) < BEHIND


async def test_a_page_that_cannot_be_made_ends_alone() -> None:
    hub, shown, odd = a_hub(), Shown(), Shown()
    streams = [hub.follow("page", shown.look), hub.follow("odd", odd.look)]
    for stream in streams:
        await anext(stream)
        await anext(stream)
    odd.values = None  # type: ignore[assignment]  # what no page expects
    shown.values["one"] = 2
    await hub.look()
    assert await anext(streams[0]) == b"event: one\ndata: 2\n\n"
    assert [frame async for frame in streams[1]] == []


async def test_nobody_looks_when_nobody_follows() -> None:
    hub, shown = a_hub(), Shown()
    stream = hub.follow("page", shown.look)
    await anext(stream)
    await anext(stream)
    await stream.aclose()
    before = shown.looks
    await hub.look()
    await hub.look()
    assert shown.looks == before
