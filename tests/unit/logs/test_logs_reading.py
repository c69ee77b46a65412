"""All that a Service wrote, merged by time."""

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from utsuwa.kit.clock import SystemClock
from utsuwa.kit.timeline import index_of, record
from utsuwa.logs.keeping import trim
from utsuwa.logs.places import describe, directory_of, request_log
from utsuwa.logs.reading import Line, ServiceLogs, Wish

SECOND = 1_000_000_000


@dataclass
class Written:
    """A directory of logs, and how to write into it: each line at its own second."""

    root: Path

    def say(
        self, pod: str, *lines: tuple[int, str], revision: str = "hello-00001", life: int = 0
    ) -> Path:
        labels = {
            "serving.knative.dev/service": "hello",
            "serving.knative.dev/configuration": "hello",
            "serving.knative.dev/revision": revision,
        }
        document = {
            "metadata": {"namespace": "default", "name": pod, "uid": f"u-{pod}", "labels": labels}
        }
        describe(self.root, document)
        path = directory_of(self.root, document) / "user-container" / f"{life}.log"
        path.parent.mkdir(exist_ok=True)
        return self.append(path, *lines)

    def append(self, path: Path, *lines: tuple[int, str]) -> Path:
        with path.open("a") as file, index_of(path).open("ab") as index:
            for second, text in lines:
                file.write(f"{text}\n")
                file.flush()
                index.write(record(file.tell(), second * SECOND))
        if lines:
            os.utime(path, (lines[-1][0], lines[-1][0]))
        return path

    @property
    def logs(self) -> ServiceLogs:
        return ServiceLogs(self.root, SystemClock(), lambda: {"u-a"})

    async def get(self, wish: Wish | None = None) -> list[Line]:
        batches = self.logs.lines("default", "hello", wish or Wish())
        return [line async for batch in batches for line in batch]

    async def texts(self, wish: Wish | None = None) -> list[str]:
        return [line.text for line in await self.get(wish)]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    return Written(tmp_path)


async def test_pods_are_merged_by_time_those_that_are_gone_included(written: Written) -> None:
    """Each line knows where it comes from."""
    written.say("a", (10, "one"), (30, "three"))
    written.say("b", (20, "two"), (40, "four"), revision="hello-00002")
    written.say("a", (50, "five"), life=1)
    lines = await written.get()
    assert [line.text for line in lines] == ["one", "two", "three", "four", "five"]
    assert [(line.source.pod, line.source.restart) for line in lines[-2:]] == [("b", 0), ("a", 1)]
    assert [line.received for line in lines] == [10, 20, 30, 40, 50]
    sources = await written.logs.sources("default", "hello")
    assert [(one.pod, one.restart, one.alive) for one in sources] == [
        ("a", 0, True), ("b", 0, False), ("a", 1, True),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("wish", "texts"),
    [
        (Wish(tail=1), ["plain id=4bf9"]),
        (Wish(tail=0), []),
        (Wish(since=15), ["two", "plain id=4bf9"]),
        (Wish(pod="b"), ["two"]),
        (Wish(revision="hello-00001", tail=5), ["ONE", "plain id=4bf9"]),
        (Wish(container="other"), []),
        (Wish(search="one"), ["ONE"]),
        (Wish(request_id="4bf9"), ["plain id=4bf9"]),
        (Wish(level="ERROR"), []),
        (Wish(output=False, requests=True), []),
    ],
)
async def test_a_part_is_asked_for(written: Written, wish: Wish, texts: list[str]) -> None:
    """By time, source, number and content."""
    written.say("a", (10, "ONE"), (30, "plain id=4bf9"))
    written.say("b", (20, "two"), revision="hello-00002")
    assert await written.texts(wish) == texts


async def test_structured_lines_are_asked_for_by_level(written: Written) -> None:
    """And the last of those that fit are counted."""
    levels = ("info", "warning", "error", "info")
    said = [(n, f'{{"severity":"{level}","message":"m{n}"}}') for n, level in enumerate(levels)]
    written.say("a", *said)
    lines = await written.get(Wish(level="WARNING"))
    assert [line.entry.message for line in lines] == ["m1", "m2"]
    (last,) = await written.get(Wish(level="WARNING", tail=1))
    assert last.to_json()["message"] == "m2"
    assert last.to_json()["text"] == said[2][1]


async def test_the_request_log_is_read_beside_the_output(written: Written) -> None:
    """When it is asked for."""
    written.say("a", (10, "working on r-1"))
    path = request_log(written.root, "default", "hello")
    path.parent.mkdir()
    written.append(path, (11, '{"httpRequest":{"status":500},"id":"r-1"}'), (12, "{}"))
    assert await written.texts() == ["working on r-1"]
    lines = await written.get(Wish(request_id="r-1", requests=True))
    assert [line.source.kind for line in lines] == ["output", "requests"]
    assert lines[1].entry.severity == "ERROR"
    assert len(await written.texts(Wish(output=False, requests=True))) == 2


async def test_what_was_dropped_is_not_there(written: Written) -> None:
    """What is left begins with a whole line, at its own time."""
    path = written.say("a", *((n, f"line {n:06d} {'x' * 88}") for n in range(2000)))
    trim(path, 100_000)
    lines = await written.get()
    numbers = [int(line.text[5:11]) for line in lines]
    assert numbers == list(range(numbers[0], 2000))
    assert [line.received for line in lines] == numbers
    assert len(await written.texts(Wish(tail=3))) == 3


async def test_who_follows_gets_each_line_once(written: Written) -> None:
    """Of pods that come later too; a line that is being written when it is whole."""
    path = written.say("a", (10, "one"))
    told: list[str] = []
    enough = asyncio.Event()

    async def follow() -> None:
        async for batch in written.logs.lines("default", "hello", Wish(follow=True)):
            told.extend(line.text for line in batch)
            if len(told) >= 4:
                enough.set()

    following = asyncio.create_task(follow())
    async with asyncio.timeout(15):
        while told != ["one"]:
            await asyncio.sleep(0.01)
        with path.open("a") as file:
            file.write("tw")
            file.flush()
            await asyncio.sleep(0)
            file.write("o\n")
        written.say("late", (20, "three"))
        written.append(path, (30, "four"))
        await enough.wait()
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    assert sorted(told) == ["four", "one", "three", "two"]
    assert [text for text in told if text != "three"] == ["one", "two", "four"]


async def test_a_download_has_time_and_pod_of_each_line(written: Written) -> None:
    """As text."""
    written.say("a", (10, "one"))
    parts = [part async for part in written.logs.text("default", "hello", Wish())]
    assert b"".join(parts) == b"1970-01-01T00:00:10.000000Z a one\n"


async def test_pods_that_nobody_described_are_known_by_name(written: Written) -> None:
    """From before it was written down whose logs they are."""
    path = written.root / "default" / "hello-00001-deployment-7f-x2_u" / "c" / "0.log"
    path.parent.mkdir(parents=True)
    path.write_text("old")
    assert await written.texts() == ["old"]
    assert await written.logs.sources("default", "hell") == []
    assert await written.logs.sources("nowhere", "hello") == []
