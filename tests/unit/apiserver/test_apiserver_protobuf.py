"""Protobuf bodies become the documents that JSON bodies would have been."""

import random
from collections.abc import Iterable
from typing import Any

import pytest

from utsuwa.apiserver.core_types import type_name
from utsuwa.apiserver.protobuf import read
from utsuwa.apiserver.status import UnsupportedMediaTypeError
from utsuwa.cluster.errors import BadRequestError


def varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def message(*fields: tuple[int, Any]) -> bytes:
    """Members by number: whole numbers, texts, or the bytes of an inner message."""
    out = b""
    for number, value in fields:
        if isinstance(value, int):
            out += varint(number << 3) + varint(value)
        else:
            data = value.encode() if isinstance(value, str) else value
            out += varint(number << 3 | 2) + varint(len(data)) + data
    return out


def body(api_version: str, kind: str, raw: bytes) -> bytes:
    about = message((1, api_version), (2, kind))
    return b"k8s\x00" + message((1, about), (2, raw), (3, ""), (4, ""))


def metadata(name: str, *more: tuple[int, Any]) -> bytes:
    """As Go writes one: with everything that is empty."""
    return message((1, name), (2, ""), (3, ""), (4, ""), (5, ""), (6, ""), (7, 0), (8, b""), *more)


def entry(key: str, value: Any) -> bytes:
    return message((1, key), (2, value))


def test_a_config_map() -> None:
    """Maps of texts; what Go writes though it is empty is dropped."""
    raw = message(
        (1, metadata("c", (11, entry("app", "x")), (12, entry("note", "")))),
        (2, entry("k", "v")), (2, entry("empty", "")), (3, entry("b", b"\x00\x01")),
    )  # fmt: skip
    assert read(body("v1", "ConfigMap", raw)) == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "c", "labels": {"app": "x"}, "annotations": {"note": ""}},
        "data": {"k": "v", "empty": ""},
        "binaryData": {"b": "AAE="},
    }


def test_a_secret_is_base64() -> None:
    """Bytes are base64 in JSON."""
    raw = message((1, metadata("s")), (2, entry("p", b"secret")), (3, "Opaque"))
    assert read(body("v1", "Secret", raw))["data"] == {"p": "c2VjcmV0"}


def test_a_deployment_with_all_that_is_special() -> None:
    """Pointers keep their zero; quantities, ports that are texts or numbers, probes inline."""
    quantity = entry("cpu", message((1, "100m")))
    handler = message((2, message((1, "/z"), (2, message((1, 1), (2, 0), (3, "http"))), (3, ""))))
    probe = message((1, handler), (2, 0), (3, 1))
    number = message((2, message((2, message((1, 0), (2, 8080), (3, ""))))))
    secret = message((4, message((1, message((1, "s"))), (2, "key"))))
    container = message(
        (1, "c"), (2, "img"), (6, message((1, ""), (2, 0), (3, 8080))),
        (7, message((1, "A"), (2, ""), (3, secret))), (8, message((1, quantity))),
        (10, probe), (11, message((1, number))), (13, ""), (18, 0),
    )  # fmt: skip
    volume = message((1, "v"), (2, message((2, b""))))
    pod = message((1, volume), (2, container), (3, ""), (4, 0), (14, b""), (9, ""))
    template = message((1, metadata("", (11, entry("app", "d")))), (3, b""))
    template = message((1, metadata("", (11, entry("app", "d")))), (2, pod))
    spec = message((1, 0), (2, message((1, entry("app", "d")))), (3, template), (4, b""), (5, 0))
    raw = message((1, metadata("d")), (2, spec), (3, message((1, 0), (2, 0))))
    assert read(body("apps/v1", "Deployment", raw)) == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d"},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": {"app": "d"}},
            "template": {
                "metadata": {"labels": {"app": "d"}},
                "spec": {
                    "volumes": [{"name": "v", "emptyDir": {}}],
                    "containers": [
                        {
                            "name": "c",
                            "image": "img",
                            "ports": [{"containerPort": 8080}],
                            "env": [
                                {
                                    "name": "A",
                                    "valueFrom": {"secretKeyRef": {"name": "s", "key": "key"}},
                                }
                            ],
                            "resources": {"limits": {"cpu": "100m"}},
                            "livenessProbe": {
                                "httpGet": {"path": "/z", "port": "http"},
                                "timeoutSeconds": 1,
                            },
                            "readinessProbe": {"httpGet": {"port": 8080}},
                        }
                    ],
                    "terminationGracePeriodSeconds": 0,
                    "securityContext": {},
                },
            },
        },
    }


