"""Pages that act: YAML checked and applied, deletion that is asked twice, events."""

import re

from tests.unit.console.changing import HELLO, field, opened, reader

from utsuwa.cluster.port import Key
from utsuwa.console.pages import events, removal, yaml
from utsuwa.console.pages.difference import difference
from utsuwa.console.pages.service import head
from utsuwa.console.pages.state import Tone
from utsuwa.kit.documents import Document
from utsuwa.model import labels
from utsuwa.model.kinds import EVENT, REVISION, SERVICE
from utsuwa.testing.console import Browsing

MADE = "2026-01-01T00:00:0{}Z"


def a_service(name: str = "hello") -> Document:
    containers = [{"image": "dev.local/hello:1"}]
    return SERVICE.document(
        "default", name, spec={"template": {"spec": {"containers": containers}}}
    )


def an_event(kind: str, name: str, second: int, **members: object) -> Document:
    document = EVENT.document("default", f"{name}.{second}", **members)
    document["metadata"] |= {"creationTimestamp": MADE.format(second), "uid": f"{name}{second}"}
    document["involvedObject"] = {"kind": kind, "name": name, "namespace": "default"}
    return document


# --- the difference of two texts -----------------------------------------------------------------


def test_a_difference_numbers_lines_on_both_sides() -> None:
    found = difference("a\nb\nc\n", "a\nx\ny\nc\n")
    assert [(one.mark, one.text, one.before, one.after) for one in found.lines] == [
        (" ", "a", 1, 1), ("-", "b", 2, None), ("+", "x", None, 2), ("+", "y", None, 3),
        (" ", "c", 3, 4),
    ]  # fmt: skip
    assert (found.added, found.removed) == (2, 1)


def test_what_lies_far_from_a_change_is_left_out() -> None:
    text = "".join(f"{number}\n" for number in range(40))
    found = difference(text, text.replace("20\n", "twenty\n"))
    assert found.lines[0].mark == "@"
    assert len(found.lines) == 1 + 3 + 2 + 3


def test_equal_texts_have_no_difference() -> None:
    assert not difference("a\n", "a\n")


# --- YAML ----------------------------------------------------------------------------------------


def test_the_text_has_the_version_and_nothing_that_the_server_alone_writes() -> None:
    document = a_service() | {"status": {"url": "x"}}
    document["metadata"] |= {"resourceVersion": "7", "uid": "u", "generation": 2}
    text = yaml.editable(document)
    assert "resourceVersion: '7'" in text
    assert not re.search("uid|generation|status", text)
    assert "resourceVersion" not in yaml.comparable(document)


def test_a_text_of_something_else_is_refused() -> None:
    mine = head(a_service())
    assert yaml.misnamed(a_service(), mine) == ""
    assert "the text names default/other" in yaml.misnamed(a_service("other"), mine)
    assert "found apiVersion v1, kind Pod" in yaml.misnamed(
        {"apiVersion": "v1", "kind": "Pod"}, mine
    )
    assert "no object" in yaml.misnamed("hello", mine)


async def test_a_check_shows_the_difference_and_writes_nothing(open_console: Browsing) -> None:
    await open_console.api.cluster.create(a_service())
    async with await open_console.session() as browser:
        text = field(await opened(browser, "/services/default/hello/yaml"), "text")
        form = {"text": text.replace("hello:1", "hello:2"), "base": text, "act": "check"}
        async with browser.post("/services/default/hello/yaml", data=form) as answer:
            page = await answer.text()
    assert "This is good. Nothing has been written yet." in page
    assert re.search(r'<tr class="plus">.*hello:2', page)
    assert "hello:2" in field(page, "text")
    stored = await open_console.api.cluster.get(SERVICE, HELLO)
    assert stored["spec"]["template"]["spec"]["containers"][0]["image"] == "dev.local/hello:1"


async def test_what_is_applied_is_stored(open_console: Browsing) -> None:
    await open_console.api.cluster.create(a_service())
    async with await open_console.session() as browser:
        text = field(await opened(browser, "/services/default/hello/yaml"), "text")
        form = {"text": text.replace("hello:1", "hello:2"), "base": text, "act": "apply"}
        async with browser.post("/services/default/hello/yaml", data=form) as answer:
            assert "Applied hello." in await answer.text()
    stored = await open_console.api.cluster.get(SERVICE, HELLO)
    assert stored["spec"]["template"]["spec"]["containers"][0]["image"] == "dev.local/hello:2"


async def test_who_was_slower_is_told_what_the_other_changed(open_console: Browsing) -> None:
    cluster = open_console.api.cluster
    await cluster.create(a_service())
    async with await open_console.session() as browser:
        text = field(await opened(browser, "/services/default/hello/yaml"), "text")
        await cluster.merge(SERVICE, HELLO, {"metadata": {"labels": {"team": "blue"}}})
        form = {"text": text.replace("hello:1", "hello:2"), "base": text, "act": "apply"}
        async with browser.post("/services/default/hello/yaml", data=form) as answer:
            page = await answer.text()
    assert "Somebody else changed this service since you opened it" in page
    assert re.search(r'<tr class="plus">.*team: blue', page)
    assert "hello:2" in field(page, "text")


