"""The pipeline of a write (`spec/resources.md` §2, §5, §7)."""

from typing import Any

import pytest

from utsuwa.kit.documents import copy
from utsuwa.model import kinds
from utsuwa.model.admission import Admitted, Denied, Request, admit
from utsuwa.model.config_maps import example_checksum
from utsuwa.model.kinds import Kind, kind_of
from utsuwa.model.settings import Settings
from utsuwa.testing.builders import (
    config_map,
    configuration,
    domain_mapping,
    pod_autoscaler,
    revision,
    route,
    service,
    stored,
    target,
)

STOCK = Settings()
PREFIX = (
    'admission webhook "validation.webhook.serving.knative.dev" denied the request: '
    "validation failed: "
)


def create(document: dict[str, Any], used: Settings = STOCK, **more: Any) -> Admitted:
    """`document` created by alice."""
    return admit(Request(kind_of(document), "CREATE", document, user="alice", **more), used)


def update(old: dict[str, Any], new: dict[str, Any], **more: Any) -> Admitted:
    """`new` put over `old` by bob."""
    request = Request(kind_of(new), "UPDATE", new, old=old, **{"user": "bob", **more})
    return admit(request, STOCK)


def denial(document: dict[str, Any], used: Settings = STOCK, **more: Any) -> str:
    """Why creating `document` is refused, without the fixed prefix."""
    with pytest.raises(Denied) as caught:
        create(document, used, **more)
    assert caught.value.message.startswith(PREFIX)
    return caught.value.message.removeprefix(PREFIX)


def features(**flags: str) -> Settings:
    """Settings with feature flags; underscores stand for dashes, `podspec` for its prefix."""
    data = {
        key.replace("_", "-").replace("podspec", "kubernetes.podspec"): v
        for key, v in flags.items()
    }
    return Settings.parse({"config-features": data})


def test_a_service_is_stored_with_defaults_and_a_warning() -> None:
    """Almost every create warns about insecure defaults."""
    admitted = create(service())
    assert admitted.document["spec"]["traffic"] == [{"latestRevision": True, "percent": 100}]
    assert "status" not in admitted.document
    assert [text.split(":")[0] for text in admitted.warnings] == [
        (
            "Kubernetes default value is insecure, Knative may default this to secure in a future "
            "release"
        )
    ]


def test_unknown_members_are_pruned_told_or_refused_as_the_client_asks() -> None:
    """`fieldValidation`."""
    odd = service(container={"lifecycle": {}})
    odd["spec"]["x"] = 1
    assert "lifecycle" not in str(create(odd).document)
    paths = ['unknown field "spec.template.spec.containers[0].lifecycle"', 'unknown field "spec.x"']
    assert list(create(odd, field_validation="Warn").warnings[:2]) == paths
    with pytest.raises(Denied, match=r"^strict decoding error: unknown field") as caught:
        create(odd, field_validation="Strict")
    assert all(path in caught.value.message for path in paths)
    assert (caught.value.code, caught.value.reason) == (400, "BadRequest")


def test_wrong_types_are_422_with_causes() -> None:
    """The API server's own validation."""
    with pytest.raises(Denied) as caught:
        create(service(containerConcurrency="80"))
    denied = caught.value
    assert (denied.code, denied.reason) == (422, "Invalid")
    assert denied.message.startswith('Service.serving.knative.dev "hello" is invalid: spec.')
    assert [cause.field for cause in denied.causes] == ["spec.template.spec.containerConcurrency"]