def test_times_and_embedded_json() -> None:
    """Seconds and nanoseconds become RFC 3339; FieldsV1 is the JSON that it holds."""
    fields = message((1, "me"), (2, "Update"), (4, message((1, 1_600_000_000), (2, 0))),
                     (7, message((1, b'{"f:data":{}}'))))  # fmt: skip
    lease = message((1, "me"), (2, 15), (4, message((1, 1_600_000_000), (2, 123_456_000))))
    raw = message((1, metadata("l", (17, fields))), (2, lease))
    told = read(body("coordination.k8s.io/v1", "Lease", raw))
    (manager,) = told["metadata"]["managedFields"]
    assert manager["time"] == "2020-09-13T12:26:40Z"
    assert manager["fieldsV1"] == {"f:data": {}}
    assert told["spec"] == {
        "holderIdentity": "me", "leaseDurationSeconds": 15,
        "renewTime": "2020-09-13T12:26:40.123456Z",
    }  # fmt: skip


def test_options_and_negative_numbers() -> None:
    """DeleteOptions come in the group of what is deleted."""
    raw = message((1, -1), (2, message((1, "uid-1"))), (4, "Foreground"), (5, "All"))
    assert read(body("apps/v1", "DeleteOptions", raw)) == {
        "apiVersion": "apps/v1",
        "kind": "DeleteOptions",
        "gracePeriodSeconds": -1,
        "preconditions": {"uid": "uid-1"},
        "propagationPolicy": "Foreground",
        "dryRun": ["All"],
    }


def test_a_review_with_extra_values() -> None:
    """A map to lists, which protobuf has as messages."""
    spec = message((3, "eve"), (5, entry("scopes", message((1, "a"), (1, "b")))))
    raw = message((1, metadata("")), (2, spec), (3, message((1, 0))))
    told = read(body("authorization.k8s.io/v1", "SubjectAccessReview", raw))
    assert told["spec"] == {"user": "eve", "extra": {"scopes": ["a", "b"]}}


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"{}", "begin with k8s"),
        (b"k8s\x00\xff", "does not end"),
        (b"k8s\x00" + message((1, message((1, "v1"), (2, "Pod"))), (2, 5)), "expected bytes"),
        (b"k8s\x00" + b"\x0a\x7f", "expected 127 bytes, found 0"),
        (b"k8s\x00\x0b", "wire type"),
        (body("v1", "ConfigMap", message((1, message((1, b"\xff"))))), "utf-8"),
        (body("v1", "ServiceAccount", message((4, "x"))), "expected a number"),
        (body("coordination.k8s.io/v1", "Lease",
              message((2, message((4, message((1, 1 << 60))))))), "protobuf"),
    ],
)  # fmt: skip
def test_what_is_malformed_is_refused(data: bytes, told: str) -> None:
    """400, with what was expected."""
    with pytest.raises(BadRequestError, match=told):
        read(data)


@pytest.mark.parametrize(
    ("api_version", "kind"),
    [
        ("serving.knative.dev/v1", "Service"),
        ("v1", "Widget"),
        ("apps.example.com/v1", "Deployment"),
    ],
)
def test_kinds_that_are_not_kubernetes_own_are_415(api_version: str, kind: str) -> None:
    """As a real API server: custom resources have no protobuf."""
    with pytest.raises(UnsupportedMediaTypeError, match=kind):
        read(body(api_version, kind, b""))


def test_noise_is_refused_or_understood_never_a_crash() -> None:
    """Whatever the bytes, the answer is an object, 400 or 415."""
    dice = random.Random(7)
    good = body("v1", "Pod", message((1, metadata("p")), (2, message((2, message((1, "c")))))))
    for _ in range(2000):
        data = bytearray(good)
        for _ in range(dice.randint(1, 4)):
            data[dice.randrange(4, len(data))] = dice.randrange(256)
        try:
            assert isinstance(read(bytes(data)), dict)
        except (BadRequestError, UnsupportedMediaTypeError):
            continue


def kinds() -> Iterable[tuple[str, str]]:
    yield from (("v1", name) for name in (
        "Namespace", "Pod", "Service", "ConfigMap", "Secret", "ServiceAccount", "Event",
        "Endpoints", "Node",
    ))  # fmt: skip
    yield from (("apps/v1", name) for name in ("Deployment", "ReplicaSet"))
    yield from (("rbac.authorization.k8s.io/v1", name) for name in (
        "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding",
    ))  # fmt: skip
    yield from (("authorization.k8s.io/v1", name) for name in (
        "SubjectAccessReview", "SelfSubjectAccessReview", "SelfSubjectRulesReview",
        "LocalSubjectAccessReview",
    ))  # fmt: skip
    yield from (("authentication.k8s.io/v1", name) for name in (
        "TokenRequest", "TokenReview", "SelfSubjectReview",
    ))  # fmt: skip
    yield from [
        ("discovery.k8s.io/v1", "EndpointSlice"), ("coordination.k8s.io/v1", "Lease"),
        ("policy/v1", "Eviction"), ("events.k8s.io/v1", "Event"), ("autoscaling/v1", "Scale"),
    ]  # fmt: skip


@pytest.mark.parametrize(("api_version", "kind"), list(kinds()))
def test_every_kind_that_go_clients_send_is_in_the_table(api_version: str, kind: str) -> None:
    """Of each at least the metadata is read."""
    assert type_name(api_version, kind)
    told = read(body(api_version, kind, message((1, metadata("n")))))
    assert told["metadata"] == {"name": "n"}
