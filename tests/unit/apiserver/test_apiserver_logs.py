"""Pod logs over HTTP."""

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from utsuwa.cluster.port import DeleteOptions, Key
from utsuwa.kit.documents import Document
from utsuwa.kit.timeline import index_of, record
from utsuwa.model.kinds import POD
from utsuwa.testing.apiserver import Serving

LOG = "/api/v1/namespaces/default/pods/p/log"
KEY = Key("default", "p")
RUNNING: Document = {"running": {}}


async def make_pod(api: Serving, *names: str, state: Document | None = None) -> None:
    names = names or ("main",)
    containers = [{"name": name, "image": "x"} for name in names]
    await api.cluster.create(POD.document("default", "p", spec={"containers": containers}))
    await set_state(api, state or RUNNING, *names)


async def set_state(api: Serving, state: Document, *names: str) -> None:
    statuses = [{"name": name, "state": state} for name in names or ("main",)]
    patch = {"status": {"phase": "Running", "containerStatuses": statuses}}
    await api.cluster.merge(POD, KEY, patch, subresource="status")


async def log(api: Serving, **query: Any) -> tuple[int, str]:
    async with api.http.get(LOG, params=query) as response:
        if response.status == 200:
            assert response.headers["Content-Type"].startswith("text/plain")
            return 200, await response.text()
        return response.status, (await response.json())["message"]


@pytest.fixture
async def output(api: Serving, tmp_path: Path) -> Path:
    await make_pod(api)
    file = tmp_path / "output"
    file.write_text("one\ntwo\nthree\n")
    api.logs.current["p", "main"] = file
    return file


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ({}, "one\ntwo\nthree\n"),
        ({"container": "main"}, "one\ntwo\nthree\n"),
        ({"tailLines": 2}, "two\nthree\n"),
        ({"tailLines": 0}, ""),
        ({"tailLines": 9}, "one\ntwo\nthree\n"),
        ({"limitBytes": 5}, "one\nt"),
        ({"sinceSeconds": 3600}, "one\ntwo\nthree\n"),
        ({"sinceTime": "2999-01-01T00:00:00Z"}, ""),
    ],
)
async def test_a_part_of_the_output_is_given(
    api: Serving, output: Path, query: dict[str, Any], text: str
) -> None:
    """By lines, bytes or time."""
    assert output.exists()
    assert await log(api, **query) == (200, text)


async def test_a_last_line_without_end_counts(api: Serving, output: Path) -> None:
    """As `tail` counts."""
    output.write_text("one\ntwo")
    assert await log(api, tailLines=1) == (200, "two")


async def test_a_long_file_is_read_from_its_end(api: Serving, output: Path) -> None:
    """In chunks: lines may cross them."""
    lines = [f"line {number} {'x' * 100}\n" for number in range(5000)]
    output.write_text("".join(lines))
    assert await log(api, tailLines=1500) == (200, "".join(lines[-1500:]))


async def test_lines_are_marked_with_time(api: Serving, output: Path) -> None:
    """RFC 3339 with nanoseconds, and a blank."""
    output.write_text("one\ntwo")
    _, text = await log(api, timestamps="true")
    first, second = text.splitlines()
    assert first.endswith("Z one")
    assert second.endswith("Z two")
    assert len(first.split()[0]) == len("2026-11-23T12:00:00.123456789Z")


async def test_followers_see_what_comes_until_the_end(api: Serving, output: Path) -> None:
    """Also what the container wrote just before it ended."""
    async with api.http.get(LOG, params={"follow": "true", "tailLines": 1}) as response:
        assert await response.content.readline() == b"three\n"
        with output.open("a") as file:
            file.write("four\n")
        assert await response.content.readline() == b"four\n"
        with output.open("a") as file:
            file.write("last\n")
        await set_state(api, {"terminated": {"exitCode": 0}})
        async with asyncio.timeout(5):
            assert await response.content.read() == b"last\n"


async def test_followers_end_with_the_pod(api: Serving, output: Path) -> None:
    """It was deleted."""
    assert output.exists()
    async with api.http.get(LOG, params={"follow": "true", "tailLines": 0}) as response:
        await api.cluster.delete(POD, KEY, DeleteOptions(grace_seconds=0))
        async with asyncio.timeout(5):
            assert await response.content.read() == b""


async def test_followers_wait_for_a_container_to_start(api: Serving, tmp_path: Path) -> None:
    """`kubectl logs -f` right after a deploy."""
    await make_pod(api, state={"waiting": {"reason": "ContainerCreating"}})
    assert await log(api) == (
        400, 'container "main" in pod "p" is waiting to start: ContainerCreating',
    )  # fmt: skip
    async with api.http.get(LOG, params={"follow": "true"}) as response:
        assert response.status == 200
        file = tmp_path / "late"
        file.write_text("here\n")
        api.logs.current["p", "main"] = file
        async with asyncio.timeout(5):
            assert await response.content.readline() == b"here\n"


async def test_followers_end_when_the_server_closes(api: Serving, output: Path) -> None:
    """Cleanly."""
    assert output.exists()
    async with api.http.get(LOG, params={"follow": "true", "tailLines": 0}) as response:
        await api.server.close()
        async with asyncio.timeout(5):
            assert await response.content.read() == b""


