from typing import Any

import pytest

from utsuwa.apiserver.columns import columns_of
from utsuwa.apiserver.columns.jsonpath import compile_path
from utsuwa.apiserver.columns.pods import status_text
from utsuwa.apiserver.negotiation import Form, Wanted
from utsuwa.apiserver.tables import Shape
from utsuwa.kit.clock import rfc3339
from utsuwa.kit.documents import Document
from utsuwa.model.kinds import (
    CONFIG_MAP,
    CORE_SERVICE,
    DEPLOYMENT,
    ENDPOINTS,
    EVENT,
    LEASE,
    NODE,
    POD,
    REVISION,
    SECRET,
    SERVICE,
    Kind,
)

NOW = 1_800_000_000.0


def cells(kind: Kind, document: Document) -> dict[str, Any]:
    metadata = {"name": "x", "creationTimestamp": rfc3339(NOW - 90)}
    whole = {**document, "metadata": {**metadata, **document.get("metadata", {})}}
    return {column.name: column.cell(whole, NOW) for column in columns_of(kind)}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (".a.b", 1),
        (".a.nothing", None),
        (".labels['x\\.y/z']", "v"),
        (".list[0].n", "first"),
        (".list[-1].n", "last"),
        (".list[9].n", None),
        (".list[*].n", "first"),
        (".list[?(@.type=='B')].n", "last"),
        ('.list[?(@.type=="A")].n', "first"),
        (".list[?(@.type=='C')].n", None),
        (".a[0]", None),
        (".list.n", None),
    ],
)
def test_jsonpath_finds_the_first_value(path: str, found: object) -> None:
    """The forms that printer columns use."""
    document = {
        "a": {"b": 1},
        "labels": {"x.y/z": "v"},
        "list": [{"type": "A", "n": "first"}, {"type": "B", "n": "last"}],
    }
    assert compile_path(path)(document) == found


def test_jsonpath_refuses_what_it_does_not_know() -> None:
    """At start, not when somebody looks at a table."""
    with pytest.raises(ValueError, match="cannot read"):
        compile_path(".a..b")


def test_service_columns() -> None:
    """Empty where there is nothing yet, as for any custom resource."""
    condition = {"type": "Ready", "status": "False", "reason": "RevisionFailed"}
    status = {"url": "http://x", "conditions": [{"type": "RoutesReady"}, condition]}
    assert cells(SERVICE, {"status": status}) == {
        "Name": "x", "URL": "http://x", "LatestCreated": None, "LatestReady": None,
        "Ready": "False", "Reason": "RevisionFailed", "Message": None,
    }  # fmt: skip


def test_why_an_object_is_not_ready_fits_on_a_line() -> None:
    """Of an app's last words the very last: kubectl would show the first line alone."""
    said = "Container failed with: starting\nretrying\nno database\n"
    condition = {"type": "Ready", "status": "False", "message": said}
    row = cells(SERVICE, {"status": {"conditions": [condition]}})
    assert row["Message"] == "Container failed with: starting … no database"


def test_revision_columns() -> None:
    """Labels with dots, and numbers that may be 0."""
    labels = {
        "serving.knative.dev/configuration": "hello",
        "serving.knative.dev/configurationGeneration": "2",
    }
    row = cells(REVISION, {"metadata": {"labels": labels}, "status": {"actualReplicas": 0}})
    assert (row["Config Name"], row["Generation"]) == ("hello", "2")
    assert (row["Actual Replicas"], row["Desired Replicas"]) == (0, None)


def container(**state: object) -> Document:
    return {"name": "c", "state": state, "ready": "running" in state, "restartCount": 0}


@pytest.mark.parametrize(
    ("status", "text"),
    [
        ({"phase": "Pending"}, "Pending"),
        ({"phase": "Running", "containerStatuses": [container(running={})]}, "Running"),
        (
            {"phase": "Pending",
             "containerStatuses": [container(waiting={"reason": "ContainerCreating"})]},
            "ContainerCreating",
        ),
        (
            {"phase": "Running",
             "containerStatuses": [container(waiting={"reason": "CrashLoopBackOff"})]},
            "CrashLoopBackOff",
        ),
        (
            {"phase": "Failed",
             "containerStatuses": [container(terminated={"exitCode": 1, "reason": "Error"})]},
            "Error",
        ),
        ({"phase": "Failed", "containerStatuses": [container(terminated={"exitCode": 3})]},
         "ExitCode:3"),
        ({"phase": "Failed", "containerStatuses": [container(terminated={"signal": 9})]},
         "Signal:9"),
        ({"phase": "Failed", "reason": "Evicted"}, "Evicted"),
        ({"phase": "Pending", "initContainerStatuses": [container(running={})]}, "Init:0/1"),
        (
            {"phase": "Pending",
             "initContainerStatuses": [container(terminated={"exitCode": 1, "reason": "Error"})]},
            "Init:Error",
        ),
        (
            {"phase": "Pending",
             "initContainerStatuses": [container(terminated={"exitCode": 0})],
             "containerStatuses": [container(waiting={"reason": "PodInitializing"})]},
            "PodInitializing",
        ),
    ],
)  # fmt: skip
def test_the_status_of_a_pod(status: Document, text: str) -> None:
    """`spec/kubernetes-api.md` §4.5."""
    spec = {"containers": [{"name": "c"}], "initContainers": [{"name": "i"}]}
    assert status_text({"metadata": {}, "spec": spec, "status": status}) == text


