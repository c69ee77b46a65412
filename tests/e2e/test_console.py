"""The console in a real browser: each page in light, dark and at the width of a phone; the live
parts, the keyboard, a restart of control, a reader who may not act."""

import json
import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from tests.e2e.browser import KEEP, LOOKS, Chromium, chromium
from tests.e2e.conftest import SAMPLES, Up, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

APP = """
import os, random, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Shop(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        time.sleep(random.uniform(.005, .04))
        bad = random.random() < float(os.environ.get("BAD", "0"))
        self.send_response(500 if bad else 404 if "missing" in self.path else 200)
        self.send_header("Content-Length", "3")
        self.end_headers()
        self.wfile.write(b"hi\\n")
    def log_message(self, *_):
        pass

ThreadingHTTPServer(("", int(os.environ["PORT"])), Shop).serve_forever()
"""


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """A cluster with a shop: its second revision gets a part of the traffic, and throws errors."""
    directory = tmp_path_factory.mktemp("console")
    source = directory / "shop"
    source.mkdir()
    (source / "main.py").write_text(APP)
    running = Up(directory / "data").start().ready()
    running.run("deploy", "hello", "--source", str(SAMPLES / "hello"))
    running.run("deploy", "shop", "--source", str(source), "--concurrency", "4")
    running.run("deploy", "shop", "--env", "BAD=0.5", "--no-traffic")
    running.run("traffic", "shop", "--to", "shop-00001=70,shop-00002=30")
    yield running
    running.stop()


@pytest.fixture(scope="module")
def browser(up: Up) -> Iterator[Chromium]:
    link = up.run("console").stdout.strip()
    with chromium(link) as found:
        yield found