async def test_a_file_that_was_cut_is_read_anew(api: Serving, output: Path) -> None:
    """Whoever rotates it need not tell us."""
    async with api.http.get(LOG, params={"follow": "true"}) as response:
        assert await response.content.readexactly(14) == b"one\ntwo\nthree\n"
        output.write_text("new\n")
        async with asyncio.timeout(5):
            assert await response.content.readline() == b"new\n"


async def test_the_former_life_of_a_container(api: Serving, output: Path, tmp_path: Path) -> None:
    """`--previous`, an error when there was none."""
    assert output.exists()
    assert await log(api, previous="true") == (
        400, 'previous terminated container "main" in pod "p" not found',
    )  # fmt: skip
    former = tmp_path / "former"
    former.write_text("crashed\n")
    api.logs.former["p", "main"] = former
    assert await log(api, previous="true") == (200, "crashed\n")


async def test_a_container_must_be_named_when_there_are_several(
    api: Serving, tmp_path: Path
) -> None:
    """Unless an annotation names the default."""
    await make_pod(api, "one", "two")
    code, told = await log(api)
    assert (code, told) == (
        400,
        "a container name must be specified for pod p, choose one of: [one two]",
    )
    code, told = await log(api, container="three")
    assert (code, told) == (400, "container three is not valid for pod p: choose one of [one two]")
    default = {"metadata": {"annotations": {"kubectl.kubernetes.io/default-container": "two"}}}
    await api.cluster.merge(POD, KEY, default)
    file = tmp_path / "two"
    file.write_text("two\n")
    api.logs.current["p", "two"] = file
    assert await log(api) == (200, "two\n")


@pytest.mark.parametrize("query", [{"tailLines": "x"}, {"sinceTime": "yesterday"}])
async def test_malformed_wishes_are_400(api: Serving, output: Path, query: dict[str, Any]) -> None:
    """Before anything is sent."""
    assert output.exists()
    code, _ = await log(api, **query)
    assert code == 400


async def test_logs_of_an_absent_pod_are_404(api: Serving) -> None:
    """Of the pod."""
    assert await log(api) == (404, 'pods "p" not found')


SECOND = 1_000_000_000


@pytest.fixture
def timed(output: Path) -> Path:
    """Lines of the seconds 100, 200 and 300 since 1970."""
    lines = ((4, 100), (8, 200), (14, 300))
    notes = b"".join(record(size, second * SECOND) for size, second in lines)
    index_of(output).write_bytes(notes)
    os.utime(output, ns=(300 * SECOND, 300 * SECOND))
    return output


async def test_lines_get_the_time_at_which_they_were_written(api: Serving, timed: Path) -> None:
    """As the node noted it; what is not noted yet, that of the file's last change."""
    with timed.open("a") as file:
        file.write("four\nfive")
    os.utime(timed, ns=(400 * SECOND + 5, 400 * SECOND + 5))
    expected = (
        "1970-01-01T00:01:40.000000000Z one\n"
        "1970-01-01T00:03:20.000000000Z two\n"
        "1970-01-01T00:05:00.000000000Z three\n"
        "1970-01-01T00:06:40.000000005Z four\n"
        "1970-01-01T00:06:40.000000005Z five"
    )
    assert await log(api, timestamps="true") == (200, expected)
    limited = await log(api, timestamps="true", tailLines=3, limitBytes=36)
    assert limited == (200, "1970-01-01T00:05:00.000000000Z three\n"[:36])


@pytest.mark.parametrize(
    ("since", "text"),
    [
        ("1970-01-01T00:01:40Z", "one\ntwo\nthree\n"),
        ("1970-01-01T00:01:41Z", "two\nthree\n"),
        ("1970-01-01T00:05:00Z", "three\n"),
        ("1970-01-01T00:05:01Z", ""),
    ],
)
async def test_older_lines_are_left_out(api: Serving, timed: Path, since: str, text: str) -> None:
    """To the line."""
    assert timed.exists()
    assert await log(api, sinceTime=since) == (200, text)
    assert await log(api, sinceTime=since, tailLines=1) == (200, text and "three\n")


async def test_followers_end_with_the_life_that_they_follow(
    api: Serving, output: Path, tmp_path: Path
) -> None:
    """Also where it was started again before anybody saw that it had ended."""
    async with api.http.get(LOG, params={"follow": "true"}) as response:
        assert await response.content.readexactly(14) == b"one\ntwo\nthree\n"
        api.logs.current["p", "main"] = tmp_path / "next"
        async with asyncio.timeout(5):
            assert await response.content.read() == b""
    api.logs.current["p", "main"] = output
    waiting = {"name": "main", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}
    ended = {**waiting, "lastState": {"terminated": {"exitCode": 1}}}
    patch = {"status": {"containerStatuses": [ended]}}
    await api.cluster.merge(POD, KEY, patch, subresource="status")
    async with asyncio.timeout(5):
        assert await log(api, follow="true") == (200, "one\ntwo\nthree\n")
