"""`docs/reference/fields.md` says of each field what the schema, the checks and the code say."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import pytest

from utsuwa.model import kinds
from utsuwa.model.admission import Denied, Request, admit
from utsuwa.model.kinds import Kind
from utsuwa.model.schema import SCHEMAS, Node
from utsuwa.model.schema.node import Type
from utsuwa.model.schema.pods import CONTAINER, PROBE
from utsuwa.model.settings import Features, Flag, Settings
from utsuwa.testing.builders import service

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "reference" / "fields.md"
SOURCES = ROOT / "src" / "utsuwa"

SECTIONS: Mapping[str, Node] = {
    "Service spec": SCHEMAS[kinds.SERVICE].at("spec"),
    "Route spec": SCHEMAS[kinds.ROUTE].at("spec"),
    "Revision spec": SCHEMAS[kinds.REVISION].at("spec"),
    "Container": CONTAINER,
    "Probe": PROBE,
    "DomainMapping spec": SCHEMAS[kinds.DOMAIN_MAPPING].at("spec"),
    "ClusterDomainClaim spec": SCHEMAS[kinds.CLUSTER_DOMAIN_CLAIM].at("spec"),
    "PodAutoscaler spec": SCHEMAS[kinds.POD_AUTOSCALER].at("spec"),
    "ServerlessService spec": SCHEMAS[kinds.SERVERLESS_SERVICE].at("spec"),
    "Ingress spec": SCHEMAS[kinds.INGRESS].at("spec"),
}
ELSEWHERE = (CONTAINER, PROBE, SECTIONS["Revision spec"])
"""Nodes that have a section of their own."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table; `paths` have no braces any more."""

    section: str
    paths: tuple[str, ...]
    treated: str
    meaning: str

    @property
    def flag(self) -> str:
        """The key of config-features that the field needs, or ""."""
        found = re.match(r"with `(.+?)`: ", self.treated)
        return found[1] if found else ""

    @property
    def verdict(self) -> str:
        return self.treated.rpartition(": ")[2]


def spread(path: str) -> list[str]:
    """`a.{b,c}` is `a.b` and `a.c`."""
    found = re.search(r"\{([^}]+)\}", path)
    if found is None:
        return [path]
    before, after = path[: found.start()], path[found.end() :]
    return [one for name in found[1].split(",") for one in spread(before + name + after)]


def rows_of(section: str) -> Iterator[Row]:
    text = PAGE.read_text().partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    assert text, f"fields.md has no section {section}"
    for path, treated, meaning in re.findall(
        r"^\| `([^`]+)` \| (.+?) \| (.*?) ?\|$", text, re.MULTILINE
    ):
        yield Row(section, tuple(spread(path)), treated, meaning)


ROWS = [row for section in SECTIONS for row in rows_of(section)]


def members(node: Node, path: str = "") -> Iterator[tuple[str, bool]]:
    """Each path below `node`, and whether nothing is below it that the schema knows."""
    if node.type is Type.ARRAY and node.items is not None:
        yield from members(node.items, f"{path}[]")
    elif node.type is Type.MAP and node.values is not None:
        yield from members(node.values, f"{path}.*")
    for name, member in node.members.items():
        here = f"{path}.{name}" if path else name
        inner = replace(member.items or member, always=False, preserve=False)
        apart = any(inner == replace(one, always=False) for one in ELSEWHERE)
        below = [] if apart else list(members(member, here))
        yield here, not below
        yield from below


@pytest.mark.parametrize("section", SECTIONS)
def test_every_field_of_the_schema_is_told_and_no_other(section: str) -> None:
    """Leaves have a row; what has a row is in the schema, or below a member that is left open."""
    schema = dict(members(SECTIONS[section]))
    told = {path for row in ROWS if row.section == section for path in row.paths}
    assert {path for path, leaf in schema.items() if leaf} - told == set()
    assert told - set(schema) == set()


def status_told(kind: str) -> set[str]:
    text = PAGE.read_text().partition("\n## Status\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `([^`]+)` \| ([\w, ]+?) \|", text, re.MULTILINE)
    common = ["observedGeneration", "annotations", *re.findall(r"`(conditions\S+)`", text)]
    mine = [path for path, of in rows if kind in of.split(", ")]
    return {one for path in (*common, *mine) for one in spread(path)}


@pytest.mark.parametrize(
    "kind",
    [kinds.SERVICE, kinds.CONFIGURATION, kinds.ROUTE, kinds.REVISION, kinds.DOMAIN_MAPPING],
    ids=lambda kind: kind.name,
)
def test_every_field_of_a_status_is_told_and_no_other(kind: Kind) -> None:
    status = SCHEMAS[kind].at("status")
    assert status_told(kind.name) == {path for path, leaf in members(status) if leaf}