@pytest.fixture(scope="module")
def load(up: Up) -> Iterator[None]:
    """Requests without end, until the tests are over."""
    over = threading.Event()

    def send(number: int) -> None:
        while not over.is_set():
            number += 1
            try:
                up.call("shop.default.localhost", "/missing" if number % 9 == 0 else "/cart")
            except OSError:
                over.wait(0.2)
            over.wait(0.05)

    threads = [threading.Thread(target=send, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    if KEEP:  # a picture should show something
        over.wait(100)
    yield
    over.set()
    for thread in threads:
        thread.join()


@pytest.mark.parametrize("look", LOOKS)
def test_the_list_of_services(browser: Chromium, load: None, look: str) -> None:
    with browser.look(look) as tab:
        tab.goto("/services")
        tab.page.locator("[id='rate.default.shop']:not(.faint)").wait_for()  # comes over the stream
        tab.page.locator("[id='line.default.shop'] polyline").wait_for(state="attached")
        assert tab.page.get_by_role("link", name="hello", exact=True).is_visible()
        tab.check(f"services-{look}")


@pytest.mark.parametrize("look", LOOKS)
def test_the_page_of_a_service(browser: Chromium, load: None, look: str) -> None:
    with browser.look(look) as tab:
        tab.goto("/services/default/shop")
        tab.page.locator("#charts[data-drawn]").wait_for()
        tab.page.locator("#why .reasons dd").first.wait_for()
        tab.page.locator("#pods tbody tr").first.wait_for()
        assert tab.page.locator(".chart canvas").count() == 6
        tab.check(f"service-{look}")


@pytest.mark.parametrize("window", ["5m", "1h", "1d", "1w"])
def test_each_window_of_the_charts(browser: Chromium, load: None, window: str) -> None:
    with browser.look() as tab:
        tab.goto("/services/default/shop")
        tab.page.locator(f"[data-window='{window}']").click()
        tab.page.locator(f"#charts[data-drawn='{window}']").wait_for()
        assert tab.page.locator(f"[data-window='{window}']").get_attribute("aria-pressed") == "true"
        tab.check()


def test_charts_go_on_by_themselves(browser: Chromium, load: None) -> None:
    with browser.look() as tab:
        tab.goto("/services/default/shop")
        tab.page.locator("#charts[data-drawn]").wait_for()
        legend = tab.page.locator("[data-chart=requests] .legend")
        first = legend.inner_text()
        second = until(lambda: (one := legend.inner_text()) != first and one, 20, "another figure")
        until(lambda: legend.inner_text() != second, 20, "a third figure")
        tab.check()


def test_one_sees_which_revision_throws_the_500s(browser: Chromium, up: Up, load: None) -> None:
    """`5xx, 1 h`: the second revision has some, the first has none."""
    with browser.look() as tab:

        def errors() -> dict[str, int]:
            tab.goto("/services/default/shop")
            rows = tab.page.locator("#revisions-table tbody tr")
            rows.first.locator("td").nth(7).filter(has_text="…").wait_for(state="detached")
            cells = [row.locator("th, td").all_inner_texts() for row in rows.all()]
            return {cell[0].strip(): int(cell[8].replace(",", "")) for cell in cells}

        found = until(
            lambda: (one := errors()).get("shop-00002") and one, 60, "errors of shop-00002"
        )
        assert found["shop-00001"] == 0


def test_why_and_what_a_cold_start_cost_are_the_words_of_explain(browser: Chromium, up: Up) -> None:
    until(lambda: not _pods(up, "hello"), 120, "hello at zero")
    assert up.call("hello.default.localhost")[0] == 200
    told = json.loads(up.run("explain", "hello", "-o", "json").stdout)["revisions"][0]
    with browser.look() as tab:
        tab.goto("/services/default/hello")
        tab.page.locator(".starts li").first.wait_for()
        text = tab.page.locator("#why").inner_text()
        assert "woken by GET / from 127.0.0.1" in text
        assert told["limits"]
        assert "min-scale 0" in text
        assert "most of it:" in tab.page.locator(".starts").inner_text()
        tab.check()


def _pods(up: Up, service: str) -> list[Any]:
    found = up.get("pods", "-l", f"serving.knative.dev/service={service}")["items"]
    return list(found)


def test_everything_is_reached_by_the_keyboard(browser: Chromium) -> None:
    with browser.look() as tab:
        tab.goto("/services")
        keys = tab.page.keyboard
        keys.press("Tab")
        assert _focused(tab.page) == "Skip to the content"
        keys.press("Enter")
        assert tab.page.evaluate("document.activeElement.id") == "main"
        keys.press("/")
        assert tab.page.evaluate("document.activeElement.id") == "filter"
        keys.type("shop")
        assert tab.page.get_by_role("link", name="hello", exact=True).is_hidden()
        keys.press("Tab")
        assert _focused(tab.page) == "Deploy"
        keys.press("Tab")
        assert _focused(tab.page) == "shop"
        keys.press("Enter")
        tab.page.wait_for_url("**/services/default/shop")
        tab.page.locator("[data-window='1h']").focus()
        keys.press("Enter")
        tab.page.locator("#charts[data-drawn='1h']").wait_for()
        tab.check()


def _focused(page: Any) -> str:
    text: str = page.evaluate("document.activeElement.textContent")
    return text.strip()


def test_the_switch_of_colours(browser: Chromium) -> None:
    with browser.look() as tab:
        tab.goto("/services")
        ground = "getComputedStyle(document.body).backgroundColor"
        light = tab.page.evaluate(ground)
        tab.page.get_by_role("button", name="Dark").click()
        tab.page.wait_for_url("**/services")
        assert tab.page.evaluate(ground) != light
        tab.check()
        tab.page.get_by_role("button", name="Auto").click()
        assert tab.page.evaluate(ground) == light


def test_a_page_that_is_not_there(browser: Chromium) -> None:
    with browser.look("phone") as tab:
        tab.goto("/services/default/nobody")
        assert tab.page.get_by_role("heading", name="Not found").is_visible()
        tab.complaints.clear()  # the browser notes the 404 itself
        tab.check()


def test_a_hidden_tab_lets_go_of_its_stream(browser: Chromium) -> None:
    """Browsers open six connections to a server: the seventh tab would wait for ever."""
    with browser.look() as tab:
        pages = [tab.page.context.new_page() for _ in range(8)]
        for page in pages:
            page.goto(browser.base + "/services")
            page.evaluate(
                "Object.defineProperty(document, 'hidden', {value: true, configurable: true});"
                "document.dispatchEvent(new Event('visibilitychange'))"
            )
            assert page.evaluate("window.utsuwa.stream.source") is None
        tab.goto("/services")
        tab.check()


def test_control_is_started_anew_while_a_page_is_open(
    browser: Chromium, up: Up, load: None
) -> None:
    with browser.look() as tab:
        tab.goto("/services/default/shop")
        tab.page.locator("#charts[data-drawn]").wait_for()
        os.kill(up.pid_of("control"), signal.SIGKILL)
        before = tab.page.locator("[data-chart=requests] .legend").inner_text()
        until(
            lambda: tab.page.locator("[data-chart=requests] .legend").inner_text() != before
            and tab.page.locator("#lost").is_hidden(),
            60, "figures after the restart",
        )  # fmt: skip
        tab.page.reload()  # still signed in
        tab.page.locator("#charts[data-drawn]").wait_for()
        tab.complaints.clear()  # the browser notes the broken connection itself
        tab.check()


def test_who_has_a_token_signs_in_with_it(browser: Chromium, up: Up) -> None:
    """`utsuwa token create --role view`: the console knows the same rights."""
    token = up.run("token", "create", "--role", "view").stdout.strip()
    with browser.look(stranger=True) as tab:
        tab.goto("/sign-in")
        tab.check()
        tab.page.get_by_label("Or a token").fill(token)
        tab.page.get_by_role("button", name="Sign in").click()
        tab.page.wait_for_url("**/services")
        assert tab.page.get_by_role("link", name="shop", exact=True).is_visible()
        tab.check()
