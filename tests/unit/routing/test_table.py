from collections.abc import Sequence
from typing import Any

from utsuwa.routing.entries import endpoint_of, hosts_of, probe_of, revision_entry
from utsuwa.routing.messages import HostTable, Probe, RevisionTable, Split, TaggedSplits
from utsuwa.routing.table import Table

Document = dict[str, Any]


def ingress(*, headers: Document | None = None) -> Document:
    split = {
        "serviceName": "hello-00001",
        "serviceNamespace": "default",
        "percent": 100,
        "appendHeaders": {"Knative-Serving-Revision": "hello-00001", "X-Canary": "1"},
    }
    path = {"splits": [split]}
    tagged = {**path, "headers": headers or {"Knative-Serving-Tag": {"exact": "v1"}}}
    return {
        "metadata": {"namespace": "default", "name": "hello"},
        "spec": {"rules": [{"hosts": ["Hello.Example.com"], "http": {"paths": [tagged, path]}}]},
    }


def pod(uid: str = "p1", port: int = 20001, ready: bool = True, **metadata: Any) -> Document:
    return {
        "metadata": {"uid": uid, "namespace": "default", "name": uid, **metadata},
        "spec": {"containers": [{"name": "user-container", "ports": [{"hostPort": port}]}]},
        "status": {
            "podIP": "127.0.0.1",
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
        },
    }


def revision(**spec: Any) -> Document:
    return {
        "metadata": {"namespace": "default", "name": "hello-00001"},
        "spec": {"containers": [{"image": "hello"}], **spec},
    }


def test_a_hosts_paths_are_its_default_and_its_tags_without_the_activators_headers() -> None:
    splits = (Split("default/hello-00001", 100, (("X-Canary", "1"),)),)
    assert hosts_of(ingress()) == [
        HostTable(
            host="hello.example.com",
            route="default/hello",
            splits=splits,
            tagged=(TaggedSplits("v1", splits),),
        )
    ]


def test_a_path_for_another_header_is_no_tag() -> None:
    """Our Routes make none; nobody is sent there by mistake."""
    (host,) = hosts_of(ingress(headers={"X-Beta": {"exact": "v1"}}))
    assert host.tagged == ()
    assert len(host.splits) == 1


def test_a_pod_is_an_endpoint_from_the_moment_it_has_a_port() -> None:
    """The gateway probes it itself until control has seen it ready."""
    assert endpoint_of(pod(ready=False)) is not None
    unbound = pod()
    del unbound["spec"]["containers"][0]["ports"][0]["hostPort"]
    assert endpoint_of(unbound) is None


def test_a_pod_that_is_being_deleted_drains() -> None:
    endpoint = endpoint_of(pod(deletionTimestamp="2026-01-01T00:00:00Z"))
    assert endpoint is not None
    assert endpoint.draining


def test_a_pod_that_has_ended_is_no_endpoint() -> None:
    ended = pod()
    ended["status"]["phase"] = "Failed"
    assert endpoint_of(ended) is None


def test_a_revision_brings_its_limits_and_its_pods_in_a_stable_order() -> None:
    entry = revision_entry(
        revision(containerConcurrency=80, timeoutSeconds=60), [pod("b"), pod("a")]
    )
    assert (entry.concurrency, entry.timeout) == (80, 60.0)
    assert [endpoint.uid for endpoint in entry.endpoints] == ["a", "b"]


def test_what_a_port_speaks_is_its_name_or_found_out_where_that_is_on() -> None:
    assert revision_entry(revision(), []).protocol == "http1"
    assert revision_entry(revision(), [], autodetect=True).protocol == "auto"


def test_session_affinity_is_an_annotation_with_cloud_runs_name() -> None:
    bound = revision()
    bound["metadata"]["annotations"] = {"run.googleapis.com/sessionAffinity": "true"}
    assert revision_entry(bound, []).session_affinity
    assert not revision_entry(revision(), []).session_affinity


