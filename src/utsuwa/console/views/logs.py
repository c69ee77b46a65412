"""Logs: of the pods of a service, gone ones too, and its request log."""

from collections.abc import AsyncGenerator

from utsuwa.cluster.errors import ForbiddenError
from utsuwa.cluster.port import Key
from utsuwa.console.pages import logs as pages
from utsuwa.console.views.service import head_of, revisions_of, service_of
from utsuwa.console.visit import Flow, Page, Visit
from utsuwa.kit.documents import encode
from utsuwa.logs.reading import Wish
from utsuwa.model.kinds import POD
from utsuwa.model.meta import name_of

_MOST_IDLE = 75
"""Empty batches, five a second, after which a sign of life is sent."""


async def page(visit: Visit) -> Page:
    """The page; its lines come by `tail`."""
    key, document = service_of(visit)
    may_read = _may_read(visit, key)
    sources = await visit.tools.logs.sources(*key) if may_read else []
    model = pages.LogsPage(
        head=head_of(visit, document, key),
        pods=pages.choices(sources),
        revisions=tuple(sorted(map(name_of, revisions_of(visit, key)), reverse=True)),
        query={name: visit.query.get(name, "") for name in _FIELDS},
        may_read=may_read,
    )
    return Page("logs.html", model, title=f"{key.name}: logs", here="services")


async def tail(visit: Visit) -> Flow:
    """Lines of JSON: the last of the past, and then what comes."""
    key = _readable(visit)
    wish = pages.wish({"tail": str(pages.TAIL), **visit.query}, follow=True)
    return Flow(_lines(visit, key, wish), "application/x-ndjson")


async def download(visit: Visit) -> Flow:
    """All that fits, as text."""
    key = _readable(visit)
    wish = pages.wish({name: value for name, value in visit.query.items() if name != "tail"})
    return Flow(_text(visit, key, wish), name=f"{key.name}.log")


_FIELDS = ("kind", "revision", "pod", "level", "search", "request")


async def _lines(visit: Visit, key: Key, wish: Wish) -> AsyncGenerator[bytes, None]:
    idle = 0
    async for batch in visit.tools.logs.lines(*key, wish):
        idle = 0 if batch else idle + 1
        if batch:
            yield b"".join(encode(pages.shown(line)) + b"\n" for line in batch)
        elif idle % _MOST_IDLE == 1:
            yield b"\n"


async def _text(visit: Visit, key: Key, wish: Wish) -> AsyncGenerator[bytes, None]:
    async for data in visit.tools.logs.text(*key, wish):
        yield data


def _readable(visit: Visit) -> Key:
    key = Key(visit.parts["namespace"], visit.parts["name"])
    if not _may_read(visit, key):
        raise ForbiddenError(
            f"You may not read the logs of {key.name}: the role of {visit.user.name} lacks "
            f"get pods/log in namespace {key.namespace}."
        )
    return key


def _may_read(visit: Visit, key: Key) -> bool:
    return visit.sight.may("get", POD, Key(key.namespace, ""), "log")