def test_problems_are_merged_sorted_and_printed_one_a_line() -> None:
    """`spec/resources.md` §5."""
    text = denial(
        service(
            container={"image": "", "env": [{"name": "PORT"}, {"name": "K_SERVICE"}]},
            containerConcurrency=1001,
            timeoutSeconds=601,
        )
    )
    where = "spec.template.spec"
    assert text.split("\n") == [
        f'"K_SERVICE" is a reserved environment variable: {where}.containers[0].env[1].name',
        f'"PORT" is a reserved environment variable: {where}.containers[0].env[0].name',
        f"expected 0 <= 1001 <= 1000: {where}.containerConcurrency",
        f"expected 0 <= 601 <= 600: {where}.timeoutSeconds",
        f"missing field(s): {where}.containers[0].image",
    ]


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (service("a" * 64), "not a DNS 1035 label: [must be no more than 63 characters]"),
        (service(name="", metadata={"generateName": "-x"}), "not a DNS 1035 label prefix: ["),
        (
            service(metadata={"annotations": {"autoscaling.knative.dev/min-scale": "1"}}),
            'invalid key name "autoscaling.knative.dev/min-scale": metadata.annotations\n',
        ),
        (route("r", target(configuration="c", percent=50)), "Traffic targets sum to 50, want 100"),
        (
            route("r", {**target(revision="x"), "configurationName": "c"}),
            (
                "expected exactly one, got both: spec.traffic[0].configurationName, "
                "spec.traffic[0].revisionName"
            ),
        ),
        (
            route("r", target(configuration="c", percent=101), target(revision="x", percent=-1)),
            (
                "expected 0 <= -1 <= 100: spec.traffic[1].percent\n"
                "expected 0 <= 101 <= 100: spec.traffic[0].percent"
            ),
        ),
        (
            service(traffic=[{"latestRevision": False, "percent": 100}]),
            (
                'may not set revisionName "" when latestRevision is false: '
                "spec.traffic[0].latestRevision"
            ),
        ),
        (domain_mapping("a"), 'invalid name "a": name: Invalid value: "a": should be a domain'),
        (domain_mapping("A.com"), 'invalid name "A.com": name: Invalid value: "A.com": a lower'),
    ],
)
def test_each_kind_is_checked(document: dict[str, Any], expected: str) -> None:
    """`spec/resources.md` §5.1, §5.5, §5.6."""
    assert denial(document).startswith(expected)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Bad", "invalid value: not a DNS 1035 label: ["),
        ("other-1", 'invalid value: "other-1" must have prefix "hello-": spec.template.metadata.'),
    ],
)
def test_a_revision_name_must_continue_its_parents(name: str, expected: str) -> None:
    """`spec/resources.md` §5.2."""
    document = service()
    document["spec"]["template"]["metadata"]["name"] = name
    assert denial(document).startswith(expected)


def test_a_generated_parent_cannot_know_its_revisions_name() -> None:
    """`spec/resources.md` §5.2."""
    document = service(name="", metadata={"generateName": "hello-"})
    document["spec"]["template"]["metadata"]["name"] = "hello-a"
    assert denial(document) == "must not set the field(s): spec.template.metadata.name"


def named(document: dict[str, Any], name: str = "hello-a", **spec: Any) -> dict[str, Any]:
    """A copy of a Service with a revision name and members of its template's spec."""
    result = copy(document)
    result["spec"]["template"]["metadata"]["name"] = name
    result["spec"]["template"]["spec"] |= spec
    return result


def test_a_revision_name_is_good_for_one_template() -> None:
    """A change needs a new name; none at all is no change."""
    old = stored(named(service()))
    update(old, copy(old))
    update(old, named(old, "hello-b", containerConcurrency=5))
    with pytest.raises(Denied) as caught:
        update(old, named(old, containerConcurrency=5))
    first, *rest = caught.value.message.removeprefix(PREFIX).split("\n")
    assert first == (
        "Saw the following changes without a name change (-old +new): spec.template.metadata.name"
    )
    assert rest == ["spec.template.spec.containerConcurrency:", "\t-: 0", "\t+: 5"]


def test_a_revisions_spec_is_immutable_and_its_metadata_is_not() -> None:
    """`spec/resources.md` §5.3."""
    old = stored(revision(stored(configuration())))
    relabelled = copy(old)
    relabelled["metadata"]["annotations"] = {"autoscaling.knative.dev/min-scale": "2"}
    assert update(old, relabelled).document["metadata"]["annotations"]
    changed = copy(old)
    changed["spec"]["containerConcurrency"] = 5
    with pytest.raises(Denied, match=r"Immutable fields changed \(-old \+new\): spec"):
        update(old, changed)


def test_the_creator_stays_and_the_modifier_is_whoever_writes() -> None:
    """`spec/resources.md` §5.1."""
    old = stored(service())
    forged = copy(old)
    forged["metadata"]["annotations"]["serving.knative.dev/creator"] = "eve"
    with pytest.raises(Denied, match=r"annotation value is immutable: metadata\.annotations\.serv"):
        update(old, forged)
    forged = copy(old)
    forged["metadata"]["annotations"]["serving.knative.dev/lastModifier"] = "eve"
    with pytest.raises(Denied, match=r"invalid value: eve: metadata\.annotations"):
        update(old, forged)


def test_a_label_of_an_owner_needs_the_owner() -> None:
    """`spec/resources.md` §5.1."""
    label = {"labels": {"serving.knative.dev/service": "s"}}
    for document in (configuration(metadata=label), route(metadata=label)):
        assert denial(document) == "missing field(s): metadata.labels.serving.knative.dev/service"