def test_a_pod_that_is_being_deleted_is_terminating() -> None:
    """Whatever its containers do."""
    pod = {
        "metadata": {"deletionTimestamp": "2026-11-23T12:00:00Z"},
        "status": {"phase": "Running", "containerStatuses": [container(running={})]},
    }
    assert status_text(pod) == "Terminating"


def test_a_frozen_pod_is_ready_and_frozen() -> None:
    """Once it runs again it is Running; whatever else it is comes first."""
    status = {
        "phase": "Running",
        "containerStatuses": [container(running={})],
        "conditions": [{"type": "utsuwa.dev/Frozen", "status": "True"}],
    }
    pod: Document = {"metadata": {}, "spec": {"containers": [{}]}, "status": status}
    assert status_text(pod) == "Frozen"
    thawed = [{"type": "utsuwa.dev/Frozen", "status": "False"}]
    assert status_text({**pod, "status": {**status, "conditions": thawed}}) == "Running"
    going = {"deletionTimestamp": "2026-11-23T12:00:00Z"}
    assert status_text({**pod, "metadata": going}) == "Terminating"


def test_restarts_say_when() -> None:
    """`2 (30s ago)`."""
    finished = {"terminated": {"finishedAt": rfc3339(NOW - 30)}}
    status = {"containerStatuses": [{"restartCount": 2, "lastState": finished}]}
    row = cells(POD, {"spec": {"containers": [{}]}, "status": status})
    assert (row["Restarts"], row["Ready"], row["Age"]) == ("2 (30s ago)", "0/1", "90s")


@pytest.mark.parametrize(
    ("spec", "status", "external", "ports"),
    [
        ({"ports": [{"port": 80}]}, {}, "<none>", "80/TCP"),
        (
            {"type": "LoadBalancer", "ports": [{"port": 80, "nodePort": 30080}]},
            {"loadBalancer": {"ingress": [{"ip": "127.0.0.2"}]}},
            "127.0.0.2",
            "80:30080/TCP",
        ),
        ({"type": "LoadBalancer"}, {}, "<pending>", "<none>"),
        ({"type": "ExternalName", "externalName": "a.b"}, {}, "a.b", "<none>"),
        (
            {"externalIPs": ["1.2.3.4"], "ports": [{"port": 53, "protocol": "UDP"}, {"port": 1}]},
            {},
            "1.2.3.4",
            "53/UDP,1/TCP",
        ),
    ],
)
def test_core_service_columns(spec: Document, status: Document, external: str, ports: str) -> None:
    """The article prints the external address of the ingress with them."""
    row = cells(CORE_SERVICE, {"spec": spec, "status": status})
    assert (row["External-IP"], row["Port(s)"]) == (external, ports)


def test_deployment_columns() -> None:
    """Wide ones included."""
    template = {"spec": {"containers": [{"name": "a", "image": "x"}, {"name": "b", "image": "y"}]}}
    spec = {"replicas": 3, "template": template, "selector": {"matchLabels": {"k": "v"}}}
    status = {"readyReplicas": 1, "updatedReplicas": 2, "availableReplicas": 1}
    assert cells(DEPLOYMENT, {"spec": spec, "status": status}) == {
        "Name": "x", "Ready": "1/3", "Up-to-date": 2, "Available": 1, "Age": "90s",
        "Containers": "a,b", "Images": "x,y", "Selector": "k=v",
    }  # fmt: skip


def test_node_columns() -> None:
    """Roles come from labels, addresses by type."""
    row = cells(
        NODE,
        {
            "metadata": {"labels": {"node-role.kubernetes.io/control-plane": ""}},
            "spec": {"unschedulable": True},
            "status": {
                "conditions": [{"type": "Ready", "status": "True"}],
                "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
                "nodeInfo": {"kubeletVersion": "v1.32.4", "osImage": "Linux"},
            },
        },
    )
    assert row["Status"] == "Ready,SchedulingDisabled"
    assert row["Roles"] == "control-plane"
    assert (row["Internal-IP"], row["External-IP"]) == ("127.0.0.1", "<none>")
    assert (row["OS-Image"], row["Kernel-Version"]) == ("Linux", "<unknown>")


