"""OpenAPI v3: an index, and one document a group-version (`spec/kubernetes-api.md` §4.4).

kubectl reads from it that PATCH takes `fieldValidation` and `dryRun` (and then leaves validation
to the server), and what `explain` shows. Documents are built when first asked for, and kept.
"""

import hashlib
from collections.abc import Mapping
from functools import cache

from utsuwa.apiserver.discovery import KUBERNETES
from utsuwa.apiserver.schemas import open_api_of
from utsuwa.kit.documents import Document, encode
from utsuwa.model.kinds import KINDS, Kind

_OPTIONS = {
    "dryRun": "When present, nothing is stored. The one valid value is: All.",
    "fieldManager": "The name of the actor that makes the change.",
    "fieldValidation": "What to do with unknown or duplicate fields: Ignore, Warn or Strict.",
}
_PATCH_TYPES = (
    "application/json-patch+json", "application/merge-patch+json", "application/apply-patch+yaml",
)  # fmt: skip


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
    kinds = [kind for kind in KINDS if kind.api_version == api_version]
    if not kinds:
        return None
    paths: Document = {}
    schemas: Document = {}
    for kind in kinds:
        paths.update(_paths(kind))
        schemas[schema_name(kind)] = open_api_of(kind)
    return encode({
        "openapi": "3.0.0",
        "info": {"title": "Utsuwa", "version": KUBERNETES},
        "paths": paths,
        "components": {"schemas": schemas},
    })  # fmt: skip


def schema_name(kind: Kind) -> str:
    """The name of a kind's schema: `dev.knative.serving.v1.Service`."""
    group = ".".join(reversed(kind.group.split("."))) if kind.group else "io.k8s.api.core"
    return f"{group}.{kind.version}.{kind.name}"


def _versions() -> list[str]:
    return list(dict.fromkeys(kind.api_version for kind in KINDS))


def _place(api_version: str) -> str:
    return f"apis/{api_version}" if "/" in api_version else f"api/{api_version}"


def _paths(kind: Kind) -> Document:
    scope = "/namespaces/{namespace}" if kind.namespaced else ""
    base = f"/{_place(kind.api_version)}{scope}/{kind.plural}"
    names = ["name", *(["namespace"] if kind.namespaced else [])]
    place = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in names
    ]
    one = {
        "parameters": place,
        "get": _operation(kind, "get", {}),
        "put": _operation(kind, "put", _OPTIONS),
        "patch": _operation(kind, "patch", {**_OPTIONS, "force": "Take fields from others."}),
        "delete": _operation(kind, "delete", {"dryRun": _OPTIONS["dryRun"]}),
    }
    many = {
        "parameters": place[1:],
        "get": _operation(kind, "list", {}),
        "post": _operation(kind, "post", _OPTIONS),
    }
    return {f"{base}/{{name}}": one, base: many}


def _operation(kind: Kind, action: str, parameters: Mapping[str, str]) -> Document:
    shape = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema_name(kind)}"}}}
    operation: Document = {
        "operationId": f"{action}{kind.name}",
        "parameters": [
            {"name": name, "in": "query", "description": text, "schema": {"type": "string"}}
            for name, text in parameters.items()
        ],
        "responses": {"200": {"description": "OK", "content": shape}},
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": {
            "group": kind.group, "version": kind.version, "kind": kind.name,
        },
    }  # fmt: skip
    if action in {"post", "put"}:
        operation["requestBody"] = {"content": shape, "required": True}
    if action == "patch":
        anything = {media: {"schema": {"type": "object"}} for media in _PATCH_TYPES}
        operation["requestBody"] = {"content": anything, "required": True}
    return operation
