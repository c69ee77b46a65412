"""What tests of pages that act share."""

import re
from html import unescape

import aiohttp

from utsuwa.cluster.port import Key
from utsuwa.kit.documents import Document

HELLO = Key("default", "hello")
_GROUP = "rbac.authorization.k8s.io"


async def opened(browser: aiohttp.ClientSession, path: str, words: str = "") -> str:
    """The page, once the console knows what was made, and it has these words."""
    while True:
        async with browser.get(path) as answer:
            text = await answer.text()
            if answer.status == 200 and words in text:
                return text


def field(page: str, name: str) -> str:
    """What the page's form holds."""
    found = re.search(
        rf'<textarea id="{name}"[^>]*>\n(.*?)</textarea>|name="{name}" value="([^"]*)"',
        page,
        re.DOTALL,
    )
    assert found is not None
    return unescape(found[1] or found[2])


def reader(name: str) -> Document:
    """A binding by which somebody may see all, and change nothing."""
    return {
        "apiVersion": f"{_GROUP}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": _GROUP, "kind": "ClusterRole", "name": "view"},
        "subjects": [{"kind": "User", "name": name, "apiGroup": _GROUP}],
    }