def test_a_status_write_is_not_refused_for_a_limit_tightened_since() -> None:
    """Service and Configuration; Route is still checked."""
    for document in (service(timeoutSeconds=600), configuration(timeoutSeconds=600)):
        old = stored(document)
        tight = {"revision-timeout-seconds": "30", "max-revision-timeout-seconds": "60"}
        used = Settings.parse({"config-defaults": tight})
        request = Request(kind_of(old), "UPDATE", old, old=old, user="bob")
        with pytest.raises(Denied, match="expected 0 <= 600 <= 60"):
            admit(request, used)
        written = Request(kind_of(old), "UPDATE", old, old=old, subresource="status")
        assert admit(written, used).document["spec"] == old["spec"]


def test_a_pod_that_kubernetes_would_refuse_fails_a_dry_run_only() -> None:
    """`spec/resources.md` §7."""
    odd = service(container={"name": "&InvalidValue"})
    create(odd)
    with pytest.raises(Denied) as caught:
        create(odd, dry_run=True)
    text = caught.value.message
    assert "validation callback failed: dry run failed with Pod " in text
    assert text.endswith(": spec.template")
    assert '"&InvalidValue"' in text


@pytest.mark.parametrize(
    "container",
    [
        {"env": [{"name": "1A"}]},
        {"imagePullPolicy": "Sometimes"},
        {"resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}},
        {"resources": {"limits": {"cpu": "-1"}}},
    ],
)
def test_a_dry_run_looks_at_the_whole_container(container: dict[str, Any]) -> None:
    """Names, policies, resources."""
    with pytest.raises(Denied, match="dry run failed with"):
        create(service(container=container), dry_run=True)


def test_an_owned_configuration_is_not_dry_run_again() -> None:
    """Its Service was."""
    odd = configuration(
        container={"name": "&InvalidValue"},
        metadata={
            "labels": {"serving.knative.dev/service": "hello"},
            "ownerReferences": [{"kind": "Service", "name": "hello", "uid": "u"}],
        },
    )
    assert create(odd, dry_run=True).document["metadata"]["name"] == "hello"


def test_what_gcloud_sends_is_taken() -> None:
    """`spec/kubernetes-api.md` §3.1: empty name, nodeSelector, requests, a status."""
    container = {"name": "", "resources": {"limits": {"cpu": "1"}, "requests": {}}}
    document = service(container=container, nodeSelector={})
    document["status"] = {"address": {}}
    document["metadata"]["labels"] = {}
    found = create(document).document["spec"]["template"]["spec"]
    assert "nodeSelector" not in found
    assert found["containers"][0]["name"] == "user-container"
    assert found["containers"][0]["resources"] == {"limits": {"cpu": "1"}}


def test_clients_that_read_integers_and_strings_get_them() -> None:
    """`spec/kubernetes-api.md` §3.2: probe ports as integers, quantities as strings."""
    document = service(
        container={
            "ports": [{"containerPort": 9000, "name": "h2c"}],
            "readinessProbe": {"httpGet": {"path": "/", "port": "h2c"}},
            "resources": {"limits": {"cpu": 1}},
        }
    )
    container = create(document).document["spec"]["template"]["spec"]["containers"][0]
    assert container["readinessProbe"]["httpGet"]["port"] == 9000
    assert container["resources"]["limits"]["cpu"] == "1"


@pytest.mark.parametrize(
    ("flag", "field", "value"),
    [
        ("podspec_nodeselector", "nodeSelector", {"a": "b"}),
        ("podspec_affinity", "affinity", {"nodeAffinity": {}}),
        ("podspec_tolerations", "tolerations", [{"key": "a"}]),
        ("podspec_hostnetwork", "hostNetwork", True),
        ("podspec_securitycontext", "securityContext", {"runAsUser": 1}),
        ("podspec_init_containers", "initContainers", [{"image": "ex.io/ii:1"}]),
        ("podspec_priorityclassname", "priorityClassName", "high"),
        ("podspec_dnspolicy", "dnsPolicy", "Default"),
    ],
)
def test_gated_members_need_their_flag(flag: str, field: str, value: Any) -> None:
    """`spec/resources.md` §6.1."""
    document = service(**{field: value})
    assert f"must not set the field(s): spec.template.spec.{field}" in denial(document)
    assert create(document, features(**{flag: "Enabled"})).document["spec"]["template"]["spec"][
        field
    ]


@pytest.mark.parametrize(
    ("volume", "flags"),
    [
        ({"emptyDir": {}}, {}),
        ({"secret": {"secretName": "s"}}, {}),
        ({"projected": {"sources": [{"secret": {"name": "s"}}]}}, {}),
        (
            {"persistentVolumeClaim": {"claimName": "c", "readOnly": True}},
            {"podspec_persistent_volume_claim": "Enabled"},
        ),
        ({"hostPath": {"path": "/x"}}, {"podspec_volumes_hostpath": "Enabled"}),
        ({"image": {"reference": "ex.io/ii:1"}}, {"podspec_volumes_image": "Enabled"}),
    ],
)
def test_volumes_that_are_allowed_pass(volume: dict[str, Any], flags: dict[str, str]) -> None:
    """`spec/resources.md` §6.4."""
    mount = {"name": "v", "mountPath": "/v", "readOnly": True}
    document = service(container={"volumeMounts": [mount]}, volumes=[{"name": "v", **volume}])
    assert create(document, features(**flags)).document["spec"]["template"]["spec"]["volumes"]


@pytest.mark.parametrize(
    ("volume", "expected"),
    [
        ({"name": "V", "emptyDir": {}}, "invalid value: V: spec.template.spec.volumes[0].name"),
        ({"name": "v", "emptyDir": {"medium": "Disk"}}, "invalid value: Disk: spec.template.spec."),
        ({"name": "v", "emptyDir": {"sizeLimit": "-1"}}, "invalid value: -1: spec.template.spec."),
        (
            {"name": "v", "secret": {"items": [{"key": "", "path": "p"}]}},
            "missing field(s): spec.template.spec.volumes[0].items[0].key",
        ),
        (
            {"name": "v", "projected": {"sources": [{}]}},
            "expected exactly one, got neither: spec.template.spec.volumes[0].projected[0].configMap",
        ),
        (
            {"name": "v", "projected": {"sources": [{"serviceAccountToken": {"path": ""}}]}},
            "missing field(s): spec.template.spec.volumes[0].projected[0].serviceAccountToken.path",
        ),
        (
            {"name": "v", "projected": {"sources": [{"downwardAPI": {"items": [{"path": "p"}]}}]}},
            (
                "expected exactly one, got neither: spec.template.spec.volumes[0].projected[0]."
                "downwardAPI.items[0].fieldRef"
            ),
        ),
    ],
)
def test_bad_volumes_are_refused(volume: dict[str, Any], expected: str) -> None:
    """`spec/resources.md` §6.4."""
    mount = {"name": volume["name"], "mountPath": "/v"}
    text = denial(service(container={"volumeMounts": [mount]}, volumes=[volume]))
    assert text.startswith(expected)


@pytest.mark.parametrize(
    ("mounts", "expected"),
    [
        ([{"name": "v", "mountPath": "v"}], "invalid value: v: "),
        ([{"name": "v", "mountPath": "/dev/"}], 'mountPath "/dev" is a reserved path: '),
        (
            [{"name": "v", "mountPath": "/a"}, {"name": "v", "mountPath": "/a/"}],
            'invalid value: "/a/" must be unique: ',
        ),
        ([{"name": "v", "mountPath": "/v"}, {"name": "w", "mountPath": "/w"}], "volumeMount has"),
    ],
)
def test_bad_mounts_are_refused(mounts: list[dict[str, Any]], expected: str) -> None:
    """`spec/resources.md` §6.4."""
    volumes = [{"name": "v", "emptyDir": {}}]
    text = denial(service(container={"volumeMounts": mounts}, volumes=volumes))
    assert text.startswith(expected)


def sidecars(**second: Any) -> dict[str, Any]:
    """A Service with a container beside the one that serves."""
    document = service(container={"ports": [{"containerPort": 8080}]})
    document["spec"]["template"]["spec"]["containers"].append({"image": "ex.io/bb:1", **second})
    return document


def test_containers_beside_may_be_probed_only_with_the_flag_and_must_say_a_port() -> None:
    """`spec/resources.md` §6.3."""
    probed = sidecars(livenessProbe={"tcpSocket": {"port": 1}, "periodSeconds": 5})
    where = "spec.template.spec.containers[1].livenessProbe"
    assert denial(probed) == (
        f"must not set the field(s): {where}.periodSeconds, {where}.tcpSocket"
    )
    on = features(multi_container_probing="Enabled")
    assert create(probed, on).document
    nowhere = sidecars(livenessProbe={"tcpSocket": {"port": 0}})
    assert denial(nowhere, on).startswith(f"invalid value: 0: {where}.tcpSocket.port")


def test_several_containers_need_their_flag_and_different_names() -> None:
    """`spec/resources.md` §6.2."""
    create(sidecars(env=[{"name": "PORT", "value": "1"}]))
    off = features(multi_container="Disabled")
    assert denial(sidecars(), off).startswith("multi-container is off, but found 2 containers")
    twice = sidecars(name="x")
    twice["spec"]["template"]["spec"]["containers"][0]["name"] = "x"
    assert denial(twice).startswith('duplicate container name "x"')


@pytest.mark.parametrize(
    ("container", "expected"),
    [
        ({"name": "queue-proxy"}, '"queue-proxy" is a reserved container name'),
        ({"terminationMessagePolicy": "Never"}, "invalid value: Never"),
        ({"envFrom": [{"prefix": "a"}]}, "expected exactly one, got neither: "),
        ({"env": [{"name": "A", "valueFrom": {"fieldRef": {}}}]}, "must not set the field(s): "),
        ({"ports": [{"containerPort": 80, "protocol": "UDP"}]}, "invalid value: UDP: "),
        ({"readinessProbe": {"tcpSocket": {}, "initialDelaySeconds": -1}}, "expected 0 <= -1 <= "),
        ({"livenessProbe": {"periodSeconds": 3}}, "expected exactly one, got neither: "),
        ({"image": "UPPER/case"}, "Failed to parse image reference: "),
    ],
)
def test_bad_containers_are_refused(container: dict[str, Any], expected: str) -> None:
    """`spec/resources.md` §6.2, §6.3."""
    assert denial(service(container=container)).startswith(expected)


def test_an_autoscaler_must_say_what_it_scales() -> None:
    """Internal objects are checked as well."""
    pa = pod_autoscaler(stored(revision()), protocolType="http3")
    assert denial(pa) == "invalid value: http3: spec.protocolType"
    pa["spec"] = {}
    assert denial(pa) == "missing field(s): spec"


@pytest.mark.parametrize("kind", [kinds.POD, kinds.DEPLOYMENT])
def test_core_kinds_pass_through(kind: Kind) -> None:
    """Their rules live elsewhere."""
    document = kind.document("default", "x", spec={"anything": 1})
    assert create(document) == Admitted(document)


def test_a_delete_is_never_refused() -> None:
    """There is no rule for deletes."""
    broken = {"apiVersion": "serving.knative.dev/v1", "kind": "Service"}
    assert admit(Request(kinds.SERVICE, "DELETE", broken), STOCK).document is broken


def test_the_operators_maps_are_checked_as_they_are_written() -> None:
    """`spec/config.md` §1."""
    create(config_map("config-gc", {"min-non-active-revisions": "1"}))
    create(config_map("config-gc", {"min-non-active-revisions": "x"}, namespace="default"))
    create(config_map("other", {"min-non-active-revisions": "x"}))
    with pytest.raises(Denied) as caught:
        create(config_map("config-gc", {"min-non-active-revisions": "x"}))
    assert caught.value.message == (
        'admission webhook "config.webhook.serving.knative.dev" denied the request: validation '
        "failed: config-gc: min-non-active-revisions: expected an integer, found 'x'"
    )


def test_editing_the_example_of_a_map_is_refused() -> None:
    """It would have no effect (`spec/config.md` §1)."""
    document = config_map("config-gc", {"_example": "a\n\nb\n"})
    document["metadata"]["annotations"] = {"knative.dev/example-checksum": "00000000"}
    with pytest.raises(Denied, match="_example was changed"):
        create(document)
    document["metadata"]["annotations"] = {
        "knative.dev/example-checksum": example_checksum("  a\r\nb")
    }
    create(document)


def test_a_null_in_a_list_is_an_empty_item() -> None:
    """As Go reads a null among structs and texts: checked like any other."""
    document = route()
    document["spec"]["traffic"] = [None]
    assert denial(document) == denial({**document, "spec": {"traffic": [{}]}})
    document = service()
    spec = document["spec"]["template"]["spec"]
    spec["volumes"] = [{"name": "v", "secret": {"secretName": "s", "items": [None]}}]
    with pytest.raises(Denied, match=r"secret\.items\[0\]\.key: Required value"):
        create(document)
    document = service()
    document["spec"]["template"]["spec"]["containers"][0]["args"] = [None, "x"]
    made = create(document).document
    assert made["spec"]["template"]["spec"]["containers"][0]["args"] == ["", "x"]
