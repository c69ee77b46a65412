"""kubectl on the parts of the protocol that one command each shows: lists, definitions, fields,
forms of output, ownership, deletion."""

import json
from pathlib import Path

import pytest

from utsuwa.cluster.errors import NotFoundError
from utsuwa.cluster.port import Key
from utsuwa.model.kinds import CONFIG_MAP, DEPLOYMENT, SERVICE
from utsuwa.testing.apiserver import Serving
from utsuwa.testing.kubectl import Kubectl

pytestmark = [pytest.mark.conformance, pytest.mark.slow]

LIST = """\
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: ConfigMap, metadata: {name: one}, data: {a: b}}
- apiVersion: serving.knative.dev/v1
  kind: Service
  metadata: {name: hello}
  spec: {template: {spec: {containers: [{image: hello}]}}}
"""
MAP = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: c, labels: {app: x}}
data: {mine: "1", shared: "1"}
"""


async def make_maps(api: Serving, *names: str) -> None:
    for name in names:
        await api.cluster.create(CONFIG_MAP.document("default", name, data={"name": name}))


async def test_apply_of_a_list(api: Serving, kubectl: Kubectl) -> None:
    """kubectl asks OpenAPI v2 about a List, and checks nothing where it has no schemas."""
    told = await kubectl.ok("apply", "-f", "-", stdin=LIST)
    assert told.out.splitlines() == [
        "configmap/one created", "service.serving.knative.dev/hello created",
    ]  # fmt: skip
    again = await kubectl.ok("apply", "-f", "-", stdin=LIST)
    assert "configmap/one unchanged" in again.out
    await kubectl.ok("delete", "-f", "-", stdin=LIST)
    with pytest.raises(NotFoundError):
        await api.cluster.get(SERVICE, Key("default", "hello"))


async def test_create_of_several_documents(kubectl: Kubectl) -> None:
    """One file, documents between `---`."""
    text = MAP + "---\n" + MAP.replace("name: c,", "name: d,")
    told = await kubectl.ok("create", "-f", "-", stdin=text)
    assert told.out == "configmap/c created\nconfigmap/d created\n"


async def test_definitions_of_the_knative_kinds(kubectl: Kubectl) -> None:
    """`get crd`, and the wait that Knative's installation waits."""
    listed = await kubectl.ok("get", "crd", "-o", "name")
    assert (
        "customresourcedefinition.apiextensions.k8s.io/services.serving.knative.dev" in listed.out
    )
    await kubectl.ok(
        "wait", "--for=condition=Established", "crd/services.serving.knative.dev", "--timeout=5s"
    )


async def test_what_cannot_be_made_says_why(kubectl: Kubectl) -> None:
    """No quota that nobody enforces."""
    ran = await kubectl("create", "quota", "q", "--hard=cpu=1")
    assert ran.code == 1
    assert "quotas are not enforced here" in ran.err


async def test_an_unknown_field_is_refused_by_name(kubectl: Kubectl) -> None:
    """`fieldValidation=Strict`, deep in a core kind too."""
    ran = await kubectl("create", "deployment", "w", "--image=i", "--dry-run=client", "-o", "json")
    document = json.loads(ran.out)
    document["spec"]["template"]["spec"]["containers"][0]["livenessProb"] = {}
    ran = await kubectl("apply", "-f", "-", stdin=json.dumps(document))
    assert ran.code == 1
    assert 'unknown field "spec.template.spec.containers[0].livenessProb"' in ran.err
    warned = await kubectl.ok("apply", "--validate=warn", "-f", "-", stdin=json.dumps(document))
    assert 'Warning: unknown field "spec.template.spec.containers[0].livenessProb"' in warned.err
    quiet = await kubectl.ok("apply", "--validate=ignore", "-f", "-", stdin=json.dumps(document))
    assert "Warning" not in quiet.err


async def test_explain_names_the_types(kubectl: Kubectl) -> None:
    """OpenAPI v3 with each type once."""
    told = await kubectl.ok("explain", "pod.spec.containers")
    assert "FIELD: containers <[]Container>" in told.out
    assert "livenessProbe\t<Probe>" in told.out
    deep = await kubectl.ok("explain", "ksvc.spec.template.spec.containerConcurrency")
    assert "containerConcurrency <integer>" in deep.out


