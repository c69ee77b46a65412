"""The control API over HTTP: which path is answered by what.

Every request needs a bearer token; whether it is good is asked of whoever wires this. Answers are
JSON, refusals too, in the form of Google's APIs: gcloud shows their message.
"""

import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from enum import Enum

import msgspec
from aiohttp import web

from utsuwa.gke import clusters, services
from utsuwa.gke.clusters import Facts, Name, Place
from utsuwa.gke.errors import (
    GoogleError,
    forbidden,
    invalid,
    not_found,
    precondition,
    unauthenticated,
    unimplemented,
)
from utsuwa.gke.records import Records
from utsuwa.kit.clock import Clock, rfc3339
from utsuwa.kit.documents import Document, decode, encode
from utsuwa.kit.ids import Ids
from utsuwa.kit.log import get_logger

_log = get_logger(__name__)


class Rights(Enum):
    """What the bearer of a token may do here: nothing, look, everything."""

    NONE = "none"
    SOME = "some"
    ALL = "all"


_VERSIONS = "/{version:v1|v1beta1|v1alpha1}/projects/{project}"
_PLACE = _VERSIONS + "/{where:locations|zones}/{location}"
_IDENTIFIER = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_LIMIT = 1 << 20
_CLOSE_SECONDS = 1.0

_Handler = Callable[[web.Request], Awaitable[Document]]


