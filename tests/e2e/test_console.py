"""The console in a real browser: each page in light, dark and at the width of a phone; the live
parts, what it answers, the keyboard, a restart of control, a reader who may not act."""

import json
import os
import re
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from tests.e2e.browser import KEEP, LOOKS, Chromium, Looking, chromium
from tests.e2e.conftest import SAMPLES, Up, until

from utsuwa.console.pages.words import ms

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


CRASHES = "raise SystemExit('no database at db.internal:5432')\n"
WINDOW = "60s" if KEEP else "6s"
"""Over which the autoscaler averages: short, to see pods go."""


def manifest(name: str, image: str, concurrency: int) -> str:
    return f"""\
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {{name: {name}}}
spec:
  template:
    metadata: {{annotations: {{autoscaling.knative.dev/window: {WINDOW}}}}}
    spec:
      containerConcurrency: {concurrency}
      containers: [{{image: {image}}}]
---
"""


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """A cluster with a shop, of which the second revision gets a part of the traffic and throws
    errors; a service that makes many pods; one that crashes."""
    directory = tmp_path_factory.mktemp("console")
    running = Up(directory / "data").start().ready()
    for name, text in (("shop", APP), ("crashes", CRASHES)):
        (directory / name).mkdir()
        (directory / name / "main.py").write_text(text)
    running.run("deploy", "crashes", "--source", str(directory / "crashes"), "--no-wait")
    running.run("build", str(SAMPLES / "hello"), "-t", "dev.local/hello:1")
    running.run("build", str(SAMPLES / "autoscale"), "-t", "dev.local/many:1")
    (directory / "services.yaml").write_text(
        manifest("hello", "dev.local/hello:1", 0) + manifest("many", "dev.local/many:1", 1)
    )
    running.kubectl("apply", "-f", str(directory / "services.yaml"))
    running.run("deploy", "shop", "--source", str(directory / "shop"), "--concurrency", "4")
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
    with requests(up, "shop", ["/cart"] * 8 + ["/missing"], 4, pause=0.05) as over:
        if KEEP:  # a picture should show something
            over.wait(80)
        yield


@contextmanager
def requests(
    up: Up, service: str, paths: list[str], at_once: int, pause: float = 0.0
) -> Iterator[threading.Event]:
    """So many requests at once, each followed by the next."""
    over = threading.Event()

    def send(number: int) -> None:
        while not over.is_set():
            number += 1
            try:
                up.call(f"{service}.default.localhost", paths[number % len(paths)])
            except OSError:
                over.wait(0.2)
            over.wait(pause)

    threads = [threading.Thread(target=send, args=(number,)) for number in range(at_once)]
    for thread in threads:
        thread.start()
    try:
        yield over
    finally:
        over.set()
        for thread in threads:
            thread.join()


def test_the_list_of_services(browser: Chromium, load: None) -> None:
    with browser.look() as tab:
        tab.goto("/services")
        tab.page.locator("[id='rate.default.shop']:not(.faint)").wait_for()  # comes over the stream
        tab.page.locator("[id='line.default.shop'] polyline").wait_for(state="attached")
        assert tab.page.get_by_role("link", name="hello", exact=True).is_visible()
        for look in LOOKS:
            tab.become(look)
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


@pytest.mark.parametrize("look", LOOKS)
def test_each_window_of_the_charts(browser: Chromium, load: None, look: str) -> None:
    with browser.look(look) as tab:
        tab.goto("/services/default/shop")
        for window in ("5m", "1h", "1d", "1w"):
            button = tab.page.locator(f"[data-window='{window}']")
            button.click()
            tab.page.locator(f"#charts[data-drawn='{window}']").wait_for()
            assert button.get_attribute("aria-pressed") == "true"
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


# --- what somebody who has never seen it can answer: the click path of docs/guides/observing.md ----


def opened(tab: Looking, service: str) -> Any:
    """The page of a service, as one gets there: from the list, by a click."""
    tab.goto("/services")
    tab.page.get_by_role("link", name=service, exact=True).click()
    tab.page.wait_for_url(f"**/services/default/{service}")
    return tab.page


def followed(page: Any, question: str, title: str) -> Any:
    """Click what answers the question in short; where it leads is in sight, and given back."""
    page.get_by_role("region", name="In short").get_by_role("link", name=question).click()
    heading = page.get_by_role("heading", name=title, exact=True)
    top = until(lambda: (box := heading.bounding_box()) and box["y"] >= 0 and box, 10, title)["y"]
    assert top < page.viewport_size["height"]
    return page.locator("section", has=heading)