async def test_get_with_custom_columns_and_sorted(api: Serving, kubectl: Kubectl) -> None:
    """Both are kubectl's work, over the objects themselves."""
    await make_maps(api, "b", "a")
    told = await kubectl.ok(
        "get", "cm", "-o", "custom-columns=N:.metadata.name,V:.data.name", "--sort-by=.data.name"
    )
    assert told.rows == [["N", "V"], ["a", "a"], ["b", "b"]]


async def test_get_raw_as_written(api: Serving, kubectl: Kubectl) -> None:
    """Paths by hand."""
    await make_maps(api, "a")
    told = await kubectl.ok("get", "--raw", "/api/v1/namespaces/default/configmaps?limit=1")
    assert json.loads(told.out)["items"][0]["data"] == {"name": "a"}


async def test_get_with_labels_shown(kubectl: Kubectl) -> None:
    """Rows carry their object's metadata."""
    await kubectl.ok("create", "-f", "-", stdin=MAP)
    rows = (await kubectl.ok("get", "cm", "--show-labels", "-L", "app")).rows
    assert rows == [["NAME", "DATA", "AGE", "APP", "LABELS"], ["c", "2", rows[1][2], "x", "app=x"]]


async def test_get_managed_fields_after_apply(kubectl: Kubectl) -> None:
    """Hidden unless asked for; as Kubernetes writes them."""
    await kubectl.ok("apply", "--server-side", "-f", "-", stdin=MAP)
    assert "managedFields" not in (await kubectl.ok("get", "cm", "c", "-o", "yaml")).out
    shown = await kubectl.ok("get", "cm", "c", "-o", "json", "--show-managed-fields")
    (entry,) = json.loads(shown.out)["metadata"]["managedFields"]
    assert (entry["manager"], entry["operation"]) == ("kubectl", "Apply")
    assert entry["fieldsV1"] == {
        "f:data": {"f:mine": {}, "f:shared": {}},
        "f:metadata": {"f:labels": {"f:app": {}}},
    }


async def test_shared_ownership_keeps_what_one_owner_drops(api: Serving, kubectl: Kubectl) -> None:
    """Two managers that agree own a field together; it goes when both have let go."""
    apply = ("apply", "--server-side", "-f", "-")
    await kubectl.ok(*apply, stdin=MAP)
    theirs = MAP.replace('mine: "1", ', "")
    await kubectl.ok(*apply, "--field-manager=other", stdin=theirs)
    await kubectl.ok(*apply, stdin=MAP.replace(', shared: "1"', ""))
    stored = await api.cluster.get(CONFIG_MAP, Key("default", "c"))
    assert stored["data"] == {"mine": "1", "shared": "1"}
    gone = theirs.replace('shared: "1"', "")
    await kubectl.ok(*apply, "--field-manager=other", stdin=gone)
    stored = await api.cluster.get(CONFIG_MAP, Key("default", "c"))
    assert stored["data"] == {"mine": "1"}


async def test_from_client_side_to_server_side_apply(api: Serving, kubectl: Kubectl) -> None:
    """kubectl takes over what it applied before, without a conflict with itself."""
    await kubectl.ok("apply", "-f", "-", stdin=MAP)
    await kubectl.ok("apply", "--server-side", "-f", "-", stdin=MAP.replace('"1"', '"2"'))
    stored = await api.cluster.get(CONFIG_MAP, Key("default", "c"))
    assert stored["data"] == {"mine": "2", "shared": "2"}


async def test_replace_with_an_old_version_conflicts(kubectl: Kubectl) -> None:
    """In the words that everybody knows."""
    await kubectl.ok("create", "-f", "-", stdin=MAP)
    old = (await kubectl.ok("get", "cm", "c", "-o", "yaml")).out
    await kubectl.ok("annotate", "cm", "c", "seen=yes")
    ran = await kubectl("replace", "-f", "-", stdin=old)
    assert ran.code == 1
    assert (
        'Operation cannot be fulfilled on configmaps "c": the object has been modified; '
        "please apply your changes to the latest version and try again"
    ) in ran.err


