"""kubectl's writing commands: create, apply, edit, patch, label, scale, delete and their kin."""

import json
from pathlib import Path

import pytest

from utsuwa.cluster.errors import NotFoundError
from utsuwa.cluster.port import Key
from utsuwa.model.kinds import CONFIG_MAP, CORE_SERVICE, DEPLOYMENT, SERVICE
from utsuwa.testing.apiserver import Serving
from utsuwa.testing.kubectl import Kubectl

pytestmark = [pytest.mark.conformance, pytest.mark.slow]

HELLO = """\
apiVersion: serving.knative.dev/v1
kind: Service
metadata:
  name: hello
spec:
  template:
    spec:
      containerConcurrency: 80
      containers:
      - image: hello
"""

WEB = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: web, image: "web:1", env: [{name: A, value: "1"}, {name: B, value: "2"}]}
      - {name: other, image: "other:1"}
"""

KEY = Key("default", "hello")


async def test_create_from_a_file(api: Serving, kubectl: Kubectl) -> None:
    """`create -f`, which first looks into OpenAPI v3 whether the server checks fields."""
    told = await kubectl.ok("create", "-f", "-", stdin=HELLO)
    assert told.out == "service.serving.knative.dev/hello created\n"
    stored = await api.cluster.get(SERVICE, KEY)
    assert stored["spec"]["template"]["spec"]["containerConcurrency"] == 80
    again = await kubectl("create", "-f", "-", stdin=HELLO)
    assert again.code == 1
    assert 'services.serving.knative.dev "hello" already exists' in again.err


async def test_create_with_a_generated_name(kubectl: Kubectl) -> None:
    """`generateName` gets five characters."""
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {generateName: map-}\n"
    told = await kubectl.ok("create", "-f", "-", "-o", "name", stdin=text)
    assert len(told.out.strip()) == len("configmap/map-") + 5


async def test_apply_creates_then_changes_then_has_nothing_to_do(
    api: Serving, kubectl: Kubectl
) -> None:
    """kubectl says `configured` the second time, as with the original: it replaces the list of
    containers, to which defaulting had added. The object must stay as it is."""
    assert (await kubectl.ok("apply", "-f", "-", stdin=HELLO)).out.endswith("created\n")
    before = await api.cluster.get(SERVICE, KEY)
    await kubectl.ok("apply", "-f", "-", stdin=HELLO)
    assert await api.cluster.get(SERVICE, KEY) == before
    changed = HELLO.replace("80", "40")
    assert (await kubectl.ok("apply", "-f", "-", stdin=changed)).out.endswith("configured\n")
    stored = await api.cluster.get(SERVICE, KEY)
    assert stored["spec"]["template"]["spec"]["containerConcurrency"] == 40
    assert stored["metadata"]["generation"] == 2


async def test_apply_of_a_core_object_says_unchanged(kubectl: Kubectl) -> None:
    """Defaults do not look like changes where lists are merged by key."""
    assert (await kubectl.ok("apply", "-f", "-", stdin=WEB)).out.endswith("created\n")
    assert (await kubectl.ok("apply", "-f", "-", stdin=WEB)).out.endswith("unchanged\n")


async def test_apply_of_a_deployment_merges_lists_by_name(api: Serving, kubectl: Kubectl) -> None:
    """Strategic merge: what the file no longer names goes, what others added stays."""
    await kubectl.ok("apply", "-f", "-", stdin=WEB)
    await kubectl.ok("set", "env", "deploy/web", "C=3", "-c", "web")
    await kubectl.ok("apply", "-f", "-", stdin=WEB.replace(', {name: B, value: "2"}', ""))
    stored = await api.cluster.get(DEPLOYMENT, Key("default", "web"))
    web, other = stored["spec"]["template"]["spec"]["containers"]
    assert {entry["name"]: entry["value"] for entry in web["env"]} == {"A": "1", "C": "3"}
    assert other["image"] == "other:1"


async def test_apply_prunes_what_the_file_dropped(api: Serving, kubectl: Kubectl) -> None:
    """Merge patch with nulls for custom kinds; the default takes its place."""
    await kubectl.ok("apply", "-f", "-", stdin=HELLO)
    await kubectl.ok(
        "apply", "-f", "-", stdin=HELLO.replace("      containerConcurrency: 80\n", "")
    )
    stored = await api.cluster.get(SERVICE, KEY)
    assert stored["spec"]["template"]["spec"]["containerConcurrency"] == 0


async def test_server_side_apply_round_trips(api: Serving, kubectl: Kubectl) -> None:
    """Fields that a manager leaves out the second time go."""
    apply = ("apply", "--server-side", "-f", "-")
    told = await kubectl.ok(*apply, stdin=HELLO)
    assert told.out == "service.serving.knative.dev/hello serverside-applied\n"
    first = await api.cluster.get(SERVICE, KEY)
    await kubectl.ok(*apply, stdin=HELLO)
    assert await api.cluster.get(SERVICE, KEY) == first
    await kubectl.ok(*apply, stdin=HELLO.replace("      containerConcurrency: 80\n", ""))
    stored = await api.cluster.get(SERVICE, KEY)
    assert stored["spec"]["template"]["spec"]["containerConcurrency"] == 0


async def test_server_side_apply_refuses_what_another_manager_owns(
    api: Serving, kubectl: Kubectl
) -> None:
    """409 with the field's path; --force-conflicts takes it over."""
    apply = ("apply", "--server-side", "-f", "-")
    await kubectl.ok(*apply, stdin=HELLO)
    theirs = HELLO.replace("80", "10")
    refused = await kubectl(*apply, "--field-manager=other", stdin=theirs)
    assert refused.code == 1
    assert '"kubectl"' in refused.err
    assert ".spec.template.spec.containerConcurrency" in refused.err
    await kubectl.ok(*apply, "--field-manager=other", "--force-conflicts", stdin=theirs)
    stored = await api.cluster.get(SERVICE, KEY)
    assert stored["spec"]["template"]["spec"]["containerConcurrency"] == 10


