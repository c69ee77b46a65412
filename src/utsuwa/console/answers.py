"""Answers over HTTP: what a handler answered, as the browser is told it."""

import gzip
from contextlib import aclosing
from urllib.parse import quote

from aiohttp import web

from utsuwa.console import guard
from utsuwa.console.visit import Flow, Redirect

NOTICE = "utsuwa-notice"
"""The cookie with what is told on the next page."""
_SMALL = 1024


def redirect(request: web.Request, answer: Redirect) -> web.Response:
    """Elsewhere, with a notice."""
    if "HX-Request" in request.headers:
        response = web.Response(headers={"HX-Redirect": answer.to})
    else:
        response = web.Response(status=303, headers={"Location": answer.to})
    if answer.notice:
        response.set_cookie(
            NOTICE, quote(answer.notice), max_age=60, httponly=True, samesite="Strict"
        )
    return response


async def flow(request: web.Request, answer: Flow) -> web.StreamResponse:
    """Send parts as they come. Who has gone is seen at the next one: the handler is cancelled."""
    headers = {"Content-Type": answer.content_type, "Cache-Control": "no-store", **guard.HEADERS}
    if answer.name:
        headers["Content-Disposition"] = attached(answer.name)
    response = web.StreamResponse(headers=headers)
    await response.prepare(request)
    async with aclosing(answer.parts) as parts:
        async for part in parts:
            await response.write(part)
    await response.write_eof()
    return response


def attached(name: str) -> str:
    """The header by which an answer becomes a file."""
    return f"attachment; filename*=UTF-8''{quote(name)}"


def html(request: web.Request, text: str, status: int) -> web.Response:
    """A page or a part of one, packed where that is of use."""
    body = text.encode()
    headers = {"Content-Type": "text/html; charset=utf-8"}
    if len(body) > _SMALL and "gzip" in request.headers.get("Accept-Encoding", ""):
        body = gzip.compress(body, 1, mtime=0)
        headers |= {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
    return web.Response(body=body, status=status, headers=headers)
