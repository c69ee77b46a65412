"""What a line of output says: a JSON object on a line is structured, anything else is text. Pure.

The special members are those of Cloud Run (`severity`, `message`, `time`, `httpRequest`,
`logging.googleapis.com/trace` and its like). Text has the severity of the stream that it was
written to, where that is known.

    >>> parse('{"severity": "warn", "message": "slow", "ms": 31}')
    Entry(severity='WARNING', message='slow', payload={'ms': 31})
    >>> parse("Traceback …", stream="stderr").severity
    'ERROR'
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

import msgspec

from utsuwa.kit.clock import parse_rfc3339

DEFAULT = "DEFAULT"
SEVERITIES = (
    DEFAULT, "DEBUG", "INFO", "NOTICE", "WARNING", "ERROR", "CRITICAL", "ALERT", "EMERGENCY",
)  # fmt: skip
"""From the least to the most severe; in numbers 0, 100, … 800."""
_RANK = {name: rank for rank, name in enumerate(SEVERITIES)}
_OTHER_NAMES = {
    "TRACE": "DEBUG", "FINE": "DEBUG", "INFORMATION": "INFO", "INFORMATIONAL": "INFO",
    "WARN": "WARNING", "ERR": "ERROR", "SEVERE": "ERROR", "FATAL": "CRITICAL", "CRIT": "CRITICAL",
    "PANIC": "ALERT", "EMERG": "EMERGENCY",
}  # fmt: skip
_BY_STREAM = {"stdout": "INFO", "stderr": "ERROR"}
_PREFIX = "logging.googleapis.com/"
_NANOSECONDS = 1_000_000_000
_CLIENT_ERROR, _SERVER_ERROR = 400, 500

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Entry:
    """A line, understood. `payload`: the members of a structured one that have no meaning here."""

    severity: str = DEFAULT
    message: str = ""
    time: float | None = None
    """Unix seconds, as the line itself has it."""
    trace: str = ""
    """The id alone, without the project."""
    span: str = ""
    request: Object = field(default_factory=dict)
    """Its `httpRequest`."""
    labels: Mapping[str, str] = field(default_factory=dict)
    payload: Object = field(default_factory=dict)
    structured: bool = field(default=False, repr=False)

    def __repr__(self) -> str:
        usual = Entry()
        told = (
            f"{one.name}={getattr(self, one.name)!r}"
            for one in fields(self)
            if one.repr and getattr(self, one.name) != getattr(usual, one.name)
        )
        return f"Entry({', '.join(told)})"


def rank(severity: str) -> int:
    """How severe: 0 for DEFAULT, 8 for EMERGENCY."""
    return _RANK[severity]


def severity_of(value: Any) -> str:
    """The severity that a name, in whatever case, or a number stands for; DEFAULT where none does.

    >>> severity_of("warn"), severity_of(500), severity_of("4xx")
    ('WARNING', 'ERROR', 'DEFAULT')
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return SEVERITIES[min(max(value // 100, 0), len(SEVERITIES) - 1)]
    name = value.strip().upper() if isinstance(value, str) else ""
    if name.isdigit():
        return severity_of(int(name))
    name = _OTHER_NAMES.get(name, name)
    return name if name in _RANK else DEFAULT


def parse(text: str, stream: str = "") -> Entry:
    """The entry of one line, without its end; `stream`: `stdout`, `stderr` or not known."""
    found = _object(text)
    if found is None:
        return Entry(_BY_STREAM.get(stream, DEFAULT), text)
    return _structured(found, text, stream)


def parse_request(text: str) -> Entry:
    """The entry of a line of a request log: its status tells how severe it is."""
    found = _object(text)
    if found is None:
        return Entry("INFO", text)
    request = _mapping(found.get("httpRequest"))
    entry = _structured({"severity": _of_status(request.get("status")), **found}, text, "")
    return replace(
        entry,
        message=entry.message if entry.message != text else _told(request) or text,
        trace=entry.trace or _text(found.get("traceId")),
    )


def mentions(text: str, request_id: str) -> bool:
    """Whether a line names a request: by `X-Request-Id`, or by the trace id of its `traceparent`.

    >>> mentions('{"trace": "projects/p/traces/4bf9"}', "4bf9"), mentions("id=4bf92", "4bf9")
    (True, False)
    """
    if request_id not in text:
        return False
    return re.search(rf"(?<!\w){re.escape(request_id)}(?!\w)", text) is not None


def _object(text: str) -> Object | None:
    """The JSON object that a line is; None for any other line."""
    stripped = text.strip()
    if not (stripped.startswith("{") and stripped.endswith("}")):
        return None
    try:
        found = msgspec.json.decode(stripped)
    except (msgspec.DecodeError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _structured(found: Object, text: str, stream: str) -> Entry:
    left = dict(found)
    time = _time(left)
    severity = left.pop("severity", None)
    if severity is None and isinstance(left.get("level"), str):
        severity = left.pop("level")  # as most libraries have it
    message = left.pop("message", None)
    if message is None:
        message = left.pop("msg", None)
    request = _mapping(left.pop("httpRequest", None))
    labels = _mapping(left.pop(_PREFIX + "labels", None))
    trace = _text(left.pop(_PREFIX + "trace", None))
    span = _text(left.pop(_PREFIX + "spanId", None))
    for name in [name for name in left if name.startswith(_PREFIX)]:
        del left[name]
    known = _BY_STREAM.get(stream, DEFAULT) if severity is None else severity_of(severity)
    return Entry(
        severity=known,
        message=text if message is None else _text(message),
        time=time,
        trace=trace.rpartition("/")[2],
        span=span,
        request=request,
        labels={name: _text(value) for name, value in labels.items()},
        payload=left,
        structured=True,
    )


def _time(left: Object) -> float | None:
    """Taken out of `left`: `time`, `timestamp` or `timestampSeconds`, in Cloud Logging's forms."""
    for name in ("time", "timestamp"):
        value = left.get(name)
        try:
            if isinstance(value, str):
                found = parse_rfc3339(value)
            elif isinstance(value, dict):
                found = int(value["seconds"]) + int(value.get("nanos", 0)) / _NANOSECONDS
            else:
                continue
        except (ValueError, KeyError, TypeError):
            continue  # stays what it is: a member like any other
        del left[name]
        return found
    seconds, nanos = left.get("timestampSeconds"), left.get("timestampNanos", 0)
    if isinstance(seconds, int) and isinstance(nanos, int):
        left.pop("timestampSeconds")
        left.pop("timestampNanos", None)
        return seconds + nanos / _NANOSECONDS
    return None


def _of_status(status: Any) -> str:
    try:
        number = int(status)
    except (ValueError, TypeError):
        return "INFO"
    if number >= _SERVER_ERROR:
        return "ERROR"
    return "WARNING" if number >= _CLIENT_ERROR else "INFO"


def _told(request: Object) -> str:
    """A request in one line: `GET /path 200 0.012s`."""
    names = ("requestMethod", "requestUrl", "status", "latency")
    return " ".join(_text(request[name]) for name in names if name in request)


def _mapping(value: Any) -> Object:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