def test_why_are_there_so_many_pods_and_when_will_there_be_fewer(browser: Chromium, up: Up) -> None:
    answer = re.compile(r"(\d+) ready")
    with browser.look() as tab:
        with requests(up, "many", ["/?sleep=1000"], 5):
            page = opened(tab, "many")
            pods, fewer = page.locator("#answer-1"), page.locator("#answer-2")

            def settled() -> int:
                """As many as kubectl sees, and all that are wanted."""
                text = pods.inner_text()
                ready = sum(map(_is_ready, _pods(up, "many")))
                told = answer.search(text)
                same = told and int(told[1]) == ready and "wanted" not in text
                return ready if same and ready >= 5 else 0

            most = until(settled, 60, "five pods and more, on the page too")
            assert re.search(
                rf"because average concurrency [\d.]+ .*needs {most}", pods.inner_text()
            )
            said = re.compile(r"in \d+ s at the earliest\s+at \d\d:\d\d:\d\d, if no load comes")
            until(lambda: said.search(fewer.inner_text()), 20, "when there will be fewer")
            for look in LOOKS:
                tab.become(look)
                tab.check(f"answers-{look}")
            tab.become("light")
            card = followed(page, "Pods now", "Why this many pods")
            assert "needs" in card.locator("dt:text('Why') + dd").inner_text()
            page.go_back()
            card = followed(page, "Fewer pods", "Why this many pods")
            assert "at the earliest" in card.locator("dt:text('Next') + dd").inner_text()
        until(lambda: (now := answer.search(pods.inner_text())) and int(now[1]) < most, 60, "fewer")


def _is_ready(pod: Any) -> bool:
    conditions = pod["status"].get("conditions", [])
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


@pytest.mark.parametrize("look", LOOKS)
def test_which_revision_throws_the_500s(browser: Chromium, load: None, look: str) -> None:
    """`5xx, 1 h`: the second revision has some, the first has none."""
    with browser.look(look) as tab:

        def told() -> bool:
            page = opened(tab, "shop")
            page.locator("#errors b", has_text="…").wait_for(state="detached")
            return "shop-00002: " in page.locator("#errors").inner_text()

        until(told, 60, "errors of shop-00002")
        card = followed(tab.page, "5xx, last hour", "Revisions")
        rows = card.locator("tbody tr")
        cells = [row.locator("th, td").all_inner_texts() for row in rows.all()]
        found = {cell[0].strip(): int(cell[8].replace(",", "")) for cell in cells}
        assert found["shop-00002"] > 0
        assert found["shop-00001"] == 0
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
        while _focused(tab.page) == "default/crashes":  # of a banner, when it has come already
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


@pytest.mark.parametrize("look", LOOKS)
def test_who_has_a_token_signs_in_with_it(browser: Chromium, up: Up, look: str) -> None:
    """`utsuwa token create --role view`: the console knows the same rights."""
    token = up.run("token", "create", "--role", "view").stdout.strip()
    with browser.look(look, stranger=True) as tab:
        tab.goto("/sign-in")
        tab.check()
        tab.page.get_by_label("Or a token").fill(token)
        tab.page.get_by_role("button", name="Sign in").click()
        tab.page.wait_for_url("**/services")
        assert tab.page.get_by_role("link", name="shop", exact=True).is_visible()
        tab.check()


def test_what_did_the_last_cold_start_cost_and_where(browser: Chromium, up: Up) -> None:
    until(lambda: not _pods(up, "hello"), 120, "hello at zero")
    assert up.call("hello.default.localhost")[0] == 200

    def told() -> Any:
        starts = json.loads(up.run("explain", "hello", "-o", "json").stdout)["revisions"][0]
        return starts["coldStarts"] and starts["coldStarts"][-1]

    last = until(told, 20, "a receipt")
    most = max(last["phases"], key=lambda name: last["phases"][name])
    with browser.look() as tab:
        page = opened(tab, "hello")
        answer = page.locator("#answer-3")
        answer.filter(has_text=ms(last["total"])).wait_for()
        assert f"most of it: {most}" in answer.inner_text()
        row = followed(page, "Last cold start", "Cold starts").locator("li").first
        for name, value in last["phases"].items():
            assert f"{name} {ms(value)}" in row.inner_text()
        assert "woken by GET / from 127.0.0.1" in page.locator("#why").inner_text()
        for look in LOOKS:
            tab.become(look)
            tab.check()


def test_an_alert_comes_by_itself_and_says_what_to_do(browser: Chromium) -> None:
    with browser.look() as tab:
        tab.goto("/services")
        alerts = tab.page.get_by_role("region", name="Alerts")
        alerts.get_by_text("Crash loop").wait_for(timeout=90_000)
        assert alerts.get_attribute("aria-live") == "polite"
        assert "What to do" in alerts.inner_text()
        assert "utsuwa logs crashes" in alerts.inner_text()
        for look in LOOKS:
            tab.become(look)
            tab.check()
        alerts.get_by_role("link", name="default/crashes").click()
        tab.page.wait_for_url("**/services/default/crashes")
        alerts.get_by_text("Crash loop").wait_for()
        tab.page.locator("#answer-1 b", has_text="…").wait_for(state="detached")
        for look in LOOKS:
            tab.become(look)
            tab.check(f"alert-{look}")