def test_a_revision_that_cannot_start_says_why_only_while_nothing_is_ready() -> None:
    broken = revision()
    broken["status"] = {
        "conditions": [{"type": "ContainerHealthy", "status": "False", "message": "exit code 3"}]
    }
    assert revision_entry(broken, []).unavailable == "exit code 3"
    assert revision_entry(broken, [pod()]).unavailable == ""


def test_an_image_that_cannot_be_had_is_the_reason_that_waiting_requests_hear() -> None:
    waiting = pod(ready=False)
    waiting["status"]["containerStatuses"] = [
        {"state": {"waiting": {"reason": "ErrImagePull", "message": "no image gone:1"}}}
    ]
    assert revision_entry(revision(), [waiting]).unavailable == "no image gone:1"


def test_the_gateway_probes_what_it_can_and_leaves_the_rest_to_the_node() -> None:
    port = {"ports": [{"containerPort": 8080}]}

    def probed(*others: Document, inits: Sequence[Document] = (), **members: Any) -> Probe:
        return probe_of({"containers": [{**port, **members}, *others], "initContainers": inits})

    assert probed() == probed({"name": "sidecar"}, inits=[{"startupProbe": {}}]) == Probe()
    http = {"httpGet": {"path": "/up", "port": 8080}}
    assert probed(readinessProbe=http) == Probe(kind="http", path="/up")
    assert probed(readinessProbe={"httpGet": {"path": "/up", "port": 9999}}).kind == "none"
    assert probed(readinessProbe={"exec": {"command": ["x"]}}).kind == "none"
    slow = {"tcpSocket": {"port": 0}, "initialDelaySeconds": 5}
    assert probed(readinessProbe=slow).kind == "none"
    assert probed(startupProbe=http).kind == "none"
    assert probed({"readinessProbe": http}).kind == "none"
    lasting = {"restartPolicy": "Always", "readinessProbe": http}
    assert probed(inits=[lasting]).kind == "none"


def test_a_pod_that_runs_and_is_not_ready_is_told_apart_from_one_that_does_not_run() -> None:
    asked = pod(ready=False)
    asked["status"]["conditions"] = [
        {"type": "Ready", "status": "False", "reason": "ReadinessProbeFailed"}
    ]
    asked["status"]["containerStatuses"] = [{"state": {"running": {"startedAt": "x"}}}]
    found = endpoint_of(asked)
    assert found is not None
    assert found.failing
    asked["status"]["containerStatuses"] = [{"state": {"waiting": {}}}]
    found = endpoint_of(asked)
    assert found is not None
    assert not found.failing


def test_a_flush_carries_what_changed_once_and_counts_up() -> None:
    table = Table("epoch")
    host = HostTable("a.example.com", (Split("default/a"),), "default/a")
    assert table.set_route("default/a", [host])
    assert table.set_revision(RevisionTable("default/a"))
    assert table.next_version == 1
    delta = table.flush()
    assert delta is not None
    assert (delta.version, delta.hosts, len(delta.revisions)) == (1, (host,), 1)
    assert not table.set_route("default/a", [host])
    assert table.flush() is None
    assert repr(table) == "<Table v1: 1 hosts, 1 revisions, 0 changed>"


def test_what_is_taken_out_is_named_as_removed() -> None:
    table = Table("epoch")
    table.set_route("default/a", [HostTable("a", (), "default/a")])
    table.set_revision(RevisionTable("default/a"))
    table.flush()
    table.set_route("default/a", [])
    table.remove_revision("default/a")
    delta = table.flush()
    assert delta is not None
    assert (delta.removed_hosts, delta.removed_revisions) == (("a",), ("default/a",))


def test_a_host_claimed_twice_stays_with_the_first_until_it_lets_go() -> None:
    table = Table("epoch")
    table.set_route("default/a", [HostTable("h", (), "default/a")])
    table.set_route("default/b", [HostTable("h", (), "default/b")])
    assert table.holder("h") == "default/a"
    table.set_route("default/a", [])
    assert table.holder("h") == "default/b"
    assert [host.route for host in table.snapshot().hosts] == ["default/b"]
