"""An independent reader of HTTP/1.1 requests, as strict as RFC 9112 lets a server be.

It shares no code with the gateway: what a pod gets must mean to it what it meant to us.
"""

import re

_LINE = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+ (?:/[^ \x00-\x1f\x7f]*|\*) HTTP/1\.1")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\x00\r\n]*)")


class SmuggledError(AssertionError):
    """What a pod got is not one request, or not a well-formed one."""


def check(data: bytes) -> None:
    """See that `data`, all that came on a connection, is (the beginning of) exactly one request.

    Raises:
        SmuggledError: it is something else.
    """
    end = data.find(b"\r\n\r\n")
    _must(end >= 0, "a head that has not ended", data)
    line, *lines = data[:end].split(b"\r\n")
    _must(_LINE.fullmatch(line) is not None, "no request line", data)
    fields: dict[bytes, list[bytes]] = {}
    for text in lines:
        match = _FIELD.fullmatch(text)
        _must(match is not None, "no field", data)
        assert match is not None
        fields.setdefault(match[1].lower(), []).append(match[2].strip(b" \t"))
    _must(len(fields.get(b"host", ())) <= 1, "several hosts", data)
    lengths, codings = fields.get(b"content-length", []), fields.get(b"transfer-encoding", [])
    _must(len(lengths) + len(codings) <= 1, "several lengths", data)
    body = data[end + 4 :]
    if codings:
        _must(codings[0].lower().split(b",")[-1].strip() == b"chunked", "not chunked", data)
        _chunks(body, data)
    elif lengths:
        _must(lengths[0].isdigit(), "no length", data)
        _must(len(body) <= int(lengths[0]), "more than its length", data)
    else:
        _must(not body, "bytes after a request without a body", data)


def _chunks(body: bytes, data: bytes) -> None:
    while body:
        line, separator, rest = body.partition(b"\r\n")
        size, _, _ = line.partition(b";")
        if not separator:
            _must(b"\n" not in line, "a bare LF in a chunk's size", data)
            return
        _must(re.fullmatch(rb"[0-9A-Fa-f]+[ \t]*", size) is not None, "no chunk size", data)
        length = int(size, 16)
        if not length:
            _trailers(rest, data)
            return
        ending = rest[length : length + 2]
        _must(b"\r\n".startswith(ending), "a chunk longer than its size", data)
        body = rest[length + 2 :]


def _trailers(rest: bytes, data: bytes) -> None:
    while rest:
        line, separator, rest = rest.partition(b"\r\n")
        if separator and not line:
            _must(not rest, "bytes after the last chunk", data)
        elif separator:
            _must(_FIELD.fullmatch(line) is not None, "no trailer", data)


def _must(condition: bool, what: str, data: bytes) -> None:
    if not condition:
        raise SmuggledError(f"{what}: {data[:2000]!r}")