class GkeApi:
    """Serves the control API. Mutable state: `_runner`, while it serves."""

    def __init__(
        self,
        records: Records,
        facts: Callable[[], Awaitable[Facts]],
        *,
        rights: Callable[[str], Rights],
        clock: Clock,
        ids: Ids,
    ) -> None:
        self._records = records
        self._facts = facts
        self._rights = rights
        self._clock = clock
        self._ids = ids
        self._runner: web.AppRunner | None = None
        self.app = web.Application(client_max_size=_LIMIT)
        add = self.app.router.add_route
        for method, path, handler in self._routes():
            add(method, path, self._answering(handler))
        add("*", "/{path:.*}", self._answering(_unknown))

    def __repr__(self) -> str:
        return f"<GkeApi {self._runner.addresses if self._runner else 'not serving'}>"

    async def serve(self, sockets: Sequence[socket.socket], context: ssl.SSLContext) -> None:
        """Serve with TLS until :meth:`close`. Returns once it listens."""
        self._runner = web.AppRunner(self.app, access_log=None, shutdown_timeout=_CLOSE_SECONDS)
        await self._runner.setup()
        for listening in sockets:
            await web.SockSite(self._runner, listening, ssl_context=context).start()

    async def close(self) -> None:
        """Take no more connections."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def _routes(self) -> list[tuple[str, str, _Handler]]:
        return [
            ("GET", _PLACE + "/clusters", self._list_clusters),
            ("POST", _PLACE + "/clusters", self._create_cluster),
            ("GET", _PLACE + "/clusters/{cluster}", self._get_cluster),
            ("DELETE", _PLACE + "/clusters/{cluster}", self._delete_cluster),
            ("GET", _PLACE + "/operations", self._list_operations),
            ("GET", _PLACE + "/operations/{operation}", self._get_operation),
            ("GET", _PLACE + "/serverConfig", self._server_config),
            ("GET", "/v1/projects/{project}/services", self._list_services),
            ("GET", "/v1/projects/{project}/services/{service}", self._get_service),
            ("POST", "/v1/projects/{project}/services:batchEnable", self._enable_services),
            ("POST", "/v1/projects/{project}/services/{service}:enable", self._enable_service),
            ("POST", "/v1/projects/{project}/services/{service}:disable", self._disable_service),
            ("GET", "/v1/operations/{operation:.*}", _done_operation),
            ("*", _PLACE + "/{builder:repositories|builds}{rest:.*}", _no_builder),
            ("*", "/v1/projects/{project}/{builder:builds}{rest:.*}", _no_builder),
            ("GET", "/v1/projects", self._list_projects),
            ("GET", "/v1/projects/{project}", self._get_project),
        ]

    def _answering(self, handler: _Handler) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def answer(request: web.Request) -> web.Response:
            try:
                self._check(request)
                return _json(await handler(request))
            except GoogleError as error:
                return _json(error.document(), error.code)
            except Exception as error:
                number = self._ids.uid()
                _log.error(
                    "control API: request failed", error=error,
                    method=request.method, path=request.path, request=number,
                )  # fmt: skip
                told = f"an error on the server; its log tells more at request {number}"
                return _json(GoogleError(500, "INTERNAL", told).document(), 500)

        return answer

    def _check(self, request: web.Request) -> None:
        rights = self._rights_of(request)
        if rights is Rights.NONE:
            raise unauthenticated()
        if rights is not Rights.ALL and request.method != "GET":
            raise forbidden(request.method, request.path)
        for part in ("project", "location"):
            found = request.match_info.get(part, "x")
            if found != "-" and not _IDENTIFIER.fullmatch(found):
                raise invalid(f"{part} {found!r}: expected lower-case letters, digits and hyphens")

    def _rights_of(self, request: web.Request) -> Rights:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        return self._rights(token.strip()) if scheme.lower() == "bearer" else Rights.NONE

    # --- clusters ---------------------------------------------------------------------------------

    async def _list_clusters(self, request: web.Request) -> Document:
        place = _place(request)
        facts, base = await self._facts(), _base(request)
        found = [
            clusters.without_key(clusters.cluster(name, record, facts, base))
            for name, record in (await self._records.clusters()).items()
            if name.place.project == place.project and _within(name.place.location, place.location)
        ]
        return {"clusters": found} if found else {}

    async def _get_cluster(self, request: web.Request) -> Document:
        name = _name(request)
        record = await self._find(name)
        told = clusters.cluster(name, record, await self._facts(), _base(request))
        masters = self._rights_of(request) is Rights.ALL
        return told if masters else clusters.without_key(told)

    async def _create_cluster(self, request: web.Request) -> Document:
        now = rfc3339(self._clock.now())
        name, record = clusters.record(await _body(request), _place(request), now)
        for other, kept in (await self._records.clusters()).items():
            if other != name:
                raise precondition(
                    f"{name.path}: this Utsuwa is the cluster {other.path} already, and there is "
                    f"one in each; delete that name first (gcloud container clusters delete "
                    f"{other.cluster}), or start another `utsuwa up` with another --address"
                )
            record["createTime"] = kept["createTime"]
        operation = self._operation("CREATE_CLUSTER", name, now)
        await self._records.keep_cluster(name, record, operation)
        _log.info("cluster named", cluster=name.path)
        return clusters.told_operation(operation, name.place.project, _base(request))

    async def _delete_cluster(self, request: web.Request) -> Document:
        name = _name(request)
        await self._find(name)
        operation = self._operation("DELETE_CLUSTER", name, rfc3339(self._clock.now()))
        await self._records.drop_cluster(name, operation)
        _log.info("cluster's name taken away", cluster=name.path)
        return clusters.told_operation(operation, name.place.project, _base(request))

    async def _list_operations(self, request: web.Request) -> Document:
        place = _place(request)
        found = [
            clusters.told_operation(kept, place.project, _base(request))
            for kept in await self._records.operations(place.project)
            if _within(kept["location"], place.location)
        ]
        return {"operations": found} if found else {}

    async def _get_operation(self, request: web.Request) -> Document:
        place, number = _place(request), request.match_info["operation"]
        for kept in await self._records.operations(place.project):
            if kept["name"] == number and _within(kept["location"], place.location):
                return clusters.told_operation(kept, place.project, _base(request))
        raise not_found(f"{place.path}/operations/{number} not found: the last ones are kept")

    async def _server_config(self, request: web.Request) -> Document:
        return clusters.server_config(await self._facts())

    async def _find(self, name: Name) -> Document:
        known = await self._records.clusters()
        if name in known:
            return known[name]
        there = ", ".join(other.path for other in known)
        raise not_found(
            f"{name.path} not found: "
            + (
                f"this Utsuwa is {there}"
                if there
                else f"name this Utsuwa with `gcloud container clusters create {name.cluster} "
                f"--location {name.place.location}`"
            )
        )

    def _operation(self, kind: str, name: Name, now: str) -> Document:
        return clusters.operation(f"operation-{self._ids.suffix(12)}", kind, name, now)

    # --- services and projects --------------------------------------------------------------------

    async def _list_services(self, request: web.Request) -> Document:
        project = request.match_info["project"]
        enabled = await self._records.services(project)
        return services.listing(project, enabled, request.query.get("filter", ""))

    async def _get_service(self, request: web.Request) -> Document:
        project, service = request.match_info["project"], request.match_info["service"]
        enabled = service in await self._records.services(project)
        return services.service(project, service, enabled=enabled)

    async def _enable_services(self, request: web.Request) -> Document:
        wanted = services.named(await _body(request))
        return await self._switch(request.match_info["project"], wanted, enabled=True)

    async def _enable_service(self, request: web.Request) -> Document:
        info = request.match_info
        return await self._switch(info["project"], [info["service"]], enabled=True)

    async def _disable_service(self, request: web.Request) -> Document:
        info = request.match_info
        return await self._switch(info["project"], [info["service"]], enabled=False)

    async def _switch(self, project: str, names: list[str], *, enabled: bool) -> Document:
        before = set(await self._records.services(project))
        after = before | set(names) if enabled else before - set(names)
        if after != before:
            await self._records.keep_services(project, sorted(after))
        return services.switched(project, names, enabled=enabled)

    async def _list_projects(self, request: web.Request) -> Document:
        names = {name.place.project for name in await self._records.clusters()}
        return {"projects": [services.project(name) for name in sorted(names)]}

    async def _get_project(self, request: web.Request) -> Document:
        return services.project(request.match_info["project"])


async def _done_operation(request: web.Request) -> Document:
    return {"name": f"operations/{request.match_info['operation']}", "done": True}


async def _unknown(request: web.Request) -> Document:
    raise unimplemented(request.method, request.path)


async def _no_builder(request: web.Request) -> Document:
    """What `gcloud run deploy --source` asks for."""
    raise precondition(
        "there is no Cloud Build here, so gcloud cannot deploy from source: build it with "
        "`utsuwa build DIR -t dev.local/NAME:1`, then run `gcloud run deploy NAME --image "
        "dev.local/NAME:1`; or do both with `utsuwa deploy NAME --source DIR`"
    )


async def _body(request: web.Request) -> object:
    try:
        return decode(await request.read())
    except msgspec.DecodeError as error:
        raise invalid(f"body: expected JSON: {error}") from error
    except web.HTTPRequestEntityTooLarge as error:
        raise invalid(f"body: expected at most {_LIMIT} bytes") from error


def _place(request: web.Request) -> Place:
    return Place(request.match_info["project"], request.match_info["location"])


def _name(request: web.Request) -> Name:
    return Name(_place(request), request.match_info["cluster"])


def _within(location: str, asked: str) -> bool:
    """`-` asks for every location."""
    return asked in {"-", location}


def _base(request: web.Request) -> str:
    version = request.match_info["version"]
    return f"{request.scheme}://{request.host}/{version}/"


def _json(document: Document, code: int = 200) -> web.Response:
    return web.Response(body=encode(document), status=code, content_type="application/json")
