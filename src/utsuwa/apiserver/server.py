"""The server: HTTP in, HTTP out.

Each request is authenticated, understood as a :class:`Call`, allowed or refused, and handed to
the part that answers it. Whatever goes wrong is answered as a `Status`; what is our own fault as
500 with a number that the log explains.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence

from aiohttp import HttpVersion11, StreamReader, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_parser import RawRequestMessage

from utsuwa.apiserver import discovery, links, openapi_v2, reviews
from utsuwa.apiserver.alerts import ALERTS, Alerts, NoAlerts
from utsuwa.apiserver.answers import json_answer, not_found, outcome_answer, status_answer
from utsuwa.apiserver.auth import MastersOnly, forbidden
from utsuwa.apiserver.authentication import Authentication, CertificatesOnly, impersonated
from utsuwa.apiserver.bodies import LIMIT, document, parse
from utsuwa.apiserver.calls import Call, Outcome
from utsuwa.apiserver.described import described, groups
from utsuwa.apiserver.histories import HISTORY, Histories, NoHistory, reading
from utsuwa.apiserver.logs import Logs
from utsuwa.apiserver.measured import SOURCES, Measured, NothingKnown
from utsuwa.apiserver.negotiation import is_acceptable, wanted
from utsuwa.apiserver.paths import STREAMED
from utsuwa.apiserver.paths import parse as parse_path
from utsuwa.apiserver.ports import (
    Admission,
    AlertSource,
    Attributes,
    Authenticator,
    Authorizer,
    Backend,
    Containers,
    DecisionSource,
    HistorySource,
    LinkSource,
    LogSource,
    UsageSource,
    User,
)
from utsuwa.apiserver.reads import Reads
from utsuwa.apiserver.service_logs import LOGS, LogsOfServices, reading_logs
from utsuwa.apiserver.shown import WHY_NOT, Shown, is_shown
from utsuwa.apiserver.status import (
    InternalError,
    MethodNotAllowedError,
    NotAcceptableError,
    TooLargeError,
)
from utsuwa.apiserver.streams.serve import NoContainers, Streams
from utsuwa.apiserver.views import Views, admission_of_views
from utsuwa.apiserver.watch import Watches
from utsuwa.apiserver.writes import Writes
from utsuwa.cluster.errors import ApiError
from utsuwa.kit.clock import Clock
from utsuwa.kit.documents import encode
from utsuwa.kit.ids import Ids
from utsuwa.kit.log import get_logger
from utsuwa.kit.tasks import TaskSet
from utsuwa.logs.reading import ServiceLogs
from utsuwa.model.kinds import NAMESPACE, Kind

_log = get_logger(__name__)

_CLOSE_SECONDS = 3.0
_HEALTH = ("/healthz", "/livez", "/readyz")
_VERBS = {
    "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete",
}  # fmt: skip
_READ_ONLY = frozenset({"log", LOGS, "decisions", HISTORY, ALERTS, "token", *STREAMED})
"""Sub-resources that nobody changes."""
_MADE_OF_ONE = frozenset({"token", *STREAMED})
"""Sub-resources that are created by a POST to a named object."""

_Answer = Callable[[Call], Awaitable[Outcome]]


class ApiServer:
    """The Kubernetes API over a cluster; :meth:`serve` listens on sockets that somebody else opened.

    There is one handler and no route, so aiohttp's applications, which cost a tenth of a write,
    are left out.
    """

    def __init__(  # noqa: PLR0913  (each one is a collaborator, all but one go by name)
        self,
        cluster: Backend,
        *,
        admission: Admission,
        clock: Clock,
        ids: Ids,
        logs: LogSource,
        version: str,
        authorizer: Authorizer | None = None,
        authentication: Authentication | None = None,
        usage: UsageSource | None = None,
        decisions: DecisionSource | None = None,
        containers: Containers | None = None,
        history: HistorySource | None = None,
        console: LinkSource | None = None,
        service_logs: ServiceLogs | None = None,
        alerts: AlertSource | None = None,
    ) -> None:
        cluster, admission = Views(cluster), admission_of_views(admission)
        reads = Reads(cluster, clock)
        self._authorizer: Authorizer = authorizer or MastersOnly()
        self._authenticator: Authenticator = authentication or CertificatesOnly()
        self._tribunal = reviews.Tribunal(
            self._authorizer, authentication.proven if authentication is not None else None
        )
        self._service_tokens = authentication.service if authentication is not None else None
        self._cluster = cluster
        writes = Writes(cluster, reads, admission, clock, self._authorizer)
        self._ids = ids
        self._version = encode(discovery.version_info(version))
        self._reads = reads
        self._shown = Shown(cluster, reads, clock)
        self._watches = Watches(cluster, reads, self._shown, clock)
        self._logs = Logs(cluster, logs, clock)
        self._service_logs = LogsOfServices(cluster, service_logs, clock)
        self._measured = Measured(
            cluster, reads, clock,
            usage=usage or NothingKnown(), decisions=decisions or NothingKnown(),
        )  # fmt: skip
        self._links = console
        self._told: dict[str, _Answer] = {
            "decisions": self._measured.decisions,
            HISTORY: Histories(cluster, history or NoHistory()).get,
            ALERTS: Alerts(cluster, alerts or NoAlerts()).get,
        }
        self._streams = Streams(cluster, containers or NoContainers())
        self._streamed = {
            "log": self._logs.serve,
            LOGS: self._service_logs.serve,
            **dict.fromkeys(STREAMED, self._streams.serve),
        }
        self._tasks = TaskSet()
        self._writers: dict[str, _Answer] = {
            "create": writes.create,
            "update": writes.update,
            "patch": writes.patch,
            "delete": writes.delete,
            "deletecollection": writes.delete_collection,
        }
        self._runner: web.ServerRunner | None = None

    def __repr__(self) -> str:
        where = self._runner.addresses if self._runner else "not serving"
        return f"<ApiServer {where}>"

    async def serve(self, sockets: Sequence[socket.socket], context: ssl.SSLContext) -> None:
        """Serve on listening sockets, with TLS, until :meth:`close`. Returns once it listens."""
        server = web.Server(
            self._handle,
            request_factory=_request,
            handler_cancellation=True,  # a watch must notice that its client went away
            access_log=None,
            keepalive_timeout=120.0,
        )
        runner = web.ServerRunner(server, shutdown_timeout=_CLOSE_SECONDS)
        await runner.setup()
        for listening in sockets:
            await web.SockSite(runner, listening, ssl_context=context).start()
        self._runner = runner

    async def close(self) -> None:
        """Take no more connections, end watches, logs and streams cleanly, then cut what is left."""
        self._watches.close()
        self._logs.close()
        self._service_logs.close()
        self._streams.close()
        if self._runner is not None:
            serving = self._runner.server
            transports = [one.transport for one in serving.connections] if serving else []
            await self._runner.cleanup()
            for transport in filter(None, transports):
                transport.abort()  # TLS would wait for the client's farewell
            self._runner = None
        await self._tasks.close()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            if "Expect" in request.headers:
                await _go_on(request)
            return await self._answer(request)
        except ApiError as error:
            return status_answer(error)
        except web.HTTPRequestEntityTooLarge:
            return status_answer(
                TooLargeError(f"limit is {LIMIT} bytes: the body of the request is larger")
            )
        except (ConnectionError, asyncio.CancelledError):
            raise
        except Exception as error:
            return self._our_fault(request, error)

    def _our_fault(self, request: web.BaseRequest, error: Exception) -> web.Response:
        number = self._ids.uid()
        _log.error(
            "request failed", error=error,
            method=request.method, path=request.path, request=number,
        )  # fmt: skip
        return status_answer(
            InternalError(
                f"an error on the server: {type(error).__name__}; "
                f"the server's log tells more at request {number}"
            )
        )

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.path.rstrip("/") or "/"
        if path.startswith(_HEALTH):
            return web.Response(text="ok")
        if path == "/version":
            return json_answer(self._version)
        user = self._user(request)
        if path == links.CONSOLE_LINK and request.method == "POST":
            return json_answer(encode(await links.answer(self._links, user, request.headers)), 201)
        question = reviews.asked(path)
        if question is not None:
            return await self._review(request, user, question)
        target = parse_path(path)
        if target is None:
            return self._describe(request, user, path)
        body = await request.read() if request.body_exists else b""
        call = Call(
            user,
            target,
            request.query,
            wanted(request.headers.get("Accept", "")),
            body,
            request.headers.get("Content-Type", ""),
            request.headers.get("User-Agent", ""),
        )
        return await self._serve(call, request)

    async def ask(self, call: Call, method: str) -> Outcome:
        """The answer to a call that comes from this very process: allowed or refused, admitted and
        carried out as if it had come over the network. Watches, logs, streams and tokens are not
        had here.

        Raises:
            ApiError: it is refused.
        """
        verb = self._allowed(call, method, "")
        streamed = call.target.subresource in {"log", "token", *STREAMED}
        if verb in {"list", "get"} and not streamed:
            return await self._read(verb, call)
        if verb not in self._writers or streamed:
            raise MethodNotAllowedError(f"{verb} of {call.target.kind} cannot be asked for here")
        return await self._writers[verb](call)

    def _allowed(self, call: Call, method: str, path: str) -> str:
        """The verb of a call. Raises ForbiddenError when its user may not."""
        verb, target = _verb(call, method), call.target
        namespace = target.name if target.kind is NAMESPACE else target.namespace
        attributes = Attributes(verb, target.kind, namespace, target.name, target.subresource, path)
        self._check_allowed(call.user, reading_logs(reading(attributes)))
        return verb

    async def _serve(self, call: Call, request: web.BaseRequest) -> web.StreamResponse:
        target = call.target
        verb = self._allowed(call, request.method, request.path)
        if verb == "watch":
            return await self._watches.serve(call, request)
        if target.subresource in self._streamed:
            return await self._streamed[target.subresource](call, request)
        if not is_acceptable(request.headers.get("Accept", "")):
            raise NotAcceptableError(
                "only the following media types are accepted: application/json, application/yaml"
            )
        if target.subresource == "token":
            return await self._token(call)
        if verb in {"list", "get"}:
            return outcome_answer(await self._read(verb, call), yaml=call.wanted.yaml)
        return await self._write(verb, call, request)

    async def _read(self, verb: str, call: Call) -> Outcome:
        told = self._told.get(call.target.subresource)
        if told is not None:
            return await told(call)
        reads: Reads | Measured | Shown = self._reads
        if call.target.kind in SOURCES:
            reads = self._measured
        elif is_shown(call.target.kind):
            reads = self._shown
        return await (reads.listing(call) if verb == "list" else reads.get(call))

    async def _write(self, verb: str, call: Call, request: web.BaseRequest) -> web.StreamResponse:
        """A write that has begun is finished, even if its client goes away meanwhile."""
        if verb != "deletecollection":  # all others are decided and queued in one step
            return outcome_answer(await self._writers[verb](call), yaml=call.wanted.yaml)
        task = self._tasks.start(self._written(verb, call, request), name=f"{verb} {request.path}")
        return await asyncio.shield(task)

    async def _written(self, verb: str, call: Call, request: web.BaseRequest) -> web.Response:
        try:
            return outcome_answer(await self._writers[verb](call), yaml=call.wanted.yaml)
        except ApiError as error:
            return status_answer(error)
        except Exception as error:
            return self._our_fault(request, error)

    async def _review(
        self, request: web.BaseRequest, user: User, question: reviews.Asked
    ) -> web.Response:
        if request.method != "POST":
            raise MethodNotAllowedError(f"{question.plural} are asked by POST alone")
        self._check_allowed(user, question.attributes)
        body = parse(await request.read(), request.headers.get("Content-Type", ""))
        answer = reviews.answer(question, document(body.value), user, self._tribunal)
        return json_answer(encode(answer), 201)

    async def _token(self, call: Call) -> web.Response:
        """A token for a ServiceAccount."""
        if self._service_tokens is None:
            raise not_found()
        body = document(parse(call.body, call.content_type).value)
        issued = await self._service_tokens.issue(self._cluster, call.target.key, body)
        return json_answer(encode(issued), 201)

    def _check_allowed(self, user: User, attributes: Attributes) -> None:
        if not self._authorizer.allows(user, attributes):
            raise forbidden(user, attributes)

    def _describe(self, request: web.BaseRequest, user: User, path: str) -> web.Response:
        """Discovery and OpenAPI."""
        attributes = Attributes("get", None, path=path)
        self._check_allowed(user, attributes)
        if request.method not in {"GET", "HEAD"}:
            raise not_found()
        if path in {"/api", "/apis"}:
            return groups(request, path)
        if path == "/openapi/v2":
            data, media_type = openapi_v2.answer(request.headers.get("Accept", ""))
            return web.Response(body=data, headers={"Content-Type": media_type})
        found = described(path)
        if found is None:
            raise not_found()
        return json_answer(found if isinstance(found, bytes) else encode(found))

    def _user(self, request: web.BaseRequest) -> User:
        transport = request.transport
        certificate = transport.get_extra_info("peercert") if transport else None
        headers = request.headers
        user = self._authenticator.user(certificate, headers, request.remote or "")
        return impersonated(user, headers, self._authorizer)


def _request(
    message: RawRequestMessage,
    payload: StreamReader,
    protocol: web.RequestHandler,
    writer: AbstractStreamWriter,
    task: "asyncio.Task[None]",
) -> web.BaseRequest:
    return web.BaseRequest(
        message, payload, protocol, writer, task, asyncio.get_running_loop(),
        client_max_size=LIMIT,
    )  # fmt: skip


async def _go_on(request: web.BaseRequest) -> None:
    """Answer `Expect: 100-continue`, with which clients send large bodies."""
    if request.version == HttpVersion11 and request.headers["Expect"].lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0


def _verb(call: Call, method: str) -> str:
    named, read_only = bool(call.target.name), not _is_stored(call.target.kind)
    if method in {"GET", "HEAD"} and call.target.subresource != "token":
        if named:
            return "get"
        watched = "watch" in discovery.verbs_of(call.target.kind)
        return "watch" if call.flag("watch") and watched else "list"
    verb = "" if read_only else _VERBS.get(method, "")
    sub = call.target.subresource
    takes = {
        "create": named == (sub in _MADE_OF_ONE),
        "update": named and sub not in _READ_ONLY,
        "patch": named and sub not in {*_READ_ONLY, "finalize"},
        "delete": not sub,
    }
    if not takes.get(verb):
        why = WHY_NOT.get(call.target.kind)
        raise MethodNotAllowedError(
            f"the server does not allow the method {method} on the requested resource"
            + (f": {why}" if why else "")
        )
    return "deletecollection" if verb == "delete" and not named else verb


def _is_stored(kind: Kind) -> bool:
    return kind not in SOURCES and not is_shown(kind)
