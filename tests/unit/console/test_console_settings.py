"""The page of settings: every key with its meaning, refusals beside their key."""

import pytest
from tests.unit.console.changing import field, opened, reader

from utsuwa.apiserver.ports import Review
from utsuwa.cluster.errors import BadRequestError
from utsuwa.cluster.port import Key
from utsuwa.console.pages import settings as pages
from utsuwa.console.pages.reference import Text, read
from utsuwa.console.views.settings import reference
from utsuwa.kit.documents import Document
from utsuwa.model.config_maps import config_map_fault
from utsuwa.model.kinds import CONFIG_MAP
from utsuwa.testing.console import Browsing

GC = Key("knative-serving", "config-gc")
PAGE = """# Settings

## config-one, config-two

About [both](x.md).

| Key | Default | Values | Meaning |
| --- | --- | --- | --- |
| `a` (`oldA`), `b` | `1` | from `1` | What [it](y.md) does |
| `c` | none | | No effect |

## config-flags

| Key | Default | Allows |
| --- | --- | --- |
| `f` | Disabled | more |
"""


def a_map(name: str = "config-gc", **data: str) -> Document:
    return CONFIG_MAP.document("knative-serving", name, data=data)


def test_a_row_of_the_reference_tells_of_several_keys_and_their_older_names() -> None:
    found = read(PAGE)
    assert list(found) == ["config-one", "config-two", "config-flags"]
    one = found["config-one"].settings
    assert [(s.key, s.older, s.default) for s in one] == [
        ("a", ("oldA",), "1"), ("b", (), "1"), ("c", (), "none"),
    ]  # fmt: skip
    assert one[0].values == (Text("from "), Text("1", code=True))
    assert one[0].meaning == (Text("What it does"),)
    flag = found["config-flags"].settings[0]
    assert (flag.key, flag.default, flag.values, flag.meaning) == (
        "f", "Disabled", (), (Text("more"),),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("config-autoscaler", "stable-window"), ("config-gc", "min-non-active-revisions"),
        ("config-deployment", "queue-sidecar-memory-request"),
        ("config-features", "multi-container"), ("config-observability", "runtime-export-interval"),
        ("config-network", "domain-template"), ("config-defaults", "revision-cpu-limit"),
    ],
)  # fmt: skip
def test_the_documentation_tells_of_each_map(name: str, key: str) -> None:
    assert key in {one.key for one in reference()[name].settings}


def test_a_key_shows_its_older_spelling_where_that_is_set() -> None:
    found = pages.page(
        [a_map("config-one", oldA="2", odd="x")], read(PAGE), "config-one", may_change=True
    )
    assert [(row.key, row.value, row.known) for row in found.rows] == [
        ("oldA", "2", True), ("b", None, True), ("c", None, True), ("odd", "x", False),
    ]  # fmt: skip


def test_an_empty_field_takes_a_key_away_and_the_rest_stays() -> None:
    document = a_map(a="1", b="2", _example="text", kept="x")
    asked = pages.asked({"key.a": "", "key.b": " 3\r\n4 ", "key.c": "", "version": "7"}, document)
    assert asked == {"b": "3\n4", "_example": "text", "kept": "x"}
    assert pages.patch(asked, document) == {"a": None, "b": "3\n4"}


def test_a_domain_stays_though_its_value_is_empty() -> None:
    document = a_map("config-domain", **{"localhost": "", "old.example": ""})
    form = {
        "key.localhost": "",
        "keep.localhost": "on",
        "key.old.example": "",
        "new-key": "a.example",
    }
    assert pages.asked(form, document) == {"localhost": "", "a.example": ""}


def test_what_is_wrong_stands_beside_the_key_that_it_names() -> None:
    found = pages.page(
        [a_map("config-one")], read(PAGE), "config-one", may_change=True,
        asked={"b": "0"}, wrong="b: expected 1 on, found 0",
    )  # fmt: skip
    assert [row.key for row in found.rows if row.wrong] == ["b"]


def admit(review: Review) -> tuple[Document, tuple[str, ...]]:
    """As the real one does with maps."""
    fault = config_map_fault(review.object) if review.kind is CONFIG_MAP else ""
    if fault:
        raise BadRequestError(f"admission webhook denied the request: validation failed: {fault}")
    return review.object, ()


async def test_settings_are_saved_or_refused_with_what_was_expected(open_console: Browsing) -> None:
    open_console.api.admit(admit)
    cluster = open_console.api.cluster
    await cluster.create(a_map(**{"min-non-active-revisions": "20"}))
    path = "/settings/config-gc"
    async with await open_console.session() as browser:
        page = await opened(browser, path)
        assert 'placeholder="48h"' in page
        version = field(page, "version")
        form = {"version": version, "key.min-non-active-revisions": "-1"}
        async with browser.post(path, data=form) as answer:
            page = await answer.text()
        assert "Nothing was saved." in page
        assert 'aria-invalid="true"' in page
        assert 'value="-1"' in page
        form["key.min-non-active-revisions"] = "5"
        async with browser.post(path, data=form) as answer:
            assert "min-non-active-revisions = 5" in await answer.text()
        form["key.min-non-active-revisions"] = "6"
        async with browser.post(path, data=form) as answer:
            assert "Somebody else changed config-gc" in await answer.text()
    assert (await cluster.get(CONFIG_MAP, GC))["data"] == {"min-non-active-revisions": "5"}


async def test_a_reader_changes_no_settings(open_console: Browsing) -> None:
    await open_console.api.cluster.create(a_map())
    await open_console.api.cluster.create(reader("bob"))
    async with await open_console.session("bob", "people") as browser:
        page = await opened(browser, "/settings/config-gc")
        assert "lacks <code>patch configmaps</code>" in page
        assert "Save" not in page
        form = {"version": field(page, "version"), "key.min-non-active-revisions": "1"}
        async with browser.post("/settings/config-gc", data=form) as answer:
            assert answer.status == 403


async def test_other_maps_are_no_settings(open_console: Browsing) -> None:
    async with await open_console.session() as browser, browser.get("/settings/config-x") as answer:
        assert answer.status == 404
