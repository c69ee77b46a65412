"""What one does in the console, in a real browser: deploy, edit, split, tag, read logs, set, delete."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from tests.e2e.browser import LOOKS, Chromium, chromium
from tests.e2e.conftest import SAMPLES, Up, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

HELLO = "/services/default/hello"


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """A cluster with a service of two revisions, the second with a tag and no traffic."""
    running = Up(tmp_path_factory.mktemp("acts") / "data").start().ready()
    running.run("deploy", "hello", "--source", str(SAMPLES / "hello"))
    running.run("deploy", "hello", "--env", "TARGET=two", "--no-traffic", "--tag", "next")
    yield running
    running.stop()


@pytest.fixture(scope="module")
def browser(up: Up) -> Iterator[Chromium]:
    with chromium(up.run("console").stdout.strip()) as found:
        yield found


def spec_of(up: Up, name: str = "hello") -> Any:
    return up.get("ksvc", name)["spec"]


PAGES = {
    "deploy": "/deploy", "deploy-again": f"{HELLO}/deploy", "traffic": f"{HELLO}/traffic",
    "logs": f"{HELLO}/logs", "events": "/events", "service-events": f"{HELLO}/events",
    "yaml": f"{HELLO}/yaml", "delete": f"{HELLO}/delete", "settings": "/settings",
    "revision": f"{HELLO}/revisions/hello-00001", "settings-domain": "/settings/config-domain",
}  # fmt: skip


PICTURES = {"deploy", "traffic", "logs", "service-events", "yaml", "delete", "settings"}


@pytest.mark.parametrize("name", PAGES)
def test_each_page(browser: Chromium, up: Up, name: str) -> None:
    with browser.look() as tab:
        if name == "logs":
            for path in ("/", "/cart", "/cart/7", "/orders?page=2", "/orders/1001", "/health"):
                assert up.call("hello.default.localhost", path)[0] == 200
        tab.goto(PAGES[name])
        if name == "logs":
            tab.page.locator("#lines li", has_text="/health").wait_for()
        elif name == "yaml":
            changed(tab.page)
        elif name == "deploy":
            tab.page.get_by_label("Name", exact=True).fill("shop")
            tab.page.get_by_label("Image", exact=True).fill("dev.local/shop:1")
            tab.page.get_by_label("Name of the variable").fill("DATABASE")
            tab.page.get_by_label("Its value").fill("postgres://db.internal:5432/shop")
        tab.page.evaluate("scrollTo(0, 0)")
        for look in LOOKS:
            tab.become(look)
            tab.check(f"{name}-{look}" if name in PICTURES else "")


def changed(page: Any, label: str = "team") -> None:
    """A label more in the editor, and checked."""
    area = page.locator("#text")
    text = area.input_value()
    place = "\n  labels:\n" if "\n  labels:\n" in text else "metadata:\n"
    new = place.replace("metadata:\n", "metadata:\n  labels:\n") + f"    {label}: blue\n"
    area.fill(text.replace(place, new, 1))
    page.keyboard.press("Control+s")
    page.locator(".diff .plus", has_text=f"{label}: blue").wait_for()


@pytest.mark.parametrize("look", LOOKS)
def test_the_yaml_of_a_revision_is_read_and_copied(browser: Chromium, up: Up, look: str) -> None:
    with browser.look(look) as tab:
        page = tab.page
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        tab.goto(HELLO)
        page.locator("#revisions-table").get_by_role("link", name="hello-00001").click()
        page.wait_for_url("**/revisions/hello-00001")
        assert page.locator("#text").get_attribute("readonly") is not None
        page.get_by_role("button", name="Copy").click()
        page.get_by_role("button", name="Copied").wait_for()
        assert "name: hello-00001" in page.evaluate("navigator.clipboard.readText()")
        tab.check()


@pytest.mark.parametrize("look", LOOKS)
def test_a_folder_is_deployed(browser: Chromium, up: Up, look: str) -> None:
    with browser.look(look) as tab:
        page = tab.page
        tab.goto("/services")
        page.get_by_role("link", name="Deploy").click()
        page.get_by_label("Name", exact=True).fill(f"fresh-{look}")
        page.get_by_label("a source folder").check()
        assert page.get_by_label("Image", exact=True).is_hidden()
        page.get_by_label("Source folder").last.fill("/nowhere/at/all")
        page.get_by_role("button", name="Deploy").click()
        page.locator("#wrong-folder").wait_for()
        tab.check()
        assert page.get_by_label("Name", exact=True).input_value() == f"fresh-{look}"
        page.get_by_label("Source folder").last.fill(str(SAMPLES / "hello"))
        page.get_by_label("Name of the variable").fill("TARGET")
        page.get_by_label("Its value").fill("console")
        asked = tab.base + page.locator("form.deploy").get_attribute("data-progress")
        with page.expect_response(asked) as progress:
            page.get_by_role("button", name="Deploy").click()
        assert progress.value.ok
        page.wait_for_url(f"**/services/default/fresh-{look}")
        page.locator("#head .good").wait_for(timeout=60_000)
        tab.check()
    assert up.call(f"fresh-{look}.default.localhost")[1].startswith("Hello console!")


@pytest.mark.parametrize("look", LOOKS)
def test_another_revision_and_what_admission_says_beside_the_field(
    browser: Chromium, up: Up, look: str
) -> None:
    with browser.look(look) as tab:
        page = tab.page
        tab.goto(f"{HELLO}/deploy")
        page.get_by_label("Pods, at least").fill("5")
        page.get_by_label("Pods, at most").fill("2")
        page.get_by_role("button", name="Deploy").click()
        page.locator("#wrong-min_scale, #wrong-max_scale").first.wait_for()
        tab.check()
        page.get_by_label("Pods, at least").fill("")
        page.get_by_label("No traffic").check()
        page.get_by_role("button", name="One more").click()
        page.keyboard.type(f"MORE_{look}")
        page.get_by_role("button", name="Deploy").click()
        page.wait_for_url(f"**{HELLO}")
        tab.check()
    env = spec_of(up)["template"]["spec"]["containers"][0]["env"]
    found = {one["name"]: one.get("value", "") for one in env}
    assert (found["TARGET"], found[f"MORE_{look}"]) == ("two", "")


@pytest.mark.parametrize("look", LOOKS)
def test_yaml_is_checked_compared_and_applied(browser: Chromium, up: Up, look: str) -> None:
    with browser.look(look) as tab:
        page = tab.page
        tab.goto(f"{HELLO}/yaml")
        changed(page, f"by-{look}")
        tab.check()
        assert f"by-{look}" not in str(up.get("ksvc", "hello")["metadata"].get("labels"))
        page.get_by_role("button", name="Apply").click()
        page.wait_for_url(f"**{HELLO}")
    assert up.get("ksvc", "hello")["metadata"]["labels"][f"by-{look}"] == "blue"


@pytest.mark.parametrize("look", LOOKS)
def test_yaml_that_somebody_else_changed_meanwhile_is_not_written(
    browser: Chromium, up: Up, look: str
) -> None:
    with browser.look(look) as tab:
        page = tab.page
        tab.goto(f"{HELLO}/yaml")
        up.kubectl("label", "ksvc", "hello", f"shade={look}-one", "--overwrite")
        page.get_by_role("button", name="Apply").click()
        page.get_by_text("Somebody else changed this service").wait_for()
        page.locator(".diff .plus", has_text=f"shade: {look}-one").wait_for()
        tab.check()
        page.locator("#text").fill("kind: [")
        page.get_by_role("button", name="Check").click()
        page.get_by_text("the body is not YAML").wait_for()
        tab.page.on("dialog", lambda dialog: dialog.accept())


@pytest.mark.parametrize("look", LOOKS)
def test_the_editor_by_the_keyboard(browser: Chromium, look: str) -> None:
    with browser.look(look) as tab:
        page, keys = tab.page, tab.page.keyboard
        tab.goto(f"{HELLO}/yaml")
        area = page.locator("#text")
        area.fill("")
        keys.type("a:")
        keys.press("Enter")
        keys.type("b: 1")
        assert area.input_value() == "a:\n  b: 1"
        keys.press("Control+a")
        keys.press("Tab")
        assert area.input_value() == "  a:\n    b: 1"
        keys.press("Shift+Tab")
        assert area.input_value() == "a:\n  b: 1"
        keys.press("Control+z")
        assert area.input_value() == "  a:\n    b: 1"
        keys.press("Escape")
        keys.press("Tab")
        assert page.evaluate("document.activeElement.id") != "text"


def shares(page: Any) -> list[int]:
    return [int(bar.input_value()) for bar in page.locator("input[type=range]").all()]


@pytest.mark.parametrize("look", LOOKS)
def test_bars_are_drawn_by_mouse_and_keys_and_add_up(browser: Chromium, up: Up, look: str) -> None:
    up.run("traffic", "hello", "--to", "hello-00001")
    with browser.look(look) as tab:
        page, keys = tab.page, tab.page.keyboard
        tab.goto(f"{HELLO}/traffic")
        first = page.get_by_role("slider", name="The latest ready revision")
        first.focus()
        for _ in range(3):
            keys.press("ArrowRight")
        assert first.input_value() == "3"
        assert sum(shares(page)) == 100
        box = first.bounding_box()
        page.mouse.move(box["x"] + 8, box["y"] + box["height"] / 2)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * 0.4, box["y"] + box["height"] / 2, steps=6)
        page.mouse.up()
        drawn = int(first.input_value())
        assert 30 < drawn < 50
        assert sum(shares(page)) == 100
        tab.check()
        page.get_by_role("button", name="Apply").click()
        page.get_by_text(f"{drawn} % LATEST").wait_for()
        tab.check()
    found = {
        one.get("revisionName", "LATEST"): one.get("percent") for one in spec_of(up)["traffic"]
    }
    assert found["LATEST"] == drawn
    assert found["hello-00001"] == 100 - drawn


@pytest.mark.parametrize("look", LOOKS)
def test_tags_come_and_go(browser: Chromium, up: Up, look: str) -> None:
    with browser.look(look) as tab:
        page = tab.page
        tab.goto(f"{HELLO}/traffic")
        page.get_by_label("New tag").fill("Not this")
        page.get_by_role("button", name="Add").click()
        page.locator("#wrong-tag").wait_for()
        tab.check()
        page.get_by_label("New tag").fill("old")
        page.get_by_label("Revision", exact=True).select_option("hello-00001")
        page.get_by_role("button", name="Add").click()
        page.get_by_text("Tag old leads to hello-00001.").wait_for()
        until(lambda: up.call("old-hello.default.localhost")[0] == 200, 20, "the tag's address")
        page.get_by_role("button", name="Remove tag old").click()
        page.get_by_text("Tag old is gone.").wait_for()
        tab.check()
    assert "old" not in [one.get("tag") for one in spec_of(up)["traffic"]]


@pytest.mark.parametrize("look", LOOKS)
def test_rollback(browser: Chromium, up: Up, look: str) -> None:
    up.run("traffic", "hello", "--to", "LATEST")
    with browser.look(look) as tab:
        tab.goto(f"{HELLO}/traffic")
        tab.page.get_by_role("button", name=re.compile("Roll back to hello-0000")).click()
        tab.page.get_by_text("and stays there until you say otherwise").wait_for()
        tab.check()
    assert not any(
        one.get("latestRevision") for one in spec_of(up)["traffic"] if one.get("percent")
    )


@pytest.mark.parametrize("look", LOOKS)
def test_logs_follow_pause_search_and_are_downloaded(browser: Chromium, up: Up, look: str) -> None:
    with browser.look(look) as tab:
        page = tab.page
        tab.goto(f"{HELLO}/logs")
        lines = page.locator("#lines li")
        lines.first.wait_for()
        assert up.call("hello.default.localhost", f"/followed-{look}")[0] == 200
        page.locator("#lines li", has_text=f"/followed-{look}").wait_for()
        page.get_by_role("button", name="Pause").click()
        assert up.call("hello.default.localhost", f"/paused-{look}")[0] == 200
        page.get_by_text("more lines wait").wait_for()
        assert not page.locator("#lines li", has_text=f"/paused-{look}").count()
        page.get_by_role("button", name="Follow").click()
        page.locator("#lines li", has_text=f"/paused-{look}").wait_for()
        page.get_by_label("Search").fill(f"/FOLLOWED-{look}")
        page.locator("#lines li", has_text=f"/paused-{look}").first.wait_for(state="detached")
        page.locator("#lines li", has_text=f"/followed-{look}").wait_for()
        assert "search=" in page.url
        tab.check()
        with page.expect_download() as download:
            page.get_by_role("button", name="Download").click()
        text = download.value.path().read_text()
        assert f"/followed-{look}" in text
        assert f"/paused-{look}" not in text
        page.get_by_label("Search").fill("")
        page.get_by_label("At least").select_option("ERROR")
        page.get_by_text("Nothing yet that fits").wait_for()
        tab.check()


@pytest.mark.parametrize("look", LOOKS)
def test_logs_of_a_pod_that_is_gone(browser: Chromium, up: Up, look: str) -> None:
    pod = up.get("pods", "-l", "serving.knative.dev/service=hello")["items"][0]["metadata"]["name"]
    up.kubectl("delete", "pod", pod)
    with browser.look(look) as tab:

        def gone() -> bool:
            tab.goto(f"{HELLO}/logs")
            return bool(tab.page.locator("#pod option", has_text=f"{pod} (gone)").count())

        until(gone, 40, "a pod that is gone")
        tab.page.get_by_label("Pod").select_option(pod)
        tab.page.locator("#lines li").first.wait_for()
        tab.check()


@pytest.mark.parametrize("look", LOOKS)
def test_the_request_log_beside_the_output(browser: Chromium, up: Up, look: str) -> None:
    name = "logging.enable-request-log"
    with browser.look(look) as tab:
        page = tab.page
        tab.goto("/settings/config-observability")
        page.get_by_label(name, exact=True).fill("perhaps")
        page.get_by_role("button", name="Save").click()
        page.get_by_text("Nothing was saved.").wait_for()
        assert page.get_by_label(name, exact=True).get_attribute("aria-invalid") == "true"
        tab.check()
        page.get_by_label(name, exact=True).fill("true")
        page.get_by_role("button", name="Save").click()
        page.get_by_text(f"{name} = true").wait_for()
        tab.check()
        tab.goto(f"{HELLO}/logs?kind=requests")

        def told() -> bool:
            assert up.call("hello.default.localhost", f"/asked-{look}")[0] == 200
            return bool(page.locator("#lines li", has_text=f"/asked-{look}").count())

        until(told, 30, "a line of the request log")
        tab.check()
        tab.goto("/settings/config-observability")
        page.get_by_label(name, exact=True).fill("")
        page.get_by_role("button", name="Save").click()
        page.get_by_text("is back to its default").wait_for()


@pytest.mark.parametrize("look", LOOKS)
def test_events_come_by_themselves(browser: Chromium, up: Up, look: str) -> None:
    with browser.look(look) as tab:
        tab.goto("/events")
        up.kubectl("label", "ksvc", "hello", f"seen={look}", "--overwrite")
        up.run("deploy", "hello", "--env", f"SEEN={look}", "--no-traffic")
        latest = up.get("ksvc", "hello")["status"]["latestCreatedRevisionName"]
        tab.page.locator("#event-table tr", has_text=f"Revision {latest}").first.wait_for()
        tab.check()


@pytest.mark.parametrize("look", LOOKS)
def test_deletion_asks_for_the_name(browser: Chromium, up: Up, look: str) -> None:
    up.run("deploy", "doomed", "--source", str(SAMPLES / "hello"))
    with browser.look(look) as tab:
        page = tab.page
        tab.goto("/services/default/doomed")
        page.get_by_role("link", name="Delete…").click()
        page.get_by_label("Type its name").fill("dooomed")
        page.get_by_role("button", name="Delete it").click()
        page.get_by_text("Nothing was deleted.").wait_for()
        tab.check()
        page.get_by_label("Type its name").fill("doomed")
        page.get_by_role("button", name="Delete it").click()
        page.get_by_text("Deleted doomed.").wait_for()
        tab.check()
    assert up.kubectl("get", "ksvc", "doomed", check=False).returncode


@pytest.mark.parametrize("look", LOOKS)
def test_a_reader_is_told_what_his_role_lacks(browser: Chromium, up: Up, look: str) -> None:
    token = up.run("token", "create", "--role", "view").stdout.strip()
    with browser.look(look, stranger=True) as tab:
        page = tab.page
        tab.goto("/sign-in")
        page.get_by_label("Or a token").fill(token)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/services")
        assert not page.get_by_role("link", name="Deploy").count()
        for path in ("/deploy", f"{HELLO}/traffic", f"{HELLO}/yaml", f"{HELLO}/delete"):
            tab.goto(path)
            page.get_by_text("lacks").first.wait_for()
            assert not page.get_by_role("button", name=re.compile("Apply|Add|Delete it")).count()
            tab.check()
        tab.goto(f"{HELLO}/logs")
        page.locator("#lines li").first.wait_for()
        tab.check()
