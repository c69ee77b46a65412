"""What calls come to, as HTTP: documents, warnings, refusals."""

from aiohttp import web

from utsuwa.apiserver.bodies import YAML, to_yaml
from utsuwa.apiserver.calls import Outcome
from utsuwa.apiserver.status import failure
from utsuwa.cluster.errors import ApiError, NotFoundError
from utsuwa.kit.documents import decode, encode

_JSON = "application/json"
_LONGEST_WARNING, _MOST_WARNED = 1024, 4096
"""Characters of one warning, and of all that an answer carries."""


def not_found() -> NotFoundError:
    """There is nothing at that path."""
    return NotFoundError("the server could not find the requested resource")


def json_answer(data: bytes, code: int = 200) -> web.Response:
    """A document that is JSON already."""
    return web.Response(
        body=data, status=code, content_type=_JSON, headers={"Cache-Control": "no-cache, private"}
    )


def outcome_answer(outcome: Outcome, *, yaml: bool = False) -> web.Response:
    """What a call came to, with its warnings."""
    if yaml:
        response = json_answer(
            to_yaml(decode(outcome.body) if outcome.body else outcome.document), outcome.code
        )
        response.content_type = YAML
    else:
        response = json_answer(outcome.body or encode(outcome.document), outcome.code)
    told = 0
    for warning in outcome.warnings:
        text = "".join(char if char.isprintable() else " " for char in warning)[:_LONGEST_WARNING]
        told += len(text)
        if told > _MOST_WARNED:  # clients refuse an answer whose head is too long
            break
        text = text.replace("\\", "\\\\").replace('"', '\\"')
        response.headers.add("Warning", f'299 - "{text}"')
    return response


def status_answer(error: ApiError) -> web.Response:
    """A refusal."""
    return json_answer(encode(failure(error)), error.code)
