"""Defaulting (`spec/resources.md` §4)."""

from typing import Any

import pytest

from utsuwa.model.defaults import default
from utsuwa.model.settings import Settings
from utsuwa.testing.builders import (
    configuration,
    domain_mapping,
    pod_autoscaler,
    revision,
    route,
    service,
    stored,
)

CREATOR = "serving.knative.dev/creator"
MODIFIER = "serving.knative.dev/lastModifier"
STOCK = Settings()


def settings(**maps: dict[str, str]) -> Settings:
    """Settings of `config-KEY` maps."""
    return Settings.parse({f"config-{name}": data for name, data in maps.items()})


def spec_of(document: dict[str, Any], used: Settings = STOCK) -> dict[str, Any]:
    """The revision specification of a new Service, defaulted."""
    spec: dict[str, Any] = default(document, used)["spec"]["template"]["spec"]
    return spec


def container_of(used: Settings = STOCK, **container: Any) -> dict[str, Any]:
    """The only container of a new Service, defaulted."""
    found: dict[str, Any] = spec_of(service(container=container), used)["containers"][0]
    return found


def test_a_minimal_service_gets_everything_it_did_not_say() -> None:
    """The worked example of §4."""
    document = default(service(), STOCK, user="alice")
    assert document["metadata"]["annotations"] == {CREATOR: "alice", MODIFIER: "alice"}
    assert document["spec"]["traffic"] == [{"latestRevision": True, "percent": 100}]
    assert document["spec"]["template"] == {
        "metadata": {},
        "spec": {
            "containers": [
                {
                    "name": "user-container",
                    "image": "ex.io/app:1",
                    "resources": {},
                    "readinessProbe": {"successThreshold": 1, "tcpSocket": {"port": 0}},
                }
            ],
            "containerConcurrency": 0,
            "enableServiceLinks": False,
            "timeoutSeconds": 300,
        },
    }


def test_the_document_given_is_not_changed() -> None:
    """Documents are shared."""
    given = service()
    default(given, STOCK, user="alice")
    assert given == service()


def test_an_update_of_the_spec_names_its_modifier_and_keeps_the_creator() -> None:
    """§4.1, annotations on update."""
    old = stored(service())
    new = {**old, "spec": service(image="ex.io/app:2")["spec"]}
    marks = default(new, STOCK, operation="UPDATE", old=old, user="bob")["metadata"]["annotations"]
    assert marks == {CREATOR: "alice", MODIFIER: "bob"}


def test_an_update_that_only_spells_the_spec_otherwise_has_no_modifier() -> None:
    """Semantic comparison: quantities by value, empty members not at all."""
    limits = {"resources": {"limits": {"cpu": "1000m"}}}
    old = stored(service(container=limits))
    new = {**old, "spec": service(container={"resources": {"limits": {"cpu": "1"}}})["spec"]}
    new["spec"]["template"]["spec"] |= {"enableServiceLinks": False, "nodeSelector": {}}
    marks = default(new, STOCK, operation="UPDATE", old=old, user="bob")["metadata"]["annotations"]
    assert marks[MODIFIER] == "alice"


def test_owned_configurations_and_routes_carry_no_user_of_their_own() -> None:
    """Their Service's annotations are copied by its reconciler."""
    owner = {"ownerReferences": [{"kind": "Service", "name": "hello", "uid": "u"}]}
    for build in (configuration, route):
        assert "annotations" not in default(build(metadata=owner), STOCK, user="a")["metadata"]
        assert "annotations" in default(build(), STOCK, user="a")["metadata"]


def test_several_containers_are_numbered_past_names_that_are_taken() -> None:
    """Numbering counts only unnamed containers."""
    document = service(container={"ports": [{"containerPort": 8080}]})
    document["spec"]["template"]["spec"]["containers"] += [
        {"image": "ex.io/b:1", "name": "user-container-0"},
        {"image": "ex.io/c:1"},
    ]
    containers = spec_of(document)["containers"]
    assert [one["name"] for one in containers] == [
        "user-container-1",
        "user-container-0",
        "user-container-2",
    ]
    assert ["readinessProbe" in one for one in containers] == [True, False, False]


