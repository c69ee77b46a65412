"""The page of traffic: percents, tags, the way back."""

from typing import Any

import pytest
from tests.unit.console.changing import HELLO, opened, reader

from utsuwa.console.pages import traffic as pages
from utsuwa.console.pages.service import head
from utsuwa.kit.documents import Document
from utsuwa.model import labels
from utsuwa.model.kinds import REVISION, SERVICE
from utsuwa.model.splitting import LATEST, Plan, SplitError
from utsuwa.testing.console import Browsing

PATH = "/services/default/hello"


def a_service(*traffic: Document) -> Document:
    containers = [{"image": "dev.local/hello:1"}]
    spec = {"template": {"spec": {"containers": containers}}, "traffic": list(traffic)}
    return SERVICE.document("default", "hello", spec=spec)


def a_revision(number: int, **metadata: Any) -> Document:
    document = REVISION.document("default", f"hello-0000{number}")
    document["metadata"] |= {
        "labels": {labels.SERVICE: "hello", labels.CONFIGURATION_GENERATION: str(number)},
        "creationTimestamp": f"2026-01-01T00:00:0{number}Z",
        **metadata,
    }
    document["status"] = {"conditions": [{"type": "Ready", "status": "True"}]}
    return document


def given(percent: int, revision: str = "", tag: str = "") -> Document:
    target = {"revisionName": revision} if revision else {"latestRevision": True}
    return {**target, "percent": percent, **({"tag": tag} if tag else {})}


def test_bars_show_what_is_asked_for_and_beside_them_what_is() -> None:
    service = a_service(given(80, "hello-00001"), given(20))
    service["status"] = {
        "latestReadyRevisionName": "hello-00002",
        "traffic": [given(100, "hello-00001")],
    }
    found = pages.page(service, [a_revision(1), a_revision(2)], head(service), now=0.0)
    assert [(one.name, one.percent, one.now, one.latest) for one in found.targets] == [
        (LATEST, 20, 0, False), ("hello-00002", 0, 0, True), ("hello-00001", 80, 100, False),
    ]  # fmt: skip
    assert found.back == ""
    assert "no ready revision is older" in found.no_way_back


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"share.a": "60", "share.b": "30"}, "add up to 100, found 90"),
        ({"share.a": "101"}, "from 0 to 100, found '101'"),
        ({"share.a": "-1"}, "from 0 to 100, found '-1'"),
        ({"share.a": ""}, "found ''"),
    ],
)
def test_percents_that_make_no_sense_are_told(form: dict[str, str], words: str) -> None:
    with pytest.raises(SplitError, match=words):
        pages.shares_of(form)


def test_who_gets_nothing_is_left_out() -> None:
    assert pages.shares_of({"share.a": "100", "share.b": "0", "asked": "x"}) == {"a": 100}


def test_a_tag_must_have_a_name_and_a_revision() -> None:
    plan = Plan({LATEST: 100}, {})
    assert pages.tagged(plan, "old", "a", ["a"]).tags == {"old": "a"}
    with pytest.raises(SplitError, match="found Old"):
        pages.tagged(plan, "Old", "a", ["a"])
    with pytest.raises(SplitError, match="no revision b"):
        pages.tagged(plan, "old", "b", ["a"])


async def set_up(console: Browsing) -> None:
    cluster = console.api.cluster
    await cluster.create(a_service(given(100, "hello-00002")))
    for number in (1, 2):
        made = await cluster.create(a_revision(number))
        ready = {"conditions": [{"type": "Ready", "status": "True"}]}
        await cluster.update_status({**made, "status": ready})
    service = await cluster.get(SERVICE, HELLO)
    status = {"traffic": [given(100, "hello-00002")]}
    await cluster.update_status({**service, "status": status})


async def asked_for(console: Browsing) -> list[Document]:
    found: list[Document] = (await console.api.cluster.get(SERVICE, HELLO))["spec"]["traffic"]
    return found


async def test_percents_are_written_unless_somebody_was_faster(open_console: Browsing) -> None:
    await set_up(open_console)
    form = {"share.hello-00001": "30", f"share.{LATEST}": "70", "asked": "hello-00002=100;"}
    async with await open_console.session() as browser:
        page = await opened(browser, f"{PATH}/traffic", "Roll back to hello-00001")
        assert 'value="hello-00002=100;"' in page
        async with browser.post(f"{PATH}/traffic", data=form) as answer:
            assert "30 % hello-00001, 70 % LATEST" in await answer.text()
        async with browser.post(f"{PATH}/traffic", data=form) as answer:
            page = await answer.text()
    assert "Somebody else changed the traffic" in page
    assert await asked_for(open_console) == [
        {"revisionName": "hello-00001", "percent": 30}, {"latestRevision": True, "percent": 70},
    ]  # fmt: skip


async def test_tags_come_and_go(open_console: Browsing) -> None:
    await set_up(open_console)
    async with await open_console.session() as browser:
        await opened(browser, f"{PATH}/traffic", "hello-00001")
        form = {"tag": "old", "revision": "hello-00001"}
        async with browser.post(f"{PATH}/tag", data=form) as answer:
            assert "Tag old leads to hello-00001." in await answer.text()
        assert {"revisionName": "hello-00001", "tag": "old"} in await asked_for(open_console)
        await opened(browser, f"{PATH}/traffic", "Remove tag old")
        async with browser.post(f"{PATH}/untag", data={"tag": "old"}) as answer:
            assert "Tag old is gone." in await answer.text()
        assert not [one for one in await asked_for(open_console) if "tag" in one]
        async with browser.post(f"{PATH}/tag", data={"tag": "-", "revision": "LATEST"}) as answer:
            assert "found -." in await answer.text()


async def test_rollback_gives_everything_to_the_one_before(open_console: Browsing) -> None:
    await set_up(open_console)
    async with await open_console.session() as browser:
        await opened(browser, f"{PATH}/traffic", "Roll back to hello-00001")
        async with browser.post(f"{PATH}/rollback") as answer:
            assert "All traffic of hello goes to hello-00001" in await answer.text()
    assert await asked_for(open_console) == [{"revisionName": "hello-00001", "percent": 100}]


async def test_a_reader_may_look_and_draw_nothing(open_console: Browsing) -> None:
    await set_up(open_console)
    await open_console.api.cluster.create(reader("bob"))
    async with await open_console.session("bob", "people") as browser:
        page = await opened(browser, f"{PATH}/traffic", "hello-00001")
        assert "lacks <code>update services</code>" in page
        assert "Apply" not in page
        for path in ("traffic", "tag", "rollback"):
            form = {
                "share.LATEST": "100",
                "asked": "hello-00002=100;",
                "tag": "a",
                "revision": "LATEST",
            }
            async with browser.post(f"{PATH}/{path}", data=form) as answer:
                assert answer.status == 403
