"""The page of logs: what is wanted of them, what is shown, who may."""

import asyncio
import json
from pathlib import Path

from tests.unit.console.changing import opened, reader

from utsuwa.console.pages import logs as pages
from utsuwa.kit.documents import Document
from utsuwa.logs.lines import parse
from utsuwa.logs.places import describe, directory_of, request_log
from utsuwa.logs.reading import OUTPUT, REQUESTS, Line, Source
from utsuwa.model import labels
from utsuwa.model.kinds import POD, SERVICE
from utsuwa.testing.console import Browsing

PATH = "/services/default/hello/logs"


def a_source(pod: str, changed: float, *, alive: bool = False, restart: int = 0) -> Source:
    return Source(
        Path(f"{pod}.{restart}"), OUTPUT, "hello", "hello-00001", pod,
        restart=restart, alive=alive, bytes=10, changed=changed,
    )  # fmt: skip


def test_pods_that_are_there_come_first_then_the_latest_to_write() -> None:
    sources = [
        a_source("gone-long", 1), a_source("gone", 5), a_source("here", 2, alive=True),
        a_source("here", 3, alive=True, restart=1), Source(Path("r"), REQUESTS, "hello", changed=9),
    ]  # fmt: skip
    found = pages.choices(sources)
    assert [(one.name, one.alive, one.restarts, one.bytes) for one in found] == [
        ("here", True, 1, 20), ("gone", False, 0, 10), ("gone-long", False, 0, 10),
    ]  # fmt: skip


def test_a_query_that_makes_no_sense_counts_for_nothing() -> None:
    wish = pages.wish({"level": "loud", "since": "yesterday", "tail": "-3", "kind": "all"})
    assert (wish.level, wish.since, wish.tail) == ("DEFAULT", None, None)
    assert (wish.output, wish.requests) == (True, False)


def test_kinds_and_bounds_of_a_query() -> None:
    query = {"kind": "both", "level": "error", "tail": "5", "request": " a1 ", "pod": "p"}
    wish = pages.wish(query | {"since": "1970-01-01T00:00:09Z"}, follow=True)
    assert (wish.output, wish.requests, wish.follow) == (True, True, True)
    assert (wish.level, wish.tail, wish.request_id) == ("ERROR", 5, "a1")
    assert (wish.since, wish.pod) == (9.0, "p")
    assert not pages.wish({"kind": "requests"}).output


def test_a_structured_line_is_its_message_and_the_rest_can_be_had() -> None:
    text = '{"severity": "error", "message": "no money", "order": 7}'
    shown = pages.shown(Line(a_source("p", 1), 1.0, text, parse(text)))
    assert (shown["text"], shown["level"], shown["more"]) == ("no money", "ERROR", text)
    plain = pages.shown(Line(a_source("p", 1), 1.0, "hello", parse("hello")))
    assert plain["text"] == "hello"
    assert "more" not in plain


def test_of_a_request_it_is_told_what_was_asked_and_what_came_of_it() -> None:
    request = {"requestMethod": "GET", "requestUrl": "/cart", "status": 503}
    text = json.dumps({"httpRequest": request})
    assert pages.told(Line(a_source("p", 1), 1.0, text, parse(text))) == "GET /cart 503"


def a_pod(name: str) -> Document:
    pod = POD.document("default", name)
    told = {labels.SERVICE: "hello", labels.REVISION: "hello-00001"}
    pod["metadata"] |= {"uid": f"uid-{name}", "labels": told}
    return pod


def wrote(directory: Path, name: str, text: str) -> None:
    describe(directory / "logs", a_pod(name))
    path = directory_of(directory / "logs", a_pod(name)) / "user-container" / "0.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


async def set_up(console: Browsing, directory: Path) -> None:
    wrote(directory, "hello-1", "first\nERROR second\n")
    path = request_log(directory / "logs", "default", "hello")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('{"httpRequest": {"requestMethod": "GET", "requestUrl": "/cart"}}\n')
    containers = [{"image": "dev.local/hello:1"}]
    spec = {"template": {"spec": {"containers": containers}}}
    await console.api.cluster.create(SERVICE.document("default", "hello", spec=spec))


async def test_a_pod_that_is_gone_can_be_chosen_and_its_lines_be_had(
    open_console: Browsing, tmp_path: Path
) -> None:
    await set_up(open_console, tmp_path)
    async with await open_console.session() as browser:
        page = await opened(browser, PATH)
        assert "hello-1 (gone)" in page
        async with browser.get(f"{PATH}/download?search=FIRST") as answer:
            assert "hello.log" in answer.headers["Content-Disposition"]
            text = await answer.text()
        assert text.endswith(" hello-1 first\n")
        assert text.count("\n") == 1
        async with browser.get(f"{PATH}/download?kind=requests") as answer:
            assert "/cart" in await answer.text()


async def test_the_tail_goes_on_with_what_is_written_later(
    open_console: Browsing, tmp_path: Path
) -> None:
    await set_up(open_console, tmp_path)
    async with await open_console.session() as browser:
        await opened(browser, PATH)
        async with asyncio.timeout(15), browser.get(f"{PATH}/tail") as answer:
            lines = answer.content
            assert json.loads(await lines.readline())["text"] == "first"
            assert json.loads(await lines.readline())["pod"] == "hello-1"
            wrote(tmp_path, "hello-2", "third\n")
            while not (line := (await lines.readline()).strip()):
                pass
            assert json.loads(line)["text"] == "third"


async def test_who_may_not_read_logs_is_told_so(open_console: Browsing, tmp_path: Path) -> None:
    await set_up(open_console, tmp_path)
    group = "rbac.authorization.k8s.io"
    rule = {"apiGroups": ["serving.knative.dev"], "resources": ["services"], "verbs": ["get"]}
    role = {"apiVersion": f"{group}/v1", "kind": "ClusterRole", "metadata": {"name": "few"}}
    binding = reader("bob")
    binding["roleRef"]["name"] = "few"
    await open_console.api.cluster.create({**role, "rules": [rule]})
    await open_console.api.cluster.create(binding)
    async with await open_console.session("bob", "people") as browser:
        assert "lacks <code>get pods/log</code>" in await opened(browser, PATH)
        for path in ("tail", "download"):
            async with browser.get(f"{PATH}/{path}") as answer:
                assert answer.status == 403
                assert "lacks get pods/log" in await answer.text()