async def test_an_edit_after_apply_is_owned_by_the_editor(kubectl: Kubectl) -> None:
    """Once applied, other writes are recorded, and conflict with the next apply."""
    apply = ("apply", "--server-side", "-f", "-")
    await kubectl.ok(*apply, stdin=HELLO)
    change = '{"spec":{"template":{"spec":{"containerConcurrency":7}}}}'
    await kubectl.ok("patch", "ksvc", "hello", "--type=merge", "-p", change)
    refused = await kubectl(*apply, stdin=HELLO)
    assert 'conflict with "kubectl-patch" using serving.knative.dev/v1' in refused.err


async def test_diff_shows_the_change_and_makes_none(api: Serving, kubectl: Kubectl) -> None:
    """A dry run on the server; exit 1 means a difference."""
    await kubectl.ok("apply", "-f", "-", stdin=HELLO)
    before = await api.cluster.get(SERVICE, KEY)
    ran = await kubectl("diff", "-f", "-", stdin=HELLO.replace("80", "40"))
    assert ran.code == 1
    assert "+      containerConcurrency: 40" in ran.out
    assert await api.cluster.get(SERVICE, KEY) == before


async def test_dry_run_stores_nothing(api: Serving, kubectl: Kubectl) -> None:
    """`--dry-run=server` answers as if."""
    told = await kubectl.ok("create", "-f", "-", "--dry-run=server", stdin=HELLO)
    assert told.out == "service.serving.knative.dev/hello created (server dry run)\n"
    with pytest.raises(NotFoundError):
        await api.cluster.get(SERVICE, KEY)


async def test_replace_puts_a_whole_object(api: Serving, kubectl: Kubectl) -> None:
    """`replace -f`: GET, then PUT of the file with the live resourceVersion."""
    await kubectl.ok("create", "-f", "-", stdin=HELLO)
    text = (await kubectl.ok("get", "ksvc", "hello", "-o", "yaml")).out
    await kubectl.ok("replace", "-f", "-", stdin=text.replace("Concurrency: 80", "Concurrency: 5"))
    stored = await api.cluster.get(SERVICE, KEY)
    assert stored["spec"]["template"]["spec"]["containerConcurrency"] == 5


async def test_edit_changes_what_the_editor_changed(
    api: Serving, kubectl: Kubectl, tmp_path: Path
) -> None:
    """`edit` with an editor that replaces a number."""
    await kubectl.ok("create", "-f", "-", stdin=HELLO)
    editor = tmp_path / "editor"
    editor.write_text(
        '#!/bin/sh\nsed -i "s/containerConcurrency: 80/containerConcurrency: 40/" $1\n'
    )
    editor.chmod(0o755)
    told = await kubectl.ok("edit", "ksvc", "hello", KUBE_EDITOR=str(editor))
    assert told.out == "service.serving.knative.dev/hello edited\n"
    stored = await api.cluster.get(SERVICE, KEY)
    assert stored["spec"]["template"]["spec"]["containerConcurrency"] == 40


