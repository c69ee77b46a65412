"""`services/NAME/logs`: all that a Service wrote, its pods that are gone included, merged by time.

Lines of JSON, one object each, read-only, for whoever may read the logs of the namespace's pods.
Query: `follow`, `tailLines`, `sinceSeconds` and `sinceTime` as for a pod's log; `revision`, `pod`,
`container`; `level` (at least as severe), `requestID`, `search`; `requests` (`none`, `only` or
`with`: the request log); `format=text` for the lines as they were written; `sources=true` for the
list of files instead.
"""

from dataclasses import replace

import msgspec
from aiohttp import web

from utsuwa.apiserver.calls import Call
from utsuwa.apiserver.ports import Attributes, Backend
from utsuwa.apiserver.status import bad_request
from utsuwa.cluster.errors import NotFoundError
from utsuwa.kit.clock import Clock, parse_rfc3339
from utsuwa.logs.lines import DEFAULT, SEVERITIES, severity_of
from utsuwa.logs.reading import ServiceLogs, Source, Wish
from utsuwa.model.kinds import POD

LOGS = "logs"
_REQUESTS = {"": (True, False), "none": (True, False), "only": (False, True), "with": (True, True)}


class LogsOfServices:
    """Serves them, and ends what follows when the server closes."""

    def __init__(self, cluster: Backend, logs: ServiceLogs | None, clock: Clock) -> None:
        self._cluster = cluster
        self._logs = logs
        self._clock = clock
        self._closing = False

    def __repr__(self) -> str:
        return f"<LogsOfServices {self._logs!r}>"

    def close(self) -> None:
        """End every answer that follows."""
        self._closing = True

    async def serve(self, call: Call, request: web.BaseRequest) -> web.StreamResponse:
        """Stream what is asked for.

        Raises:
            NotFoundError: there is no such Service, and no log of one is kept.
            BadRequestError: the question makes no sense.
        """
        if self._logs is None:
            raise NotFoundError("no logs of services are kept here")
        wish = self._wish(call)
        found = await self._sources(self._logs, call)
        if call.flag("sources"):
            return web.json_response({"items": [source.to_json() for source in found]})
        text = call.query.get("format") == "text"
        kind = "text/plain" if text else "application/x-ndjson"
        response = web.StreamResponse(headers={"Content-Type": kind})
        await response.prepare(request)
        key = call.target.key
        async for batch in self._logs.lines(key.namespace, key.name, wish):
            if self._closing or request.transport is None:
                break
            if batch:
                lines = (
                    line.text.encode() if text else msgspec.json.encode(line.to_json())
                    for line in batch
                )
                await response.write(b"\n".join(lines) + b"\n")
        await response.write_eof()
        return response

    async def _sources(self, logs: ServiceLogs, call: Call) -> list[Source]:
        key = call.target.key
        found = await logs.sources(key.namespace, key.name)
        if not found:
            await self._cluster.get(call.target.kind, key)
        return found

    def _wish(self, call: Call) -> Wish:
        query = call.query
        level = query.get("level", DEFAULT).upper()
        known = severity_of(level)
        if known == DEFAULT != level:
            names = ", ".join(name.lower() for name in SEVERITIES)
            raise bad_request(f"query parameter level: expected one of {names}, found {level!r}")
        requests = query.get("requests", "")
        if requests not in _REQUESTS:
            raise bad_request(
                f"query parameter requests: expected none, only or with, found {requests!r}"
            )
        output, with_requests = _REQUESTS[requests]
        return Wish(
            revision=query.get("revision", ""),
            pod=query.get("pod", ""),
            container=query.get("container", ""),
            since=since(call, self._clock),
            level=known,
            request_id=query.get("requestID", ""),
            search=query.get("search", ""),
            tail=call.number("tailLines"),
            follow=call.flag("follow"),
            output=output,
            requests=with_requests,
        )


def since(call: Call, clock: Clock) -> float | None:
    """From when on output is wanted, in Unix seconds; None for all. Raises BadRequestError."""
    seconds = call.number("sinceSeconds")
    if seconds is not None:
        return clock.now() - seconds
    if not call.query.get("sinceTime"):
        return None
    try:
        return parse_rfc3339(call.query["sinceTime"])
    except ValueError as error:
        raise bad_request(f"sinceTime: expected an RFC 3339 time: {error}") from error


def reading_logs(attributes: Attributes) -> Attributes:
    """The right that reading a Service's logs needs: that of reading the logs of pods."""
    if attributes.subresource != LOGS:
        return attributes
    return replace(attributes, kind=POD, name="", subresource="log")