async def test_annotate_and_take_back(api: Serving, kubectl: Kubectl) -> None:
    """`key-` removes."""
    await kubectl.ok("create", "-f", "-", stdin=MAP)
    await kubectl.ok("annotate", "cm", "c", "note=hi")
    await kubectl.ok("annotate", "cm", "c", "note-")
    stored = await api.cluster.get(CONFIG_MAP, Key("default", "c"))
    assert "note" not in stored["metadata"].get("annotations", {})


async def test_delete_leaves_dependents_when_told_to(api: Serving, kubectl: Kubectl) -> None:
    """`--cascade=orphan`."""
    await kubectl.ok("create", "deployment", "web", "--image=i")
    told = await kubectl.ok("delete", "deploy", "web", "--cascade=orphan", "--wait=false")
    assert told.out == 'deployment.apps "web" deleted\n'


async def test_delete_as_a_dry_run(api: Serving, kubectl: Kubectl) -> None:
    """Nothing goes."""
    await kubectl.ok("create", "deployment", "web", "--image=i")
    told = await kubectl.ok("delete", "deploy", "web", "--dry-run=server")
    assert told.out == 'deployment.apps "web" deleted (server dry run)\n'
    assert await api.cluster.get(DEPLOYMENT, Key("default", "web"))


async def test_delete_by_label_and_all(api: Serving, kubectl: Kubectl) -> None:
    """kubectl lists, then deletes one by one."""
    await kubectl.ok("create", "-f", "-", stdin=MAP)
    await make_maps(api, "a")
    assert (await kubectl.ok("delete", "cm", "-l", "app=x")).out == 'configmap "c" deleted\n'
    assert (await kubectl.ok("delete", "cm", "--all")).out == 'configmap "a" deleted\n'


async def test_delete_what_is_not_there(kubectl: Kubectl) -> None:
    """An error, unless it is to be ignored."""
    assert (await kubectl("delete", "cm", "nothing")).code == 1
    assert (await kubectl.ok("delete", "cm", "nothing", "--ignore-not-found")).out == ""


async def test_a_json_patch_of_status(api: Serving, kubectl: Kubectl) -> None:
    """`--subresource=status` changes the status and nothing else."""
    await kubectl.ok("create", "deployment", "web", "--image=i")
    change = '{"status":{"replicas":2},"spec":{"replicas":9}}'
    await kubectl.ok("patch", "deploy", "web", "--subresource=status", "--type=merge", "-p", change)
    stored = await api.cluster.get(DEPLOYMENT, Key("default", "web"))
    assert (stored["status"]["replicas"], stored["spec"]["replicas"]) == (2, 1)
    scale = await kubectl.ok("get", "deploy", "web", "--subresource=scale", "-o", "json")
    assert json.loads(scale.out)["kind"] == "Scale"


async def test_a_strategic_patch_of_a_knative_kind_is_not_supported(kubectl: Kubectl) -> None:
    """As on a real cluster, whose custom resources take none either."""
    await kubectl.ok("apply", "-f", "-", stdin=LIST)
    ran = await kubectl("patch", "ksvc", "hello", "-p", '{"metadata":{"labels":{"a":"b"}}}')
    assert ran.code == 1
    assert "is not supported" in ran.err


async def test_an_invalid_object_is_told_field_by_field(kubectl: Kubectl) -> None:
    """422 with causes, which kubectl prints as a list."""
    text = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec: {replicas: -1, selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: c}}, spec: {}}}
"""
    ran = await kubectl("create", "-f", "-", stdin=text)
    assert ran.code == 1
    assert 'The Deployment "web" is invalid:' in ran.err
    assert "* spec.replicas: Invalid value: -1: must be greater than or equal to 0" in ran.err
    assert "* spec.template.spec.containers: Required value" in ran.err


async def test_kustomize(kubectl: Kubectl, tmp_path: Path) -> None:
    """`apply -k`."""
    (tmp_path / "map.yaml").write_text(MAP)
    (tmp_path / "kustomization.yaml").write_text("namePrefix: my-\nresources: [map.yaml]\n")
    assert (await kubectl.ok("apply", "-k", str(tmp_path))).out == "configmap/my-c created\n"