async def test_a_text_that_is_no_yaml_is_told_by_line(open_console: Browsing) -> None:
    await open_console.api.cluster.create(a_service())
    async with await open_console.session() as browser:
        await opened(browser, "/services/default/hello/yaml")
        form = {"text": "a: [1\nb: 2", "base": "", "act": "check"}
        async with browser.post("/services/default/hello/yaml", data=form) as answer:
            page = await answer.text()
    assert "the body is not YAML" in page
    assert "line 2" in page


async def test_a_reader_sees_the_text_and_no_button(open_console: Browsing) -> None:
    await open_console.api.cluster.create(a_service())
    await open_console.api.cluster.create(reader("bob"))
    async with await open_console.session("bob", "people") as browser:
        page = await opened(browser, "/services/default/hello/yaml")
        assert "readonly" in page
        assert "lacks <code>update services</code>" in page
        assert "Apply" not in page
        assert "Delete…" not in page
        form = {"text": field(page, "text"), "act": "apply"}
        async with browser.post("/services/default/hello/yaml", data=form) as answer:
            assert answer.status == 403


# --- deletion ------------------------------------------------------------------------------------


def test_the_name_must_be_typed() -> None:
    mine = head(a_service())
    assert removal.wrong_name(" hello ", mine) == ""
    assert removal.wrong_name("", mine) == "Expected hello, found nothing. Nothing was deleted."


async def test_only_a_typed_name_deletes(open_console: Browsing) -> None:
    await open_console.api.cluster.create(a_service())
    async with await open_console.session() as browser:
        assert "Delete hello?" in await opened(browser, "/services/default/hello/delete")
        path = "/services/default/hello/delete"
        async with browser.post(path, data={"name": "hallo"}) as answer:
            assert "found hallo. Nothing was deleted." in await answer.text()
        async with browser.post(path, data={"name": "hello"}) as answer:
            assert "Deleted hello." in await answer.text()
    assert not (await open_console.api.cluster.list(SERVICE, "default")).items


# --- events --------------------------------------------------------------------------------------


def test_events_find_their_service_by_its_revisions() -> None:
    revisions = {Key("default", "a-00001"): "a", Key("default", "a-00001-x"): "b"}
    found = {
        (kind, name): events.service_of(kind, Key("default", name), revisions)
        for kind, name in [
            ("Service", "a-00001"), ("Pod", "a-00001-deployment-q"), ("Pod", "a-00001-x-y"),
            ("Pod", "a-00002-y"),
        ]
    }  # fmt: skip
    assert list(found.values()) == ["a-00001", "a", "b", ""]


def test_the_latest_event_comes_first_and_warnings_can_be_had_alone() -> None:
    told = [
        an_event("Service", "a", 1, type="Normal", count=3, lastTimestamp=MADE.format(9)),
        an_event("Service", "b", 5, type="Warning", message="broken\n"),
    ]
    found = events.rows(told, {})
    assert [(row.service, row.count, row.tone) for row in found] == [
        ("a", 3, Tone.QUIET), ("b", 1, Tone.BAD),
    ]  # fmt: skip
    assert [row.message for row in events.rows(told, {}, events.WARNINGS)] == ["broken"]
    assert [row.name for row in events.page(found, "", head(a_service("b"))).rows] == ["b"]


async def test_the_pages_of_events(open_console: Browsing) -> None:
    cluster = open_console.api.cluster
    await cluster.create(a_service())
    for name in ("hello", "other"):
        event = an_event("Service", name, 1, type="Warning", reason="Trouble", message=f"of {name}")
        await cluster.create(event)
    async with await open_console.session() as browser:
        text = ""
        while "of other" not in text:
            text = await opened(browser, "/events?only=warnings")
        assert "of hello" in text
        one = await opened(browser, "/services/default/hello/events")
    assert "of hello" in one
    assert "of other" not in one


async def test_a_revision_is_read_as_yaml(open_console: Browsing) -> None:
    """Whose it is not, has none of it."""
    await open_console.api.cluster.create(SERVICE.document("default", "hello", spec={}))
    await open_console.api.cluster.create(SERVICE.document("default", "other", spec={}))
    revision = REVISION.document("default", "hello-00001", spec={"containers": [{"image": "i"}]})
    revision["metadata"]["labels"] = {labels.SERVICE: "hello"}
    await open_console.api.cluster.create(revision)
    async with await open_console.session() as browser:
        page = await opened(browser, "/services/default/hello/revisions/hello-00001")
        assert "image: i" in page
        assert "readonly" in page
        await opened(browser, "/services/default/other")
        async with browser.get("/services/default/other/revisions/hello-00001") as answer:
            assert answer.status == 404
