"""Who gets in, who is refused, and what every answer carries."""

from utsuwa.apiserver import User
from utsuwa.console import guard
from utsuwa.model.builtin_roles import MASTERS
from utsuwa.testing.console import Browsing

ADMIN = User("admin", (MASTERS,))


async def test_a_stranger_is_shown_the_door(open_console: Browsing) -> None:
    async with (
        open_console.stranger() as browser,
        browser.get("/services", allow_redirects=False) as answer,
    ):
        assert answer.status == 303
        assert answer.headers["Location"] == "/sign-in?to=%2Fservices"


async def test_a_link_opens_the_console_and_is_used_up(open_console: Browsing) -> None:
    async with await open_console.session() as browser, browser.get("/services") as answer:
        assert answer.status == 200
        assert "No service yet" in await answer.text()
        cookie = next(iter(browser.cookie_jar))
        assert cookie["httponly"]
        assert cookie["samesite"] == "Strict"
    link = await open_console.console.link(ADMIN)
    async with open_console.stranger() as one, one.get(link) as answer:
        assert answer.status == 200
    async with open_console.stranger() as other, other.get(link) as answer:
        assert answer.status == 403
        assert "has been used" in await answer.text()


async def test_a_browser_that_fetches_ahead_does_not_use_the_link_up(
    open_console: Browsing,
) -> None:
    link = await open_console.console.link(ADMIN)
    async with open_console.stranger() as browser:
        async with browser.get(link, headers={"Sec-Purpose": "prefetch"}) as answer:
            assert answer.status == 503
        async with browser.get(link) as answer:
            assert answer.status == 200


async def test_every_answer_is_guarded(open_console: Browsing) -> None:
    async with await open_console.session() as browser:
        for path in ("/services", "/sign-in", "/nowhere", "/static/none/x.js"):
            async with browser.get(path) as answer:
                for name, value in guard.HEADERS.items():
                    assert answer.headers[name] == value, path
                assert "style=" not in await answer.text()


async def test_a_name_that_was_made_to_point_here_is_not_answered(open_console: Browsing) -> None:
    async with (
        await open_console.session() as browser,
        browser.get("/services", headers={"Host": "rebound.example:8090"}) as answer,
    ):
        assert answer.status == 421


async def test_a_form_of_another_page_changes_nothing(open_console: Browsing) -> None:
    async with await open_console.session() as browser:
        async with browser.post("/sign-out", headers={"Origin": "http://127.0.0.1:1"}) as answer:
            assert answer.status == 403
        async with browser.get("/services", allow_redirects=False) as answer:
            assert answer.status == 200


async def test_signing_out(open_console: Browsing) -> None:
    async with await open_console.session() as browser:
        async with browser.post("/sign-out") as answer:
            assert answer.status == 200
        async with browser.get("/services", allow_redirects=False) as answer:
            assert answer.status == 303


async def test_an_unknown_token_is_refused(open_console: Browsing) -> None:
    async with (
        open_console.stranger() as browser,
        browser.post("/sign-in", data={"token": "nobody"}) as answer,
    ):
        assert answer.status == 403
        assert "unknown, revoked or expired" in await answer.text()


async def test_htmx_is_told_of_an_error_where_the_reader_sees_it(open_console: Browsing) -> None:
    async with (
        await open_console.session() as browser,
        browser.get("/nowhere", headers={"HX-Request": "true"}) as answer,
    ):
        assert answer.headers["HX-Retarget"] == "#problem"
        assert "There is no such page." in await answer.text()


async def test_colours_are_remembered(open_console: Browsing) -> None:
    async with await open_console.session() as browser:
        async with browser.post("/theme", data={"theme": "dark"}) as answer:
            assert 'data-theme="dark"' in await answer.text()
        async with browser.post("/theme", data={"theme": '"><script>'}) as answer:
            assert 'data-theme="auto"' in await answer.text()
