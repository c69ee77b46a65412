"""OpenAPI v3: an index, and one document a group-version (`spec/kubernetes-api.md` §4.4).

kubectl reads from it that PATCH takes `fieldValidation` and `dryRun` (and then leaves validation
to the server), how lists merge, and what `explain` shows. Documents are built when first asked
for, and kept.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from utsuwa.apiserver import core_openapi
from utsuwa.apiserver.core_types import type_name
from utsuwa.apiserver.discovery import KUBERNETES, SERVED, verbs_of
from utsuwa.apiserver.lists import is_built_in
from utsuwa.apiserver.schemas import described, open_api_of
from utsuwa.kit.documents import Document, encode
from utsuwa.model.kinds import Kind

JSON = "application/json"
_PATCH_TYPES = (
    "application/json-patch+json", "application/merge-patch+json", "application/apply-patch+yaml",
)  # fmt: skip
_STRATEGIC = "application/strategic-merge-patch+json"
_TEXT, _FLAG = {"type": "string"}, {"type": "boolean"}
_WHOLE = {"type": "integer", "minimum": 0}

_PARAMETERS: dict[str, tuple[str, Mapping[str, Any]]] = {
    "dryRun": (
        "When present, nothing is stored. The one valid value is: All.",
        {"type": "string", "enum": ["All"]},
    ),
    "fieldManager": ("The name of the actor that makes the change.", _TEXT),
    "fieldValidation": (
        "What to do with unknown or duplicate fields: Ignore, Warn or Strict.",
        {"type": "string", "enum": ["Ignore", "Warn", "Strict"]},
    ),
    "force": ("Apply takes fields from their owners.", _FLAG),
    "labelSelector": ("Only objects with these labels.", _TEXT),
    "fieldSelector": ("Only objects with these fields.", _TEXT),
    "limit": ("The most objects in one answer.", _WHOLE),
    "continue": ("Where the next answer begins, as the last one told.", _TEXT),
    "resourceVersion": ("How new the answer must be, or after what a watch begins.", _TEXT),
    "resourceVersionMatch": ("Exact, or NotOlderThan.", _TEXT),
    "timeoutSeconds": ("When a watch ends.", _WHOLE),
    "watch": ("Changes as they come, instead of a list.", _FLAG),
    "allowWatchBookmarks": ("Whether a watch tells how far it has come.", _FLAG),
    "sendInitialEvents": ("Whether a watch begins with what there is.", _FLAG),
    "gracePeriodSeconds": ("How long a Pod may take to end.", _WHOLE),
    "propagationPolicy": (
        "What becomes of what the object owns.",
        {"type": "string", "enum": ["Background", "Foreground", "Orphan"]},
    ),
}
_WRITES = ("dryRun", "fieldManager", "fieldValidation")
_SELECTS = ("labelSelector", "fieldSelector")
_TAKES: dict[str, tuple[str, ...]] = {
    "get": (),
    "post": _WRITES,
    "put": _WRITES,
    "patch": (*_WRITES, "force"),
    "delete": ("dryRun", "gracePeriodSeconds", "propagationPolicy"),
    "deletecollection": ("dryRun", "gracePeriodSeconds", "propagationPolicy", *_SELECTS),
    "list": (
        *_SELECTS, "limit", "continue", "resourceVersion", "resourceVersionMatch", "timeoutSeconds",
        "watch", "allowWatchBookmarks", "sendInitialEvents",
    ),
}  # fmt: skip
_SCALE = "io.k8s.api.autoscaling.v1.Scale"


@cache
def index() -> bytes:
    """`GET /openapi/v3`: where each group-version's document is."""
    paths = {
        _place(version): {
            "serverRelativeURL": f"/openapi/v3/{_place(version)}?hash={digest(version)}"
        }
        for version in _versions()
    }
    return encode({"paths": paths})


@cache
def digest(api_version: str) -> str:
    """A document's hash: it changes when the document does, so clients may keep it."""
    return hashlib.sha256(document(api_version) or b"").hexdigest()[:32].upper()


@cache
def document(api_version: str) -> bytes | None:
    """`GET /openapi/v3/apis/G/V`, None when there is no such group-version."""
    kinds = [kind for kind in SERVED if kind.api_version == api_version]
    if not kinds:
        return None
    return encode(_document(kinds))


@cache
def whole() -> bytes:
    """One document of everything, for tools that take only one."""
    return encode(_document(SERVED))


def schema_name(kind: Kind) -> str:
    """The name of a kind's schema: `dev.knative.serving.v1.Service`."""
    name = type_name(kind.api_version, kind.name)
    if name:
        return core_openapi.component(name)
    return f"{'.'.join(reversed(kind.group.split('.')))}.{kind.version}.{kind.name}"


def schemas_of(kinds: Iterable[Kind]) -> Document:
    """The components of some kinds, of their lists, and of all that these are made of."""
    found: Document = {
        **core_openapi.SHARED,
        **core_openapi.components(core_openapi.OBJECT_META),
        **core_openapi.components(core_openapi.DELETE_OPTIONS),
    }
    for kind in kinds:
        name = type_name(kind.api_version, kind.name)
        if name:
            found |= core_openapi.components(name)
            found[schema_name(kind)] = _typed(kind, found[schema_name(kind)])
        else:
            found[schema_name(kind)] = _custom(kind)
        found[f"{schema_name(kind)}List"] = _list_of(kind)
        if "scale" in kind.subresources:
            found |= core_openapi.components("autoscaling.v1.Scale")
    return found