def test_init_containers_are_named_from_their_own_template() -> None:
    """`init-container`, numbered when there are several."""
    document = service(initContainers=[{"image": "ex.io/i:1"}, {"image": "ex.io/j:1"}])
    names = [one["name"] for one in spec_of(document)["initContainers"]]
    assert names == ["init-container-0", "init-container-1"]


def test_container_names_come_from_the_operators_template() -> None:
    """Rendered with the parent's metadata."""
    used = settings(defaults={"container-name-template": "{{.Name}}-c"})
    assert container_of(used)["name"] == "hello-c"


def test_resources_are_filled_key_by_key() -> None:
    """Only what the container does not say."""
    used = settings(
        defaults={"revision-cpu-request": "100m", "revision-memory-limit": "1Gi"},
    )
    filled = container_of(used, resources={"requests": {"cpu": "1", "memory": "1Mi"}})
    assert filled["resources"] == {
        "requests": {"cpu": "1", "memory": "1Mi"},
        "limits": {"memory": "1Gi"},
    }


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"periodSeconds": 5}, {"failureThreshold": 3, "timeoutSeconds": 1}),
        ({"periodSeconds": 0}, {}),
        ({"periodSeconds": 5, "timeoutSeconds": 7}, {"failureThreshold": 3, "timeoutSeconds": 7}),
        ({"successThreshold": 2}, {"successThreshold": 2}),
    ],
)
def test_a_period_of_zero_asks_for_fast_probing(
    given: dict[str, int], expected: dict[str, int]
) -> None:
    """Readiness probe numbers of §4.1."""
    probe = container_of(readinessProbe={"httpGet": {"path": "/"}, **given})["readinessProbe"]
    numbers = {key: value for key, value in given.items() if value}
    assert probe == {
        "httpGet": {"path": "/", "port": 0},
        "successThreshold": 1,
        **numbers,
        **expected,
    }


def test_liveness_and_startup_probes_are_left_alone() -> None:
    """Never invented; a gRPC probe gets its empty service."""
    container = container_of(livenessProbe={"grpc": {"port": 1}}, startupProbe={"exec": {}})
    assert container["livenessProbe"] == {"grpc": {"port": 1, "service": ""}}
    assert container["startupProbe"] == {"exec": {}}


def test_mounts_of_what_cannot_be_written_are_read_only() -> None:
    """All but emptyDir, persistentVolumeClaim and ephemeral."""
    mounts = [{"name": "c", "mountPath": "/c"}, {"name": "e", "mountPath": "/e"}]
    volumes = [{"name": "c", "configMap": {"name": "m"}}, {"name": "e", "emptyDir": {}}]
    spec = spec_of(service(container={"volumeMounts": mounts}, volumes=volumes))
    assert [m.get("readOnly") for m in spec["containers"][0]["volumeMounts"]] == [True, None]


@pytest.mark.parametrize(
    ("timeout", "expected"), [(600, 300), (300, None), (None, None), (0, None), (200, None)]
)
def test_the_response_start_timeout_is_set_only_below_the_timeout(
    timeout: int | None, expected: int | None
) -> None:
    """§3.3: strictly less."""
    given: dict[str, Any] = {} if timeout is None else {"timeoutSeconds": timeout}
    spec = spec_of(service(**given))
    assert spec.get("responseStartTimeoutSeconds") == expected
    assert spec["timeoutSeconds"] == (timeout or 300)


def test_a_zero_that_was_said_is_kept() -> None:
    """A pointer in the original: 0 is not "unset"."""
    used = settings(defaults={"container-concurrency": "5"})
    assert spec_of(service(containerConcurrency=0), used)["containerConcurrency"] == 0
    assert spec_of(service(), used)["containerConcurrency"] == 5


