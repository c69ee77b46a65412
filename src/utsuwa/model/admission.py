"""Admission: what becomes of an object on its way into the store (`spec/resources.md` §2).

Order: strict decoding, pruning, the schema's own defaults and types, defaulting, validation, and
for dry runs a look at the pod. Pure: the API server calls :func:`admit` on every write, for every
client alike, and turns :class:`Denied` into a Status.
"""

from dataclasses import dataclass, replace
from typing import Any, Literal

from utsuwa.kit.documents import Document
from utsuwa.model import kinds
from utsuwa.model.config_maps import config_map_fault
from utsuwa.model.defaults import default, default_over
from utsuwa.model.kinds import Kind
from utsuwa.model.meta import annotations_of, name_of
from utsuwa.model.normal_form import normal
from utsuwa.model.ports import with_numbered_probe_ports
from utsuwa.model.problems import Problem
from utsuwa.model.schema import SCHEMAS, Fault, Node, faults, fill, prune, unknown_fields
from utsuwa.model.settings import Settings
from utsuwa.model.validation import validate
from utsuwa.model.validation.pod_dry_run import pod_dry_run_fault

FieldValidation = Literal["Strict", "Warn", "Ignore"]

VALIDATION_WEBHOOK = "validation.webhook.serving.knative.dev"
CONFIG_WEBHOOK = "config.webhook.serving.knative.dev"


@dataclass(frozen=True, slots=True)
class Request:
    """A write. `old` is what is stored now; `subresource` "" or "status"; `field_validation` what
    becomes of members that the schema does not know, beside being pruned."""

    kind: Kind
    operation: Literal["CREATE", "UPDATE", "DELETE"]
    object: Document
    old: Document | None = None
    user: str = ""
    subresource: str = ""
    dry_run: bool = False
    field_validation: FieldValidation = "Ignore"


@dataclass(frozen=True, slots=True)
class Admitted:
    """What to store, and what to tell the client beside it (one `Warning` header each)."""

    document: Document
    warnings: tuple[str, ...] = ()


class Denied(Exception):  # noqa: N818  (it is the verdict, not a failure of ours)
    """The write is refused. `code` 400, or 422 with `causes` for breaches of the schema."""

    def __init__(
        self,
        problems: tuple[Problem, ...],
        message: str,
        *,
        code: int = 400,
        causes: tuple[Fault, ...] = (),
    ) -> None:
        super().__init__(message)
        self.problems = problems
        self.message = message
        self.code = code
        self.causes = causes

    @property
    def reason(self) -> str:
        """The reason of the Status: `Invalid` or `BadRequest`."""
        return "Invalid" if self.code == 422 else "BadRequest"


def admit(request: Request, settings: Settings) -> Admitted:
    """The document to store, and warnings. The request's documents are left as they are.

    Raises:
        Denied: the write is refused; the message is what the client must see.
    """
    if request.operation == "DELETE":
        return Admitted(request.object)
    if request.kind is kinds.CONFIG_MAP:
        return _admit_config_map(request)
    schema = SCHEMAS.get(request.kind)
    if schema is None:
        return Admitted(request.object)
    warnings = _unknown(request, schema)
    clean = replace(
        request,
        object=_conformed(request.object, schema, request.kind),
        old=None if request.old is None else prune(request.old, schema),
    )
    document, problems = _decided(clean, settings)
    refusals = tuple(problem for problem in problems if not problem.warning)
    if refusals:
        text = "\n".join(str(problem) for problem in refusals)
        raise Denied(refusals, _denial(VALIDATION_WEBHOOK, f"validation failed: {text}"))
    _dry_run(clean, document)
    warnings += [str(problem) for problem in problems if problem.warning]
    return Admitted(_stored(document), tuple(warnings))


def _decided(request: Request, settings: Settings) -> tuple[Document, list[Problem]]:
    """The document with defaults, and what is wrong with it."""
    operation: Literal["CREATE", "UPDATE"] = "CREATE" if request.old is None else "UPDATE"
    before = None if request.old is None else default(request.old, settings, operation=None)
    document = default_over(
        request.object, settings, operation=operation, before=before, user=request.user
    )
    problems = validate(
        document,
        settings,
        kind=request.kind,
        old=before,
        status_only=request.subresource == "status",
    )
    return document, problems


def _unknown(request: Request, schema: Node) -> list[str]:
    if request.field_validation == "Ignore":
        return []
    found = [f'unknown field "{path}"' for path in unknown_fields(request.object, schema)]
    if found and request.field_validation == "Strict":
        raise Denied((), f"strict decoding error: {', '.join(found)}")
    return found


def _conformed(document: Document, schema: Node, kind: Kind) -> Document:
    """The document as the schema knows it: pruned, typed, in normal form."""
    pruned: Document = prune(document, schema)
    found = faults(pruned, schema)
    if found:
        listed = ", ".join(str(fault) for fault in found)
        text = f"[{listed}]" if len(found) > 1 else listed
        message = f'{kind.name}.{kind.group} "{name_of(document)}" is invalid: {text}'
        raise Denied((), message, code=422, causes=tuple(found))
    return with_numbered_probe_ports(normal(fill(pruned, schema)))


def _dry_run(request: Request, document: Document) -> None:
    """Only a dry run asks what the pod would say; a real one learns it from the reconciler."""
    if not request.dry_run or request.subresource:
        return
    fault = pod_dry_run_fault(request.kind, document)
    if fault:
        text = f"validation callback failed: dry run failed with {fault}: spec.template"
        raise Denied((), _denial(VALIDATION_WEBHOOK, text))


def _admit_config_map(request: Request) -> Admitted:
    fault = config_map_fault(request.object)
    if fault:
        raise Denied((), _denial(CONFIG_WEBHOOK, f"validation failed: {fault}"))
    return Admitted(request.object)


def _denial(webhook: str, text: str) -> str:
    return f'admission webhook "{webhook}" denied the request: {text}'


def _stored(document: Document) -> Document:
    """Without the empty status that the normal form carries: there is none until one is written."""
    result: dict[str, Any] = {
        key: value for key, value in document.items() if key != "status" or value
    }
    if "annotations" in result["metadata"] and not annotations_of(result):
        result["metadata"] = {
            key: value for key, value in result["metadata"].items() if key != "annotations"
        }
    return result
