"""What a page weighs: its HTML, styles and scripts, unpacked."""

import re

import aiohttp
import pytest
from tests.unit.console.changing import opened

from utsuwa.cluster.port import Key
from utsuwa.console.pages.services import PER_PAGE
from utsuwa.console.routes import ROUTES
from utsuwa.kit.documents import Document
from utsuwa.model import labels
from utsuwa.model.config_maps import SYSTEM_NAMESPACE
from utsuwa.model.kinds import CONFIG_MAP, POD, REVISION, SERVICE
from utsuwa.testing.console import Browsing

MOST = 150 * 1024
SHOP = "/services/default/shop"
SMALL = {
    "/",
    f"{SHOP}/series",
    f"{SHOP}/revisions",
    f"{SHOP}/logs/tail",
    f"{SHOP}/logs/download",
    "/deploy/progress/none",
}
"""What is no page."""


def paths() -> list[str]:
    names = {
        "namespace": "default",
        "name": "shop",
        "revision": "shop-00010",
        "map": "config-domain",
        "build": "none",
    }
    found = {one.path.format(**names) for one in ROUTES if one.method == "GET"}
    return sorted((found | {"/settings/config-autoscaler"}) - SMALL)


def a_service(name: str) -> Document:
    traffic = [{"revisionName": f"{name}-{number:05}", "percent": 50} for number in (9, 10)]
    conditions = [
        {"type": kind, "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
        for kind in ("Ready", "ConfigurationsReady", "RoutesReady")
    ]
    template = {"spec": {"containers": [{"image": "dev.local/shop:1", "env": []}]}}
    return SERVICE.document(
        "default", name, spec={"template": template},
        status={"url": f"http://{name}.default.localhost:8080", "traffic": traffic,
                "conditions": conditions},
    )  # fmt: skip


async def a_shop(console: Browsing) -> None:
    """A service of thirty revisions and thirty pods, among a hundred others."""
    cluster = console.api.cluster
    for name in ("shop", *(f"a-service-{number:03}" for number in range(100))):
        await cluster.create(document := a_service(name))
        made = await cluster.get(SERVICE, Key("default", name))
        await cluster.update_status({**made, "status": document["status"]})
    for number in range(1, 31):
        one = REVISION.document("default", f"shop-{number:05}", spec={})
        one["metadata"]["labels"] = {labels.SERVICE: "shop"}
        await cluster.create(one)
    for number in range(30):
        one = POD.document("default", f"shop-00010-deployment-6b8f9c7d5-{number:05}", spec={})
        one["metadata"]["labels"] = {labels.SERVICE: "shop", labels.REVISION: "shop-00010"}
        await cluster.create(one)
    for name in ("config-domain", "config-autoscaler"):
        await cluster.create(CONFIG_MAP.document(SYSTEM_NAMESPACE, name, data={}))


async def weight(browser: aiohttp.ClientSession, path: str) -> int:
    async with browser.get(path) as answer:
        assert answer.status == 200, path
        page = await answer.text()
    total = len(page.encode())
    for url in set(re.findall(r'(?:src|href)="(/static/[^"]+\.(?:js|css))"', page)):
        async with browser.get(url) as answer:
            total += len(await answer.read())
    return total


async def test_no_page_is_heavier_than_it_may_be(open_console: Browsing) -> None:
    await a_shop(open_console)
    async with await open_console.session() as browser:
        await opened(browser, "/services?filter=shop", ">shop<")
        await opened(browser, f"{SHOP}/delete", "30 pods")
        await opened(browser, "/settings")
        weights = {path: await weight(browser, path) for path in paths()}
    assert len(weights) > 10
    assert {path: size for path, size in weights.items() if size >= MOST} == {}


@pytest.mark.parametrize(
    ("query", "first", "last"), [("", 0, PER_PAGE - 1), ("?page=2", PER_PAGE, 99)]
)
async def test_a_long_list_comes_in_pages(
    open_console: Browsing, query: str, first: int, last: int
) -> None:
    await a_shop(open_console)
    async with await open_console.session() as browser:
        await opened(browser, "/services", "a-service-000")
        page = await opened(browser, f"/services{query}", "101 services")
    shown = re.findall(r'<th scope="row"><a href="/services/default/a-service-(\d+)"', page)
    assert shown == [f"{number:03}" for number in range(first, last + 1)]


async def test_the_filter_finds_what_is_on_another_page(open_console: Browsing) -> None:
    await a_shop(open_console)
    async with await open_console.session() as browser:
        page = await opened(browser, "/services?filter=SHOP", ">shop<")
        assert "a-service" not in page
        assert 'sse-connect="/live/services?filter=SHOP"' in page