def test_a_node_that_says_nothing_is_unknown() -> None:
    """No Ready condition."""
    assert cells(NODE, {})["Status"] == "Unknown"


def test_event_columns() -> None:
    """The last time it was seen, and what it is about."""
    row = cells(
        EVENT,
        {
            "involvedObject": {"kind": "Pod", "name": "p"},
            "lastTimestamp": rfc3339(NOW - 5), "firstTimestamp": rfc3339(NOW - 65),
            "message": "It failed\n", "type": "Warning", "reason": "Failed", "count": 4,
            "source": {"component": "node", "host": "here"},
        },
    )  # fmt: skip
    assert row["Last Seen"] == "5s"
    assert row["First Seen"] == "65s"
    assert (row["Object"], row["Message"], row["Count"]) == ("pod/p", "It failed", 4)
    assert row["Source"] == "node, here"


def test_other_core_columns() -> None:
    """Counts, types and addresses."""
    assert cells(CONFIG_MAP, {"data": {"a": "1"}, "binaryData": {"b": ""}})["Data"] == 2
    assert cells(SECRET, {"type": "Opaque"}) == {
        "Name": "x", "Type": "Opaque", "Data": 0, "Age": "90s",
    }  # fmt: skip
    subset = {"addresses": [{"ip": f"10.0.0.{n}"} for n in range(5)], "ports": [{"port": 80}]}
    shown = cells(ENDPOINTS, {"subsets": [subset]})["Endpoints"]
    assert shown == "10.0.0.0:80,10.0.0.1:80,10.0.0.2:80 + 2 more..."
    assert cells(LEASE, {"spec": {"holderIdentity": "me"}})["Holder"] == "me"


def test_a_table_carries_metadata_with_each_row() -> None:
    """Row objects feed -A, --show-labels and sorting."""
    document = SERVICE.document("default", "a")
    table = Shape(SERVICE, Wanted(Form.TABLE, "v1")).many([document], {"resourceVersion": "7"}, NOW)
    assert table["kind"] == "Table"
    assert table["metadata"] == {"resourceVersion": "7"}
    assert table["rows"][0]["object"] == {
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {"name": "a", "namespace": "default"},
    }
    wide = [
        c["name"]
        for c in Shape(POD, Wanted(Form.TABLE, "v1")).many([], {}, NOW)["columnDefinitions"]
        if c["priority"]
    ]
    assert wide == ["IP", "Node", "Nominated Node", "Readiness Gates"]


@pytest.mark.parametrize("include", ["None", "Object"])
def test_rows_carry_what_was_asked_for(include: str) -> None:
    """`includeObject`."""
    document = SERVICE.document("default", "a", spec={"x": 1})
    table = Shape(SERVICE, Wanted(Form.TABLE, "v1"), include).one(document, NOW)
    assert table["rows"][0].get("object") == (document if include == "Object" else None)


def test_only_the_first_watched_table_names_its_columns() -> None:
    """They are null afterwards."""
    shape = Shape(SERVICE, Wanted(Form.TABLE, "v1"))
    document = SERVICE.document("default", "a")
    assert shape.watched(document, NOW, first=True)["columnDefinitions"]
    assert shape.watched(document, NOW, first=False)["columnDefinitions"] is None


def shown_without_wide(*ready: str, watched: bool = False) -> list[str]:
    documents = [
        {"metadata": {"name": "s"}, "status": {"conditions": [{"type": "Ready", "status": one}]}}
        for one in ready
    ]
    shape = Shape(SERVICE, Wanted(Form.TABLE, "v1"))
    if watched:
        table = shape.watched(documents[0], NOW, first=True)
    else:
        table = shape.many(documents, {}, NOW)
    return [one["name"] for one in table["columnDefinitions"] if one["priority"] == 0]


def test_a_list_with_a_failure_says_why_without_being_asked() -> None:
    assert shown_without_wide("True", "False")[-1] == "Message"


def test_a_list_without_a_failure_has_the_columns_of_knative() -> None:
    assert shown_without_wide("True", "Unknown")[-1] == "Reason"
    assert shown_without_wide()[-1] == "Reason"


def test_a_watch_has_the_same_columns_from_beginning_to_end() -> None:
    assert shown_without_wide("False", watched=True)[-1] == "Reason"