async def test_merge_patch(api: Serving, kubectl: Kubectl) -> None:
    """`patch --type=merge`: null removes."""
    await kubectl.ok("create", "-f", "-", stdin=HELLO)
    change = json.dumps({"metadata": {"labels": {"a": "b"}},
                         "spec": {"template": {"spec": {"containerConcurrency": None}}}})  # fmt: skip
    await kubectl.ok("patch", "ksvc", "hello", "--type=merge", "-p", change)
    stored = await api.cluster.get(SERVICE, KEY)
    assert stored["metadata"]["labels"] == {"a": "b"}
    assert stored["spec"]["template"]["spec"]["containerConcurrency"] == 0


async def test_json_patch(api: Serving, kubectl: Kubectl) -> None:
    """`patch --type=json`: a failing test refuses all of it."""
    await kubectl.ok("create", "-f", "-", stdin=HELLO)
    path = "/spec/template/spec/containerConcurrency"
    good = json.dumps([{"op": "test", "path": path, "value": 80},
                       {"op": "replace", "path": path, "value": 3}])  # fmt: skip
    await kubectl.ok("patch", "ksvc", "hello", "--type=json", "-p", good)
    refused = await kubectl("patch", "ksvc", "hello", "--type=json", "-p", good)
    assert refused.code == 1
    assert f"The request is invalid: {path}: test: found another value than 80" in refused.err
    stored = await api.cluster.get(SERVICE, KEY)
    assert stored["spec"]["template"]["spec"]["containerConcurrency"] == 3


async def test_strategic_patch_of_a_core_kind(api: Serving, kubectl: Kubectl) -> None:
    """The default of `patch`: containers merge by name, `$patch: delete` removes one."""
    await kubectl.ok("create", "-f", "-", stdin=WEB)
    containers = [{"name": "web", "image": "web:2"}, {"name": "other", "$patch": "delete"}]
    change = json.dumps({"spec": {"template": {"spec": {"containers": containers}}}})
    await kubectl.ok("patch", "deploy", "web", "-p", change)
    stored = await api.cluster.get(DEPLOYMENT, Key("default", "web"))
    (web,) = stored["spec"]["template"]["spec"]["containers"]
    assert (web["image"], len(web["env"])) == ("web:2", 2)


async def test_strategic_patch_of_a_knative_kind_is_refused_as_kubernetes_does(
    kubectl: Kubectl,
) -> None:
    """415: custom resources do not take it."""
    await kubectl.ok("create", "-f", "-", stdin=HELLO)
    refused = await kubectl("patch", "ksvc", "hello", "-p", '{"spec":{}}')
    assert "is not supported by serving.knative.dev/v1" in refused.err


async def test_set_image_keeps_the_order_of_containers(api: Serving, kubectl: Kubectl) -> None:
    """`$setElementOrder/containers`."""
    await kubectl.ok("create", "-f", "-", stdin=WEB)
    await kubectl.ok("set", "image", "deploy/web", "other=other:2")
    stored = await api.cluster.get(DEPLOYMENT, Key("default", "web"))
    images = [one["image"] for one in stored["spec"]["template"]["spec"]["containers"]]
    assert images == ["web:1", "other:2"]


async def test_label_and_annotate(api: Serving, kubectl: Kubectl) -> None:
    """Metadata changes leave the generation alone."""
    await kubectl.ok("create", "-f", "-", stdin=HELLO)
    await kubectl.ok("label", "ksvc", "hello", "networking.knative.dev/visibility=cluster-local")
    await kubectl.ok("annotate", "ksvc", "hello", "note=a text")
    metadata = (await api.cluster.get(SERVICE, KEY))["metadata"]
    assert metadata["labels"] == {"networking.knative.dev/visibility": "cluster-local"}
    assert metadata["annotations"]["note"] == "a text"
    assert metadata["generation"] == 1
    await kubectl.ok("label", "ksvc", "hello", "networking.knative.dev/visibility-")
    assert (
        "labels" not in (await api.cluster.get(SERVICE, KEY))["metadata"]
        or not (await api.cluster.get(SERVICE, KEY))["metadata"]["labels"]
    )


async def test_scale_a_deployment(api: Serving, kubectl: Kubectl) -> None:
    """Through the scale sub-resource, also with a precondition."""
    await kubectl.ok("create", "-f", "-", stdin=WEB)
    told = await kubectl.ok("scale", "deployment", "web", "--replicas=3")
    assert told.out == "deployment.apps/web scaled\n"
    await kubectl.ok("scale", "deployment", "web", "--current-replicas=3", "--replicas=4")
    stored = await api.cluster.get(DEPLOYMENT, Key("default", "web"))
    assert stored["spec"]["replicas"] == 4
    rows = (await kubectl.ok("get", "deployment", "web")).rows
    assert rows[1][:4] == ["web", "0/4", "0", "0"]


