"""Large lists, and watchers that do not read."""

import asyncio
from typing import Any

import pytest

from utsuwa.apiserver.large import LARGE, LargeLists
from utsuwa.apiserver.negotiation import Form, Wanted
from utsuwa.apiserver.paging import Page
from utsuwa.apiserver.tables import Shape
from utsuwa.kit.documents import Document, decode, encode
from utsuwa.model.kinds import CONFIG_MAP, SERVICE, Kind
from utsuwa.testing.apiserver import Serving


def many(kind: Kind, count: int) -> list[Document]:
    return [kind.document("default", f"o-{number:05}") for number in range(count)]


@pytest.mark.parametrize("form", [Form.OBJECT, Form.TABLE, Form.PARTIAL_LIST])
@pytest.mark.parametrize("kind", [CONFIG_MAP, SERVICE])
async def test_a_large_list_is_what_it_would_be_in_one_go(form: Form, kind: Kind) -> None:
    """Whatever its form."""
    shape = Shape(kind, Wanted(form, "v1"))
    page = Page(many(kind, LARGE + 1), {"resourceVersion": "7"})
    made = await LargeLists().encoded(shape, page, 0.0)
    assert made == encode(shape.many(page.items, page.metadata, 0.0))


async def test_others_are_served_between_the_pieces() -> None:
    """A list of 2,000 lets the loop go round many times before it is done."""
    rounds = 0

    async def turn() -> None:
        nonlocal rounds
        while True:
            rounds += 1
            await asyncio.sleep(0)

    other = asyncio.create_task(turn())
    shape = Shape(CONFIG_MAP, Wanted(Form.TABLE, "v1"))
    await LargeLists().encoded(shape, Page(many(CONFIG_MAP, 2000), {}), 0.0)
    other.cancel()
    assert rounds >= 2000 // 50


async def test_a_large_list_over_http(api: Serving) -> None:
    """Every object once, in order, with the version to watch from."""
    for document in many(CONFIG_MAP, LARGE + 30):
        await api.cluster.create(document)
    async with api.http.get("/api/v1/namespaces/default/configmaps") as response:
        told: Any = decode(await response.read())
    names = [item["metadata"]["name"] for item in told["items"]]
    assert names == [f"o-{number:05}" for number in range(LARGE + 30)]
    assert told["metadata"]["resourceVersion"] == str(api.cluster.resource_version)
