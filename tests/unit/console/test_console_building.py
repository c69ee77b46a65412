"""What a build says reaches the page that waits for it."""

import asyncio

import pytest

from utsuwa.console.building import MOST, Building
from utsuwa.testing.console import Browsing


async def told(building: Building, name: str) -> str:
    return b"".join([part async for part in building.follow(name)]).decode()


@pytest.mark.parametrize("first", ["the page", "the build"])
async def test_lines_arrive_whoever_comes_first(first: str) -> None:
    """And the page is told that it is over."""
    building = Building()
    begun = asyncio.Event()

    async def build() -> None:
        if first == "the page":
            await begun.wait()
        with building.run("one") as tell:
            await asyncio.to_thread(tell, "looking at main.py")
            begun.set()
            await asyncio.sleep(0)
            tell("installing")
            await asyncio.sleep(0.01)

    running = asyncio.create_task(build())
    if first == "the build":
        await begun.wait()
    follower = asyncio.create_task(told(building, "one"))
    await asyncio.sleep(0)
    begun.set()
    assert await follower == "looking at main.py\ninstalling\n"
    await running
    assert repr(building) == "<Building 0>"


async def test_builds_that_never_begin_are_forgotten() -> None:
    building = Building()
    waiting = [asyncio.create_task(told(building, str(number))) for number in range(MOST + 5)]
    await asyncio.sleep(0)
    assert repr(building) == f"<Building {MOST}>"
    for one in waiting:
        one.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert repr(building) == "<Building 0>"


async def test_who_may_build_nothing_follows_nothing(open_console: Browsing) -> None:
    async with (
        await open_console.session("bob", "people") as browser,
        browser.get("/deploy/progress/x") as answer,
    ):
        assert answer.status == 403
        assert "lacks update nodes" in await answer.text()