async def test_expose_makes_a_service(api: Serving, kubectl: Kubectl) -> None:
    """A JSON POST."""
    await kubectl.ok("create", "-f", "-", stdin=WEB)
    await kubectl.ok("expose", "deployment", "web", "--port=80")
    service = await api.cluster.get(CORE_SERVICE, Key("default", "web"))
    assert service["spec"]["ports"] == [{"port": 80, "protocol": "TCP", "targetPort": 80}]
    rows = (await kubectl.ok("get", "services", "web")).rows
    assert rows[1][:5] == ["web", "ClusterIP", "<none>", "<none>", "80/TCP"]


async def test_delete_and_wait_until_it_is_gone(api: Serving, kubectl: Kubectl) -> None:
    """`delete` looks until the object answers 404."""
    await kubectl.ok("create", "-f", "-", stdin=HELLO)
    told = await kubectl.ok("delete", "ksvc", "hello")
    assert told.out == 'service.serving.knative.dev "hello" deleted\n'
    with pytest.raises(NotFoundError):
        await api.cluster.get(SERVICE, KEY)
    assert (await kubectl("delete", "ksvc", "hello")).code == 1
    assert (await kubectl.ok("delete", "ksvc", "hello", "--ignore-not-found")).out == ""


async def test_delete_waits_for_finalizers(api: Serving, kubectl: Kubectl) -> None:
    """The object lingers with a deletionTimestamp; kubectl watches until DELETED."""
    held = CONFIG_MAP.document("default", "held", data={})
    held["metadata"]["finalizers"] = ["example.com/hold"]
    await api.cluster.create(held)
    async with kubectl.running("delete", "configmap", "held") as deleting:
        assert await deleting.line() == 'configmap "held" deleted'
        assert deleting.process.returncode is None
        key = Key("default", "held")
        await api.cluster.merge(CONFIG_MAP, key, {"metadata": {"finalizers": None}})
        assert await deleting.ended() == 0


async def test_delete_by_label_and_all(api: Serving, kubectl: Kubectl) -> None:
    """List, then one DELETE each."""
    for name, label in (("a", "x"), ("b", "x"), ("c", "y")):
        document = CONFIG_MAP.document("default", name)
        document["metadata"]["labels"] = {"l": label}
        await api.cluster.create(document)
    await kubectl.ok("delete", "cm", "-l", "l=x")
    left = (await api.cluster.list(CONFIG_MAP, "default")).items
    assert [item["metadata"]["name"] for item in left] == ["c"]
    await kubectl.ok("delete", "cm", "--all")
    assert (await api.cluster.list(CONFIG_MAP, "default")).items == []


async def test_unknown_fields_are_refused_before_anything_is_stored(kubectl: Kubectl) -> None:
    """kubectl asks for strict checking."""
    ran = await kubectl("apply", "-f", "-", stdin=HELLO.replace("image:", "imag:"))
    assert ran.code == 1
    assert 'unknown field "spec.template.spec.containers[0].imag"' in ran.err


async def test_what_admission_refuses_is_told_in_its_own_words(kubectl: Kubectl) -> None:
    """400 with the original's message."""
    ran = await kubectl("apply", "-f", "-", stdin=HELLO.replace("80", "100000"))
    assert ran.code == 1
    assert "expected 0 <= 100000 <= 1000: spec.template.spec.containerConcurrency" in ran.err


async def test_an_unknown_namespace_is_named(kubectl: Kubectl) -> None:
    """404 of the namespace, not of the object."""
    ran = await kubectl("create", "-n", "nowhere", "-f", "-", stdin=HELLO)
    assert ran.code == 1
    assert 'namespaces "nowhere" not found' in ran.err


async def test_a_malformed_object_is_refused_with_its_field(kubectl: Kubectl) -> None:
    """422 names the field; nothing is stored."""
    broken = WEB.replace("{app: web}}\n    spec", "{app: else}}\n    spec")
    ran = await kubectl("create", "-f", "-", stdin=broken)
    assert ran.code == 1
    assert 'The Deployment "web" is invalid: spec.template.metadata.labels' in ran.err


async def test_a_malformed_name_is_refused_by_kind(kubectl: Kubectl) -> None:
    """422 names the kind, as in `The ConfigMap "A" is invalid`."""
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: A_B}\n"
    ran = await kubectl("create", "-f", "-", stdin=text)
    assert ran.code == 1
    assert ran.err.startswith('The ConfigMap "A_B" is invalid: metadata.name: Invalid value: "A_B"')