def test_service_links_are_settled_only_on_create() -> None:
    """A PUT that drops the field leaves it out."""
    old = stored(service())
    new = {**old, "spec": service()["spec"]}
    spec = default(new, STOCK, operation="UPDATE", old=old)["spec"]["template"]["spec"]
    assert "enableServiceLinks" not in spec


def test_a_template_that_keeps_its_revision_name_is_not_touched() -> None:
    """Our own defaults would be a change that needs a new name."""
    old = stored(service(name="hello", metadata={}, container={}))
    old["spec"]["template"]["metadata"]["name"] = "hello-a"
    new = {**old, "spec": service()["spec"]}
    new["spec"]["template"]["metadata"]["name"] = "hello-a"
    spec = default(new, STOCK, operation="UPDATE", old=old)["spec"]["template"]["spec"]
    assert spec == {"containers": [{"image": "ex.io/app:1", "resources": {}}]}


def test_an_updated_revision_is_not_touched() -> None:
    """Its spec is immutable."""
    bare = revision()
    again = default(bare, STOCK, operation="UPDATE", old=bare)
    assert "timeoutSeconds" not in again["spec"]


def test_traffic_targets_get_percent_and_latest() -> None:
    """§3.4."""
    traffic: list[dict[str, Any]] = [
        {"revisionName": "hello-00001", "percent": 100},
        {"tag": "t"},
    ]
    assert default(service(traffic=traffic), STOCK)["spec"]["traffic"] == [
        {"revisionName": "hello-00001", "percent": 100, "latestRevision": False},
        {"tag": "t", "percent": 0, "latestRevision": True},
    ]


def test_a_free_route_without_targets_stays_so() -> None:
    """§3.2: it fails validation instead."""
    empty = route()
    empty["spec"]["traffic"] = []
    assert default(empty, STOCK)["spec"] == {}


@pytest.mark.parametrize("flag", ["Enabled", "AllowRootBounded"])
def test_secure_defaults_lock_containers_down(flag: str) -> None:
    """runAsNonRoot only when Enabled; low ports keep the right to bind."""
    used = settings(features={"secure-pod-defaults": flag})
    context = container_of(used, ports=[{"containerPort": 80}])["securityContext"]
    assert context["capabilities"] == {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}
    assert context["allowPrivilegeEscalation"] is False
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert context.get("runAsNonRoot") == (True if flag == "Enabled" else None)


def test_secure_defaults_respect_what_the_user_said() -> None:
    """Nothing that is set is overwritten."""
    used = settings(features={"secure-pod-defaults": "Enabled"})
    given = {
        "allowPrivilegeEscalation": True,
        "capabilities": {"drop": []},
        "runAsNonRoot": False,
        "seccompProfile": {"type": "Unconfined"},
    }
    assert container_of(used, securityContext=given)["securityContext"] == given


def test_a_mapping_refers_into_its_own_namespace() -> None:
    """§3.6."""
    mapped = default(domain_mapping(), STOCK)
    assert mapped["spec"]["ref"]["namespace"] == "default"


def test_an_autoscaler_gets_class_and_metric() -> None:
    """§3.7: concurrency for KPA, cpu for HPA."""
    pa = pod_autoscaler(stored(revision()))
    assert default(pa, STOCK)["metadata"]["annotations"] == {
        "autoscaling.knative.dev/class": "kpa.autoscaling.knative.dev",
        "autoscaling.knative.dev/metric": "concurrency",
    }
    pa["metadata"]["annotations"] = {"autoscaling.knative.dev/class": "hpa.autoscaling.knative.dev"}
    marks = default(pa, STOCK)["metadata"]["annotations"]
    assert marks["autoscaling.knative.dev/metric"] == "cpu"


def test_other_kinds_come_back_as_they_are() -> None:
    """Defaulting knows serving alone."""
    pod = {"apiVersion": "v1", "kind": "Pod", "spec": {}}
    assert default(pod, STOCK) is pod
    strange = {"apiVersion": "x/v1", "kind": "Y"}
    assert default(strange, STOCK) is strange
