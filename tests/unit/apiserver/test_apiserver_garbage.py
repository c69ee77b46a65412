"""Whatever a client sends: an answer below 500, and nothing that breaks the next reader."""

import json
import random
from typing import Any

import pytest

from utsuwa.app.admission import admission
from utsuwa.cluster.port import Key
from utsuwa.kit.documents import Document
from utsuwa.model.kinds import KINDS, Kind
from utsuwa.model.settings import Settings
from utsuwa.testing.apiserver import Serving

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
PATCHES = ("merge-patch+json", "json-patch+json", "strategic-merge-patch+json", "apply-patch+yaml")
MEMBERS = (
    "apiVersion", "kind", "metadata", "spec", "status", "data", "subsets", "endpoints",
    "addresses", "ports", "containers", "template", "traffic", "labels", "annotations", "name",
    "namespace", "finalizers", "ownerReferences", "managedFields", "fieldsV1", "manager",
    "conditions", "containerStatuses", "initContainerStatuses", "state", "terminated",
    "involvedObject", "source", "replicas", "selector", "matchLabels", "env", "resources",
    "readinessProbe", "percent", "image", "loadBalancer", "ingress", "creationTimestamp",
    "resourceVersion", "generateName", "$patch", "op", "path", "value", "hosts", "rules",
)  # fmt: skip
SCALARS: tuple[Any, ...] = (
    None, True, False, 0, -1, 1 << 70, 1.5, 1e300, "", "a", "A b", "\x00", "\ud83c\udf3a", "/",
    "default", "replace", "add", "/spec/x", "2026-11-23T12:00:00Z", [], {},
)  # fmt: skip


def garbage(source: random.Random, depth: int = 4) -> Any:
    shape = source.random()
    if depth == 0 or shape < 0.3:
        return source.choice(SCALARS)
    if shape < 0.5:
        return [garbage(source, depth - 1) for _ in range(source.randrange(3))]
    return {
        source.choice(MEMBERS): garbage(source, depth - 1) for _ in range(source.randrange(1, 6))
    }


def mostly_right(source: random.Random, kind: Kind, name: str) -> Document:
    """An object with its identity, so that the rest of it is looked at too."""
    document = kind.document("default", name)
    for member in source.sample(MEMBERS, 6):
        if member not in document:
            document[member] = garbage(source)
    for member in source.sample(MEMBERS, 2):
        if member not in {"name", "namespace"}:
            document["metadata"][member] = garbage(source, 2)
    return document


def base(kind: Kind) -> str:
    root = f"/apis/{kind.api_version}" if kind.group else f"/api/{kind.api_version}"
    return (
        f"{root}/namespaces/default/{kind.plural}" if kind.namespaced else f"{root}/{kind.plural}"
    )


async def ask(api: Serving, method: str, path: str, body: bytes, content_type: str) -> int:
    headers = {"Content-Type": content_type, "Accept": TABLE}
    async with api.http.request(method, path, data=body, headers=headers) as response:
        told = await response.text()
        assert response.status < 500, f"{method} {path} {content_type}: {body!r}: {told}"
        json.loads(told)
        return response.status


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
async def test_no_request_is_our_fault(api: Serving, seed: int) -> None:
    """A seeded stream of requests to every kind: created, patched, listed as tables."""
    settings = Settings.parse({})
    api.admit(admission(lambda: settings))
    source = random.Random(seed)
    stored = 0
    for number in range(200):
        kind = source.choice(KINDS)
        name = f"x{number}"
        document = mostly_right(source, kind, name)
        body = json.dumps(document).encode()
        code = await ask(api, "POST", f"{base(kind)}?fieldValidation=Ignore", body, "")
        stored += code == 201
        form = f"application/{source.choice(PATCHES)}"
        patch = json.dumps(garbage(source) if source.random() < 0.5 else document).encode()
        query = "?fieldManager=a&force=true"
        for sub in ("", "/status"):
            await ask(api, "PATCH", f"{base(kind)}/{name}{sub}{query}", patch, form)
        await ask(api, "PUT", f"{base(kind)}/{name}/status", body, "")
        await ask(api, "GET", base(kind), b"", "")
    assert stored > 20, "the test has become too wild to reach anything"


async def test_a_malformed_object_does_not_hide_the_others(api: Serving) -> None:
    """One bad status must not spoil the table of all."""
    kind = next(kind for kind in KINDS if kind.name == "Pod")
    for name in ("good", "bad"):
        spec = {"containers": [{"name": "a", "image": "x"}]}
        await api.cluster.create(kind.document("default", name, spec=spec))
    broken = {"status": {"containerStatuses": 3, "conditions": "x", "phase": ["y"]}}
    await api.cluster.merge(kind, Key("default", "bad"), broken, subresource="status")
    async with api.http.get(base(kind), headers={"Accept": TABLE}) as response:
        rows = (await response.json())["rows"]
    assert [row["cells"][0] for row in rows] == ["bad", "good"]
    assert rows[1]["cells"][2] == "Pending"
