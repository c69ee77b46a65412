"""Configuration, Route and Revision as their parents ask for them (`spec/reconcilers.md` §2, §3)."""

from utsuwa.kit.documents import Document
from utsuwa.model.children.configuration import conflicts, revision_of
from utsuwa.model.children.parts import drifted
from utsuwa.model.children.service import configuration_of, route_of
from utsuwa.model.defaults import default
from utsuwa.model.kinds import SERVICE
from utsuwa.model.settings import Settings

STOCK = Settings()
NOW = "2026-01-01T00:00:00Z"


def service(name: str = "hello", revision: str = "") -> Document:
    template: Document = {
        "metadata": {"labels": {"team": "blue"}, "annotations": {"note": "1"}},
        "spec": {"containers": [{"image": "ex.io/app:1"}]},
    }
    if revision:
        template["metadata"]["name"] = revision
    document = default(
        SERVICE.document("default", name, spec={"template": template}), STOCK, user="alice"
    )
    document["metadata"].update(uid=f"uid-{name}", generation=1, labels={"tier": "paid"})
    document["metadata"]["annotations"].update(
        {
            "kubectl.kubernetes.io/last-applied-configuration": "{}",
            "serving.knative.dev/rollout-duration": "60s",
        }
    )
    return document


def configuration(generation: int = 1, revision: str = "") -> Document:
    document = configuration_of(service(revision=revision))
    document["metadata"].update(uid="uid-configuration", generation=generation)
    return document


def test_the_configuration_is_not_told_about_rollouts_nor_kubectl() -> None:
    """Annotations of the Service save those two; the Route it leads to."""
    document = configuration_of(service())
    assert document["metadata"]["annotations"] == {
        "serving.knative.dev/creator": "alice",
        "serving.knative.dev/lastModifier": "alice",
        "serving.knative.dev/routes": "hello",
    }
    assert document["metadata"]["labels"] == {
        "serving.knative.dev/service": "hello",
        "serving.knative.dev/serviceUID": "uid-hello",
        "tier": "paid",
    }


def test_routes_that_others_noted_on_the_configuration_stay() -> None:
    """The union, sorted."""
    existing: Document = {"metadata": {"annotations": {"serving.knative.dev/routes": "zulu,alpha"}}}
    document = configuration_of(service(), existing)
    assert document["metadata"]["annotations"]["serving.knative.dev/routes"] == "alpha,hello,zulu"


def test_the_route_keeps_the_rollout_duration() -> None:
    """And targets without a Revision follow the Configuration."""
    document = route_of(service())
    assert document["metadata"]["annotations"]["serving.knative.dev/rollout-duration"] == "60s"
    assert document["spec"]["traffic"] == [
        {"configurationName": "hello", "latestRevision": True, "percent": 100}
    ]


def test_a_child_names_its_one_controller() -> None:
    """`spec/reconcilers.md` §1.3."""
    assert route_of(service())["metadata"]["ownerReferences"] == [
        {
            "apiVersion": "serving.knative.dev/v1",
            "kind": "Service",
            "name": "hello",
            "uid": "uid-hello",
            "controller": True,
            "blockOwnerDeletion": True,
        }
    ]


def test_a_revision_carries_the_templates_metadata_and_its_origin() -> None:
    """`spec/reconcilers.md` §3.1; other labels of the Configuration are not copied."""
    document = revision_of(configuration(3), NOW)
    assert document["metadata"]["name"] == "hello-00003"
    assert document["metadata"]["labels"] == {
        "serving.knative.dev/configuration": "hello",
        "serving.knative.dev/configurationGeneration": "3",
        "serving.knative.dev/configurationUID": "uid-configuration",
        "serving.knative.dev/routingState": "active",
        "serving.knative.dev/service": "hello",
        "serving.knative.dev/serviceUID": "uid-hello",
        "team": "blue",
    }
    assert document["metadata"]["annotations"] == {
        "note": "1",
        "serving.knative.dev/creator": "alice",
        "serving.knative.dev/routes": "hello",
        "serving.knative.dev/routingStateModified": NOW,
    }


def test_a_revision_of_a_lone_configuration_is_pending() -> None:
    """Nobody is known to look at it."""
    alone = configuration()
    del alone["metadata"]["annotations"]["serving.knative.dev/routes"]
    document = revision_of(alone, NOW)
    assert document["metadata"]["labels"]["serving.knative.dev/routingState"] == "pending"


def test_a_named_revision_of_an_old_generation_with_the_same_spec_is_a_rollback() -> None:
    """Another spec under the same name is a conflict."""
    existing = default(revision_of(configuration(1, "hello-one"), NOW), STOCK)
    assert not conflicts(existing, configuration(1, "hello-one"), STOCK)
    assert not conflicts(existing, configuration(2, "hello-one"), STOCK)
    changed = configuration(2, "hello-one")
    changed["spec"]["template"]["spec"]["containers"][0]["image"] = "ex.io/app:2"
    assert conflicts(existing, changed, STOCK)


def test_a_revision_of_another_owner_is_a_conflict() -> None:
    """Even with the same spec."""
    existing = revision_of(configuration(), NOW)
    existing["metadata"]["ownerReferences"][0]["uid"] = "someone-else"
    assert conflicts(existing, configuration(), STOCK)


def test_drift_is_undone_and_agreement_left_alone() -> None:
    """Labels, annotations and spec become what is wanted; the rest stays."""
    wanted = route_of(service())
    assert drifted(wanted, route_of(service())) is None
    existing = route_of(service())
    existing["metadata"].update(labels={"mine": "1"}, resourceVersion="7", finalizers=["keep"])
    found = drifted(existing, wanted)
    assert found is not None
    assert found["metadata"]["labels"] == wanted["metadata"]["labels"]
    assert found["metadata"]["finalizers"] == ["keep"]
    assert found["metadata"]["resourceVersion"] == "7"
