"""Alerts on the pages: what a banner says, and who is told."""

from tests.unit.console.changing import opened, reader

from utsuwa.alerts import CODES, Alert, Severity, Standing, Subject
from utsuwa.console.pages.banners import _WORDS, MOST, banners
from utsuwa.model.kinds import SERVICE
from utsuwa.testing.console import Browsing


def standing(
    name: str = "hello", severity: Severity = Severity.WARNING, detail: str = "3 wait"
) -> Standing:
    alert = Alert(
        "QueueGrowing", Subject("Service", "default", name), f"{name}-00001", severity,
        "Requests wait.", detail, "Allow more: `utsuwa deploy <hello>`.",
    )  # fmt: skip
    return Standing(alert, 0.0)


def of_the_machine() -> Standing:
    alert = Alert(
        "DiskNearlyFull", Subject("Node", "", "here"), "/data dir", Severity.CRITICAL,
        "Little room.", "1 GiB", "Make room.",
    )  # fmt: skip
    return Standing(alert, 0.0)


def test_every_alert_has_a_title() -> None:
    assert _WORDS.keys() == CODES.keys()


def test_a_banner_says_what_is_wrong_and_what_to_do() -> None:
    found = banners([of_the_machine(), standing()])
    disk, queue = found.shown
    assert (disk.tone, disk.word, disk.subject, disk.path) == ("bad", "Critical", "here", "")
    assert " " not in disk.id
    assert (queue.tone, queue.word, queue.path) == ("warning", "Warning", "/services/default/hello")
    assert [piece.words for piece in queue.action if piece.code] == ["utsuwa deploy <hello>"]
    assert found.details[queue.id] == "3 wait"


def test_figures_alone_make_no_other_banner() -> None:
    assert banners([standing(detail="3 wait")]) == banners([standing(detail="4 wait")])


def test_a_page_has_room_for_so_many() -> None:
    found = banners([standing(f"s{number}") for number in range(MOST + 3)])
    assert (len(found.shown), found.more) == (MOST, 3)


async def test_each_page_has_its_alerts(open_console: Browsing) -> None:
    await open_console.api.cluster.create(SERVICE.document("default", "hello", spec={}))
    open_console.standing += [of_the_machine(), standing(), standing("other")]
    async with await open_console.session() as browser:
        every = await opened(browser, "/services", "hello")
        own = await opened(browser, "/services/default/hello")
    assert "Little room." in every
    assert every.count("Requests wait.") == 2
    assert "<code>utsuwa deploy &lt;hello&gt;</code>" in own
    assert "Little room." not in own
    assert own.count("Requests wait.") == 1


async def test_who_may_not_see_a_service_is_not_told_of_it(open_console: Browsing) -> None:
    open_console.standing += [of_the_machine(), standing()]
    async with await open_console.session("bob", "people") as browser:
        page = await opened(browser, "/services")
        assert "Requests wait." not in page
        assert "Little room." not in page
    await open_console.api.cluster.create(reader("bob"))
    async with await open_console.session("bob", "people") as browser:
        assert "Requests wait." in await opened(browser, "/services", "Requests wait.")
