"""`POST /utsuwa/console-link`: a link for whoever asks, as himself."""

from pathlib import Path

from utsuwa.testing.apiserver import serving
from utsuwa.testing.console import Browsing

LINK = "/utsuwa/console-link"


async def test_whoever_asks_is_let_in_as_himself(open_console: Browsing) -> None:
    async with open_console.api.session("bob", "people") as http, http.post(LINK) as answer:
        assert answer.status == 201
        url = (await answer.json())["url"]
    async with open_console.stranger() as browser, browser.get(url) as page:
        assert 'title="Signed in as bob"' in await page.text()


async def test_nobody_is_refused(open_console: Browsing) -> None:
    async with open_console.api.session() as http, http.post(LINK) as answer:
        assert answer.status == 401


async def test_without_a_console_there_is_no_link(tmp_path: Path) -> None:
    async with serving(tmp_path) as api, api.session("bob") as http, http.post(LINK) as answer:
        assert answer.status == 404
        assert "--console-port 0" in (await answer.json())["message"]
