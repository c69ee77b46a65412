"""A real Chromium that looks at the console: what it says on its console, whom it asks, what axe
finds. Debian's own is used; where there is none, tests skip and say so."""

import io
import os
import resource
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
AXE = Path(__file__).parent / "axe" / "axe.min.js"
IMAGES = Path(__file__).parents[2] / "docs" / "images"
KEEP = bool(os.environ.get("UTSUWA_KEEP_SCREENSHOTS"))
"""Whether pictures go to docs/images: asked for by `scripts/console-images`, never by a test run."""
LOOKS: dict[str, dict[str, Any]] = {
    "light": {"viewport": {"width": 1280, "height": 800}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1280, "height": 800}, "color_scheme": "dark"},
    "phone": {
        "viewport": {"width": 390, "height": 844},
        "color_scheme": "light",
        "has_touch": True,
    },
}


TWO_FRAMES = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"


@dataclass
class Looking:
    """One tab, and what went wrong in it."""

    page: Any
    base: str
    complaints: list[str] = field(default_factory=list)
    strangers: set[str] = field(default_factory=set)

    def goto(self, path: str) -> None:
        """Open a page and wait until its stream is open and its charts are drawn."""
        self.page.goto(self.base + path)
        self.page.wait_for_load_state("load")

    def become(self, look: str) -> None:
        """The same page in another of the `LOOKS`."""
        self.page.emulate_media(color_scheme=LOOKS[look]["color_scheme"])
        self.page.set_viewport_size(LOOKS[look]["viewport"])
        self.page.evaluate(TWO_FRAMES)  # what is drawn follows the window in the next frame

    def check(self, name: str = "") -> None:
        """No complaint on the browser's console, nobody else was asked, axe finds nothing serious,
        and nothing is wider than the window."""
        assert not self.complaints
        assert not self.strangers
        wide, window = self.page.evaluate(
            "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
        )
        assert wide <= window, f"{wide} px in a window of {window}"
        found = self._axe()
        assert not found, "\n".join(found)
        if name and KEEP:
            _keep(self.page.screenshot(), IMAGES / f"console-{name}.png")

    def _axe(self) -> list[str]:
        if not self.page.evaluate("'axe' in window"):
            # By the debugger, for the console's own rules let no script in from elsewhere.
            self.page.evaluate(AXE.read_text() + "; null")
        result = self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        return [
            f"{one['impact']}: {one['id']}: {one['help']}: {[node['html'] for node in one['nodes']][:3]}"
            for one in result["violations"]
            if one["impact"] in {"serious", "critical"}
        ]


def _keep(picture: bytes, path: Path) -> None:
    """Write a picture small: few colours, as there are on a page."""
    image = pytest.importorskip("PIL.Image")
    path.parent.mkdir(parents=True, exist_ok=True)
    few = image.open(io.BytesIO(picture)).convert("RGB").quantize(128, kmeans=1, dither=0)
    few.save(path, optimize=True)


@dataclass
class Chromium:
    """A browser that is signed in."""

    browser: Any
    base: str
    state: Any

    @contextmanager
    def look(self, name: str = "light", *, stranger: bool = False) -> Iterator[Looking]:
        """A tab of its own, in one of the `LOOKS`; of a `stranger`, who is not signed in."""
        state = None if stranger else self.state
        context = self.browser.new_context(storage_state=state, **LOOKS[name])
        page = context.new_page()
        looking = Looking(page, self.base)
        host = urlsplit(self.base).netloc

        def asked(request: Any) -> None:
            parts = urlsplit(request.url)
            if parts.scheme not in {"data", "blob"} and parts.netloc != host:
                looking.strangers.add(request.url)

        def said(message: Any) -> None:
            if message.type in {"error", "warning"}:
                looking.complaints.append(message.text)

        page.on("request", asked)
        page.on("console", said)
        page.on("pageerror", lambda error: looking.complaints.append(str(error)))
        try:
            yield looking
        finally:
            context.close()


@contextmanager
def chromium(link: str) -> Iterator[Chromium]:
    """A Chromium that has opened `link`, by which it is signed in."""
    if not CHROMIUM:
        pytest.skip("no Chromium: install it (Debian: apt-get install chromium)")
    if resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY:
        pytest.skip("the address space of this process is bounded (ulimit -v): Chromium crashes")
    playwright = pytest.importorskip("playwright.sync_api")
    parts = urlsplit(link)
    base = f"{parts.scheme}://{parts.netloc}"
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            context = browser.new_context()
            context.new_page().goto(link)
            state = context.storage_state()
            context.close()
            yield Chromium(browser, base, state)
        finally:
            browser.close()
