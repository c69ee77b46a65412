"""The server of the console: HTTP in, handlers in the middle, HTML out.

What holds for every request is here: whose name it was sent to, whose page sent it, who is signed
in, and which headers an answer carries (`guard.py`).
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from urllib.parse import unquote, urlencode

from aiohttp import web

from utsuwa.apiserver import ApiServer, User
from utsuwa.apiserver.ports import Authorizer
from utsuwa.apiserver.status import UnauthorizedError
from utsuwa.cluster.errors import ApiError
from utsuwa.cluster.informer import Informers
from utsuwa.console import answers, guard
from utsuwa.console.acting import Acting
from utsuwa.console.assets import Assets
from utsuwa.console.hub import Hub
from utsuwa.console.ports import Callers, Tools
from utsuwa.console.ports import Live as Figures
from utsuwa.console.rendering import Renderer
from utsuwa.console.routes import NAVIGATION, ROUTES, STREAMS, Live, Route
from utsuwa.console.sessions import SESSION_LIFE, Sessions
from utsuwa.console.sight import Sight
from utsuwa.console.visit import (
    Data,
    Download,
    Flow,
    Kept,
    Page,
    Part,
    Piece,
    Redirect,
    Visit,
)
from utsuwa.kit.clock import Clock
from utsuwa.kit.documents import encode
from utsuwa.kit.ids import Ids
from utsuwa.kit.log import get_logger
from utsuwa.kit.tasks import TaskSet

_log = get_logger(__name__)

_CLOSE_SECONDS = 1.0
_LARGEST_FORM = 3 * 1024 * 1024
THEMES = ("auto", "light", "dark")
_THEME = "utsuwa-theme"
_FOR_EVER = "public, max-age=31536000, immutable"

_Aiohttp = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Console:
    """Serves the console on sockets that somebody else opened; `hub` must be run beside it.

    Mutable state: `_runner` and `_port`, while it serves.
    """

    def __init__(  # noqa: PLR0913  (each one is a collaborator, all but one go by name)
        self,
        api: ApiServer,
        *,
        informers: Informers,
        authorizer: Authorizer,
        callers: Callers,
        sessions: Sessions,
        live: Figures,
        tools: Tools,
        clock: Clock,
        ids: Ids,
        version: str,
    ) -> None:
        self._api = api
        self._informers = informers
        self._authorizer = authorizer
        self._callers = callers
        self._sessions = sessions
        self._live = live
        self._tools = tools
        self._clock = clock
        self._ids = ids
        self._version = version
        self._assets = Assets()
        self._renderer = Renderer(self._assets)
        self.hub = Hub(self._renderer, clock)
        self._runner: web.AppRunner | None = None
        self._port = 0

    def __repr__(self) -> str:
        return f"<Console on port {self._port}, {self._sessions!r}>"

    # --- for the wiring -------------------------------------------------------------------------

    async def serve(self, sockets: Sequence[socket.socket], tasks: TaskSet) -> None:
        """Listen on `sockets`, if there are any."""
        if not sockets:
            return
        self._port = sockets[0].getsockname()[1]
        runner = self._runner = web.AppRunner(
            self._application(), access_log=None, shutdown_timeout=_CLOSE_SECONDS,
            handler_cancellation=True,
        )  # fmt: skip
        await runner.setup()
        for listening in sockets:
            await web.SockSite(runner, listening).start()
        tasks.spawn(self.hub.run(), name="console")

    async def close(self) -> None:
        """End every stream and stop."""
        self.hub.close()
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    @property
    def served(self) -> bool:
        """Whether there is a console."""
        return self._runner is not None

    async def link(self, user: User, proof: str = "") -> str:
        """A link that lets whoever opens it first be `user`."""
        secret = self._sessions.link(user, proof)
        await self._sessions.save()
        return f"http://127.0.0.1:{self._port}/?token={secret}"

    # --- the application ------------------------------------------------------------------------

    def _application(self) -> web.Application:
        app = web.Application(middlewares=[self._guarded], client_max_size=_LARGEST_FORM)
        app.router.add_get("/static/{rest:.+}", self._static)
        app.router.add_get("/sign-in", self._sign_in_page)
        app.router.add_post("/sign-in", self._sign_in)
        app.router.add_post("/sign-out", self._sign_out)
        app.router.add_post("/theme", self._set_theme)
        for route in ROUTES:
            app.router.add_route(route.method, route.path, self._handled(route))
        for live in STREAMS:
            app.router.add_get(live.path, self._streamed(live))
        return app

    @web.middleware
    async def _guarded(self, request: web.Request, handler: _Aiohttp) -> web.StreamResponse:
        """Every request passes here, and every answer."""
        try:
            response = await self._answer(request, handler)
        except ApiError as error:
            response = self._failed(request, error.code, error.message)
        except web.HTTPException as error:
            if error.status < 400:
                raise
            response = self._failed(request, error.status, _words(error))
        except (ConnectionError, asyncio.CancelledError):
            raise
        except Exception as error:
            number = self._ids.uid()
            _log.error("page failed", error=error, path=request.path, request=number)
            told = f"This page could not be made. Control's log tells why, at request {number}."
            response = self._failed(request, 500, told)
        if not response.prepared:
            response.headers.update(guard.HEADERS)
            response.headers.setdefault("Cache-Control", "no-store")
        return response

    async def _answer(self, request: web.Request, handler: _Aiohttp) -> web.StreamResponse:
        if not guard.is_ours(request.headers.get("Host", "")):
            raise web.HTTPMisdirectedRequest(
                text="The console is for this machine: open it as http://127.0.0.1 or localhost."
            )
        if request.method not in guard.SAFE and not guard.is_from_us(request.headers):
            raise web.HTTPForbidden(text="This was sent by another page than the console's own.")
        if "token" in request.query and request.method == "GET":
            return await self._redeem(request)
        return await handler(request)

    def _handled(self, route: Route) -> _Aiohttp:
        async def handle(request: web.Request) -> web.StreamResponse:
            user = self._user(request)
            if user is None:
                return self._to_sign_in(request)
            form = await _form(request) if route.method == "POST" else {}
            answer = await route.handler(self._visit(request, user, form))
            if isinstance(answer, Flow):
                return await answers.flow(request, answer)
            return self._response(request, user, answer)

        return handle

    def _streamed(self, live: Live) -> _Aiohttp:
        async def handle(request: web.Request) -> web.StreamResponse:
            user = self._user(request)
            if user is None:  # 204 is what tells a browser to ask no more
                return web.Response(status=204)
            visit = self._visit(request, user, {})

            async def look() -> Sequence[Piece]:
                return await live.look(self._visit(request, user, {}))

            key = (visit.path, tuple(sorted(visit.query.items())), user)
            response = web.StreamResponse(
                headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
            )
            response.headers.update(guard.HEADERS)
            await response.prepare(request)
            async for frames in self.hub.follow(key, look):
                await response.write(frames)
            return response

        return handle

    def _visit(self, request: web.Request, user: User, form: Mapping[str, str]) -> Visit:
        return Visit(
            user=user,
            sight=Sight(user, self._informers, self._authorizer),
            api=Acting(self._api, user),
            live=self._live,
            tools=self._tools,
            now=self._clock.now(),
            path=request.path,
            parts=dict(request.match_info),
            query=dict(request.query),
            form=form,
        )

    # --- who ------------------------------------------------------------------------------------

    def _user(self, request: web.Request) -> User | None:
        """Who is signed in; else who the headers say, as at the API server."""
        secret = request.cookies.get(self._cookie)
        if secret and (user := self._sessions.user(secret)) is not None:
            return user
        try:
            return self._callers.user(None, request.headers, request.remote or "")
        except UnauthorizedError:
            return None

    @property
    def _cookie(self) -> str:
        """Cookies know no ports: several consoles on one machine must not sign each other out."""
        return f"utsuwa-{self._port}"

    async def _redeem(self, request: web.Request) -> web.StreamResponse:
        if guard.is_prefetch(request.headers):
            raise web.HTTPServiceUnavailable(text="This link lets in once: open it.")
        secret = self._sessions.redeem(request.query["token"])
        if secret is None:
            if self._user(request) is not None:  # opened twice in one browser
                raise web.HTTPSeeOther("/")
            return self._sign_in_form(request, "This link has been used, or is older than an hour.")
        return await self._let_in(secret, "/")

    async def _let_in(self, secret: str, to: str) -> web.Response:
        await self._sessions.save()
        response = web.Response(status=303, headers={"Location": to})
        response.set_cookie(
            self._cookie, secret, max_age=int(SESSION_LIFE), httponly=True, samesite="Strict"
        )
        return response

    def _to_sign_in(self, request: web.Request) -> web.Response:
        if "HX-Request" in request.headers:
            return web.Response(status=401, headers={"HX-Redirect": "/sign-in"})
        to = f"?{urlencode({'to': request.path_qs})}" if request.path != "/" else ""
        return web.Response(status=303, headers={"Location": f"/sign-in{to}"})

    async def _sign_in_page(self, request: web.Request) -> web.Response:
        return self._sign_in_form(request, "")

    def _sign_in_form(self, request: web.Request, problem: str) -> web.Response:
        context = {"problem": problem, "to": request.query.get("to", "/")}
        text = self._renderer.render("sign-in.html", **context, theme=_theme(request))
        return answers.html(request, text, 403 if problem else 200)

    async def _sign_in(self, request: web.Request) -> web.Response:
        form = await _form(request)
        token = form.get("token", "").strip()
        try:
            user = self._callers.user(None, {"Authorization": f"Bearer {token or '?'}"}, "")
        except UnauthorizedError:
            return self._sign_in_form(request, "This token is unknown, revoked or expired.")
        to = form.get("to", "/")
        if not to.startswith("/") or to.startswith(("//", "/\\")):
            to = "/"
        return await self._let_in(self._sessions.begin(user, token), to)

    async def _sign_out(self, request: web.Request) -> web.Response:
        self._sessions.end(request.cookies.get(self._cookie, ""))
        await self._sessions.save()
        response = web.Response(status=303, headers={"Location": "/sign-in"})
        response.del_cookie(self._cookie)
        return response

    async def _set_theme(self, request: web.Request) -> web.Response:
        theme = (await _form(request)).get("theme", "auto")
        back = request.headers.get("Referer", "/")
        response = web.Response(status=303, headers={"Location": _path_of(back)})
        response.set_cookie(
            _THEME, theme if theme in THEMES else "auto", max_age=31536000, httponly=True,
            samesite="Strict",
        )  # fmt: skip
        return response

    # --- answers --------------------------------------------------------------------------------

    async def _static(self, request: web.Request) -> web.Response:
        asset = self._assets.get(request.path)
        if asset is None:
            raise web.HTTPNotFound(text="There is no such file.")
        headers = {"Content-Type": asset.content_type, "Cache-Control": _FOR_EVER}
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            return web.Response(
                body=asset.packed,
                headers={**headers, "Content-Encoding": "gzip", "Vary": "Accept-Encoding"},
            )
        return web.Response(body=asset.body, headers=headers)

    def _response(self, request: web.Request, user: User, answer: Kept) -> web.Response:
        if isinstance(answer, Redirect):
            return answers.redirect(request, answer)
        if isinstance(answer, Data):
            return web.Response(body=encode(answer.document), content_type="application/json")
        if isinstance(answer, Download):
            headers = {"Content-Disposition": answers.attached(answer.name)}
            return web.Response(body=answer.body, content_type=answer.content_type, headers=headers)
        if isinstance(answer, Part):
            response = answers.html(
                request, self._renderer.render(answer.template, page=answer.model, user=user),
                answer.status,
            )  # fmt: skip
            if answer.trigger:
                response.headers["HX-Trigger"] = answer.trigger
            return response
        return self._page(request, user, answer)

    def _page(self, request: web.Request, user: User | None, page: Page) -> web.Response:
        notice = unquote(request.cookies.get(answers.NOTICE, ""))
        text = self._renderer.render(
            page.template,
            page=page.model,
            title=page.title,
            here=page.here,
            live=page.live,
            user=user,
            navigation=NAVIGATION,
            theme=_theme(request),
            themes=THEMES,
            version=self._version,
            notice=notice,
        )
        response = answers.html(request, text, page.status)
        if notice:
            response.del_cookie(answers.NOTICE)
        return response

    def _failed(self, request: web.Request, status: int, message: str) -> web.Response:
        """What went wrong, as a page; as a notice on the page where htmx asked."""
        if "HX-Request" in request.headers:
            text = self._renderer.render("parts/problem.html", message=message)
            response = answers.html(
                request, text, 200
            )  # htmx shows nothing of an answer that failed
            response.headers["HX-Retarget"] = "#problem"
            response.headers["HX-Reswap"] = "innerHTML"
            return response
        user = self._user(request) if guard.is_ours(request.headers.get("Host", "")) else None
        model = {"status": status, "message": message}
        return self._page(
            request, user, Page("error.html", model, _TITLES.get(status, "Error"), status)
        )


_TITLES = {403: "Not allowed", 404: "Not found", 405: "Not allowed", 421: "Not here"}


def _theme(request: web.Request) -> str:
    theme = request.cookies.get(_THEME, "auto")
    return theme if theme in THEMES else "auto"


async def _form(request: web.Request) -> dict[str, str]:
    posted = await request.post()
    return {name: value for name, value in posted.items() if isinstance(value, str)}


def _path_of(url: str) -> str:
    path = "/" + url.partition("://")[2].partition("/")[2] if "://" in url else url
    return path if path.startswith("/") and not path.startswith("//") else "/"


def _words(error: web.HTTPException) -> str:
    told = {404: "There is no such page.", 405: "This page takes no such request."}
    return told.get(error.status, error.text or error.reason)