def _document(kinds: Sequence[Kind]) -> Document:
    paths: Document = {}
    for kind in kinds:
        paths.update(_paths(kind))
    return {
        "openapi": "3.0.0",
        "info": {"title": "Utsuwa", "version": KUBERNETES},
        "paths": paths,
        "components": {"schemas": schemas_of(kinds)},
    }


def _typed(kind: Kind, schema: Document) -> Document:
    """A built-in kind: its type, and what every object has beside it."""
    properties = {"apiVersion": _TEXT, "kind": _TEXT, **schema["properties"]}
    return {**schema, "properties": properties, **described(kind)}


def _custom(kind: Kind) -> Document:
    schema = open_api_of(kind)
    metadata = core_openapi.reference(core_openapi.OBJECT_META)
    return {**schema, "properties": {**schema["properties"], "metadata": metadata}}


def _list_of(kind: Kind) -> Document:
    return {
        "description": f"A list of {kind.name}.",
        "type": "object",
        "required": ["items"],
        "properties": {
            "apiVersion": _TEXT,
            "kind": _TEXT,
            "metadata": _ref(core_openapi.LIST_META),
            "items": {"type": "array", "items": _ref(schema_name(kind))},
        },
        "x-kubernetes-group-version-kind": [
            {"group": kind.group, "version": kind.version, "kind": f"{kind.name}List"}
        ],
    }


def _versions() -> list[str]:
    return list(dict.fromkeys(kind.api_version for kind in SERVED))


def _place(api_version: str) -> str:
    return f"apis/{api_version}" if "/" in api_version else f"api/{api_version}"


def _paths(kind: Kind) -> Document:
    verbs = verbs_of(kind)
    base = f"/{_place(kind.api_version)}"
    names = ["namespace"] if kind.namespaced else []
    many = f"{base}/namespaces/{{namespace}}/{kind.plural}" if names else f"{base}/{kind.plural}"
    lists = {
        "list": _operation(kind, "list", schema_name(kind) + "List"),
        "create": _operation(kind, "post", schema_name(kind)),
        "deletecollection": _operation(kind, "deletecollection", schema_name(kind) + "List"),
    }
    methods = {"list": "get", "create": "post", "deletecollection": "delete"}
    found: Document = {
        many: {
            "parameters": _in_path(names),
            **{methods[verb]: lists[verb] for verb in methods if verb in verbs},
        },
        f"{many}/{{name}}": _one(kind, [*names, "name"], schema_name(kind), verbs),
    }
    if kind.namespaced:
        found[f"{base}/{kind.plural}"] = {
            "get": _operation(kind, "list", schema_name(kind) + "List", "All")
        }
    for sub in ("status", "scale"):
        if sub in kind.subresources:
            shape = _SCALE if sub == "scale" else schema_name(kind)
            changes = ("get", "update", "patch")
            found[f"{many}/{{name}}/{sub}"] = _one(kind, [*names, "name"], shape, changes, sub)
    return found


def _one(
    kind: Kind, names: Sequence[str], shape: str, verbs: Sequence[str], sub: str = ""
) -> Document:
    methods = {"get": "get", "update": "put", "patch": "patch", "delete": "delete"}
    operations = {
        method: _operation(kind, method, shape, sub.capitalize())
        for verb, method in methods.items()
        if verb in verbs
    }
    return {"parameters": _in_path(names), **operations}


def _in_path(names: Sequence[str]) -> list[Document]:
    return [{"name": name, "in": "path", "required": True, "schema": _TEXT} for name in names]


def _operation(kind: Kind, action: str, shape: str, suffix: str = "") -> Document:
    gvk = {"group": kind.group, "version": kind.version, "kind": kind.name}
    if shape == _SCALE:
        gvk = {"group": "autoscaling", "version": "v1", "kind": "Scale"}
    operation: Document = {
        "operationId": f"{action}{_camel(kind)}{suffix}",
        "parameters": [
            {"name": name, "in": "query", "description": text, "schema": schema}
            for name, (text, schema) in ((name, _PARAMETERS[name]) for name in _TAKES[action])
        ],
        "responses": _responses(action, shape),
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": gvk,
    }
    if action in {"post", "put"}:
        operation["requestBody"] = {"content": _json(_ref(shape)), "required": True}
    elif action == "patch":
        forms = (*_PATCH_TYPES, _STRATEGIC) if is_built_in(kind) else _PATCH_TYPES
        operation["requestBody"] = {
            "content": {
                form: {"schema": {"type": "array" if "json-patch" in form else "object"}}
                for form in forms
            },
            "required": True,
        }
    elif action.startswith("delete"):
        options = core_openapi.reference(core_openapi.DELETE_OPTIONS)
        operation["requestBody"] = {"content": _json(options)}
    return operation


def _responses(action: str, shape: str) -> Document:
    """What an operation answers; whatever is refused is a Status."""
    told: Document = _ref(shape)
    if action == "delete":  # an object that lingers is told as it is, one that is gone is not
        told = {"anyOf": [_ref(core_openapi.STATUS), told]}
    codes = {"post": ("201",), "patch": ("200", "201")}.get(action, ("200",))
    answers = {code: {"description": "Done.", "content": _json(told)} for code in codes}
    refused = {"description": "Refused.", "content": _json(_ref(core_openapi.STATUS))}
    return {**answers, "default": refused}


def _json(schema: Document) -> Document:
    return {JSON: {"schema": schema}}


def _ref(name: str) -> Document:
    return {"$ref": f"#/components/schemas/{name}"}


def _camel(kind: Kind) -> str:
    return (
        "".join(part.capitalize() for part in kind.group.split("."))
        + kind.version.capitalize()
        + kind.name
    )