# --- flags ----------------------------------------------------------------------------------------

VOLUME = {"containers": [{"volumeMounts": [{"name": "v", "mountPath": "/v", "readOnly": True}]}]}


def volume(source: str, content: object) -> dict[str, Any]:
    return {**VOLUME, "volumes": [{"name": "v", source: content}]}


SAMPLES: Mapping[str, Mapping[str, Any]] = {
    "initContainers": {"initContainers": [{"image": "dev.local/first"}]},
    "volumes[].persistentVolumeClaim": volume(
        "persistentVolumeClaim", {"claimName": "c", "readOnly": True}
    ),
    "volumes[].hostPath": volume("hostPath", {"path": "/tmp"}),
    "volumes[].csi": volume("csi", {"driver": "d", "readOnly": True}),
    "volumes[].ephemeral": volume("ephemeral", {"volumeClaimTemplate": {}}),
    "volumes[].image": volume("image", {"reference": "dev.local/data"}),
    "volumes[].emptyDir": volume("emptyDir", {}),
    "securityContext": {"securityContext": {"runAsUser": 1000}},
    "affinity": {"affinity": {"nodeAffinity": {}}},
    "nodeSelector": {"nodeSelector": {"disk": "fast"}},
    "tolerations": {"tolerations": [{"key": "k"}]},
    "topologySpreadConstraints": {"topologySpreadConstraints": [{"maxSkew": 1}]},
    "dnsConfig": {"dnsConfig": {"nameservers": ["1.1.1.1"]}},
    "dnsPolicy": {"dnsPolicy": "Default"},
    "hostAliases": {"hostAliases": [{"ip": "127.0.0.1", "hostnames": ["a.b"]}]},
    "hostIPC": {"hostIPC": True},
    "hostNetwork": {"hostNetwork": True},
    "hostPID": {"hostPID": True},
    "shareProcessNamespace": {"shareProcessNamespace": True},
    "priorityClassName": {"priorityClassName": "high"},
    "runtimeClassName": {"runtimeClassName": "kata"},
    "schedulerName": {"schedulerName": "mine"},
    "env[].valueFrom.fieldRef": {
        "containers": [{"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "a"}}}]}]
    },
    "env[].valueFrom.resourceFieldRef": {
        "containers": [{"env": [{"name": "A", "valueFrom": {"resourceFieldRef": {"r": "a"}}}]}]
    },
    "volumeMounts[].mountPropagation": {
        "containers": [
            {
                "volumeMounts": [
                    {"name": "v", "mountPath": "/v", "mountPropagation": "None", "readOnly": True}
                ]
            }
        ],
        "volumes": [{"name": "v", "configMap": {"name": "c"}}],
    },
    "securityContext.capabilities.add": {
        "containers": [{"securityContext": {"capabilities": {"add": ["NET_ADMIN"]}}}]
    },
}
"""A spec that has the field."""


def asked(spec: Mapping[str, Any], **flags: Flag) -> list[str]:
    """What admission says against a Service with the members `spec` in its template."""
    container = {"image": "dev.local/hello", **(spec.get("containers") or [{}])[0]}
    document = service("hello")
    document["spec"] = {"template": {"spec": {**spec, "containers": [container]}}}
    settings = replace(Settings(), features=replace(Features(), **flags))
    try:
        admit(Request(kinds.SERVICE, "CREATE", document), settings)
    except Denied as denied:
        return [denied.message]
    return []


def member_of_flag(key: str) -> str:
    """The member of Features that the key sets."""
    value = "Disabled" if Features.parse({key: "Disabled"}) != Features() else "Enabled"
    parsed = Features.parse({key: value})
    return next(
        f.name for f in fields(Features) if getattr(parsed, f.name) != getattr(Features(), f.name)
    )


@pytest.mark.parametrize("row", [row for row in ROWS if row.flag], ids=lambda row: row.paths[0])
def test_a_field_behind_a_flag_is_refused_without_it_and_taken_with_it(row: Row) -> None:
    spec = SAMPLES[row.paths[0]]
    assert asked(spec)
    assert asked(spec, **{member_of_flag(row.flag): Flag.ENABLED}) == []


def test_the_flag_that_is_on_can_be_turned_off() -> None:
    spec = SAMPLES["volumes[].emptyDir"]
    assert asked(spec) == []
    assert asked(spec, volumes_empty_dir=Flag.DISABLED)


NO_FIELD = {
    "multi-container", "multi-container-probing", "secure-pod-defaults", "tag-header-based-routing",
    "autodetect-http2", "queueproxy.mount-podinfo", "queueproxy.resource-defaults",
}  # fmt: skip


def test_every_flag_that_lets_a_field_in_is_on_the_page() -> None:
    """Asked of the parser: each flag of Features is named, save those that are about behaviour."""
    settings_page = (ROOT / "docs" / "reference" / "settings.md").read_text()
    section = settings_page.partition("\n## config-features\n")[2].partition("\n## ")[0]
    keys = set(re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE))
    assert len(keys) == len(fields(Features))
    assert {key for key in keys - NO_FIELD if f"`{key}`" not in PAGE.read_text()} == set()


# --- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize("member", ["configurationName", "url"])
def test_a_service_refuses_what_is_the_routes_business(member: str) -> None:
    document = service("hello")
    document["spec"]["traffic"] = [{"percent": 100, member: "x"}]
    with pytest.raises(Denied, match=f"must not set .*{member}"):
        admit(Request(kinds.SERVICE, "CREATE", document), Settings())


def test_a_route_refuses_an_address() -> None:
    document = kinds.ROUTE.document("default", "hello")
    document["spec"] = {"traffic": [{"configurationName": "hello", "percent": 100, "url": "x"}]}
    with pytest.raises(Denied, match=r"must not set .*url"):
        admit(Request(kinds.ROUTE, "CREATE", document), Settings())


def test_a_domain_mapping_refuses_a_group() -> None:
    document = kinds.DOMAIN_MAPPING.document("default", "shop.example.org")
    reference = {"kind": "Service", "name": "hello", "apiVersion": "serving.knative.dev/v1"}
    document["spec"] = {"ref": {**reference, "group": "serving.knative.dev"}}
    with pytest.raises(Denied, match=r"must not set .*group"):
        admit(Request(kinds.DOMAIN_MAPPING, "CREATE", document), Settings())


@pytest.mark.parametrize(
    "spec",
    [
        {"automountServiceAccountToken": True},
        {"containers": [{"securityContext": {"privileged": True}}]},
        {"containers": [{"ports": [{"containerPort": 80, "protocol": "UDP"}]}]},
        {"containers": [{"name": "queue-proxy"}]},
        {"containers": [{"env": [{"name": "PORT", "value": "1"}]}]},
        {"containerConcurrency": 1001},
        {"timeoutSeconds": 601},
    ],
    ids=str,
)
def test_values_that_the_page_calls_refused_are_refused(spec: Mapping[str, Any]) -> None:
    assert asked(spec)


@pytest.mark.parametrize(
    "spec",
    [
        {"automountServiceAccountToken": False},
        {"containers": [{"securityContext": {"privileged": False}}]},
        {"timeoutSeconds": 600, "containerConcurrency": 1000},
    ],
    ids=str,
)
def test_the_values_beside_them_are_taken(spec: Mapping[str, Any]) -> None:
    assert asked(spec) == []


# --- honoured or kept -----------------------------------------------------------------------------

ACTING = ("node", "controllers", "routing", "gateway", "app/identity.py", "model/children")


def literals() -> set[str]:
    """Every text in quotes in the rooms that act on objects."""
    files = [
        file
        for place in ACTING
        for file in (
            [SOURCES / place] if place.endswith(".py") else (SOURCES / place).rglob("*.py")
        )
    ]
    return {word for file in files for word in re.findall(r'"([A-Za-z]+)"', file.read_text())}


LITERALS = literals()


@pytest.mark.parametrize(
    "path",
    [
        path
        for row in ROWS
        if row.verdict == "honoured" and row.section in {"Revision spec", "Container", "Probe"}
        for path in row.paths
    ],
)
def test_what_is_called_honoured_is_read_by_whoever_acts(path: str) -> None:
    name = re.split(r"[.\[\]]+", path.removesuffix("[]"))[-1]
    assert name in LITERALS, f"nothing below {', '.join(ACTING)} reads {path}"


SHOWN = {
    "affinity", "initContainers", "terminationMessagePolicy", "securityContext", "add", "host",
    "image", "protocol", "scheme", "type",
}  # fmt: skip
"""Names that are read of something else, or only to be shown."""


@pytest.mark.parametrize(
    "path",
    [
        path
        for row in ROWS
        if row.verdict == "kept" and row.section in {"Revision spec", "Container", "Probe"}
        for path in row.paths
    ],
)
def test_what_is_called_kept_is_read_by_nobody_who_acts(path: str) -> None:
    """Whoever makes a field work finds the page to be wrong."""
    segments = re.findall(r"[A-Za-z]+", path)
    assert not all(segment in LITERALS - SHOWN for segment in segments)
