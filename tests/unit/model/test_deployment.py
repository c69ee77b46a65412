"""From arguments to the Service object, as gcloud writes it (`spec/kubernetes-api.md` §3.1)."""

from typing import Any

import pytest

from utsuwa.model.deployment import (
    Change,
    ChangeError,
    created,
    pinned_image,
    tagged_revision_name,
    updated,
)

Document = dict[str, Any]
NONCE = "bcdfghjklm"


def existing(**changes: Any) -> Document:
    """A service as it was once deployed, with a status."""
    service = created("default", "hello", Change(nonce="first", image="img:1", env=(("A", "1"),)))
    service["metadata"].update(generation=2, resourceVersion="7")
    service["status"] = {"latestReadyRevisionName": "hello-00002"}
    service["spec"].update(changes)
    return service


def container(service: Document) -> Document:
    """The only container."""
    found: Document = service["spec"]["template"]["spec"]["containers"][0]
    return found


def annotations(service: Document) -> dict[str, str]:
    """Those of the template."""
    found: dict[str, str] = service["spec"]["template"]["metadata"].get("annotations", {})
    return found


def test_a_new_service_has_what_was_asked_for_and_nothing_more() -> None:
    """Defaults are the API server's."""
    change = Change(
        nonce=NONCE,
        image="img:1",
        user_image="img:1",
        concurrency=80,
        min_scale=1,
        max_scale=9,
        env=(("K", "V"),),
        port=9000,
    )
    assert created("shop", "hello", change) == {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {"name": "hello", "namespace": "shop"},
        "spec": {
            "template": {
                "metadata": {
                    "labels": {"client.knative.dev/nonce": NONCE},
                    "annotations": {
                        "autoscaling.knative.dev/min-scale": "1",
                        "autoscaling.knative.dev/max-scale": "9",
                        "client.knative.dev/user-image": "img:1",
                    },
                },
                "spec": {
                    "containerConcurrency": 80,
                    "containers": [
                        {
                            "image": "img:1",
                            "ports": [{"containerPort": 9000}],
                            "env": [{"name": "K", "value": "V"}],
                        }
                    ],
                },
            }
        },
    }


def test_a_new_service_needs_an_image() -> None:
    """There is nothing to keep from before."""
    with pytest.raises(ChangeError, match="default/hello does not exist yet"):
        created("default", "hello", Change(nonce=NONCE))


def test_a_new_service_cannot_go_without_traffic() -> None:
    """As gcloud: somebody must get it."""
    with pytest.raises(ChangeError, match="first revision gets the traffic"):
        created("default", "hello", Change(nonce=NONCE, image="i", no_traffic=True))


def test_an_update_keeps_what_is_not_mentioned() -> None:
    """Environment, image and the resourceVersion that guards against lost updates."""
    service = updated(existing(), Change(nonce=NONCE, concurrency=40))
    assert container(service) == {"image": "img:1", "env": [{"name": "A", "value": "1"}]}
    assert service["spec"]["template"]["spec"]["containerConcurrency"] == 40
    assert service["metadata"]["resourceVersion"] == "7"
    assert "status" not in service


def test_an_update_does_not_touch_its_argument() -> None:
    """Documents are shared."""
    before, again = existing(), existing()
    updated(before, Change(nonce=NONCE, concurrency=40, env=(("B", "2"),), tag="next"))
    assert before == again


def test_the_nonce_makes_every_update_a_new_revision() -> None:
    """The tag of an image may have moved: the same words can mean something else."""
    template = updated(existing(), Change(nonce=NONCE))["spec"]["template"]
    assert template["metadata"]["labels"]["client.knative.dev/nonce"] == NONCE


def test_an_update_drops_the_name_of_an_earlier_revision() -> None:
    """Revision names are used once."""
    service = existing()
    service["spec"]["template"]["metadata"]["name"] = "hello-mine"
    assert "name" not in updated(service, Change(nonce=NONCE))["spec"]["template"]["metadata"]


def test_variables_are_set_kept_and_removed_by_name() -> None:
    """`--env B=2 --env A-`."""
    change = Change(nonce=NONCE, env=(("B", "2"), ("A", None)))
    assert container(updated(existing(), change))["env"] == [{"name": "B", "value": "2"}]


def test_scale_replaces_the_other_spelling_of_the_annotation() -> None:
    """gcloud writes `minScale`, Knative reads both: two values would contradict each other."""
    service = existing()
    service["spec"]["template"]["metadata"]["annotations"] = {
        "autoscaling.knative.dev/minScale": "3"
    }
    after = annotations(updated(service, Change(nonce=NONCE, min_scale=1)))
    assert after == {"autoscaling.knative.dev/min-scale": "1"}


def test_a_scale_of_zero_removes_the_bound() -> None:
    """As gcloud does."""
    service = updated(existing(), Change(nonce=NONCE, max_scale=5))
    assert annotations(updated(service, Change(nonce=NONCE, max_scale=0))) == {}


def test_a_port_keeps_its_protocol() -> None:
    """The port's name says h2c."""
    service = existing()
    container(service)["ports"] = [{"name": "h2c", "containerPort": 1}]
    ports = container(updated(service, Change(nonce=NONCE, port=2)))["ports"]
    assert ports == [{"name": "h2c", "containerPort": 2}]


@pytest.mark.parametrize(
    ("before", "http2", "after"),
    [
        ([], True, [{"containerPort": 8080, "name": "h2c"}]),
        ([{"containerPort": 9}], True, [{"containerPort": 9, "name": "h2c"}]),
        ([{"containerPort": 9, "name": "h2c"}], False, [{"containerPort": 9}]),
        ([{"containerPort": 9, "name": "h2c"}], None, [{"containerPort": 9, "name": "h2c"}]),
        ([], None, None),
    ],
)
def test_http2_names_the_port(
    before: list[Document], http2: bool | None, after: list[Document] | None
) -> None:
    service = existing()
    if before:
        container(service)["ports"] = before
    assert container(updated(service, Change(nonce=NONCE, http2=http2))).get("ports") == after


def test_a_port_and_its_protocol_at_once() -> None:
    change = Change(nonce=NONCE, image="img:1", port=50051, http2=True)
    assert container(created("default", "hello", change))["ports"] == [
        {"containerPort": 50051, "name": "h2c"}
    ]


def test_without_traffic_the_latest_share_is_tied_to_the_revision_that_is_ready_now() -> None:
    """`LATEST=70` becomes the present revision; entries of the same revision are united."""
    traffic = [
        {"latestRevision": True, "percent": 70},
        {"revisionName": "hello-00001", "percent": 20},
        {"revisionName": "hello-00002", "percent": 10},
    ]
    service = updated(existing(traffic=traffic), Change(nonce=NONCE, no_traffic=True))
    assert service["spec"]["traffic"] == [
        {"revisionName": "hello-00002", "percent": 80},
        {"revisionName": "hello-00001", "percent": 20},
    ]


def test_without_traffic_somebody_must_be_ready() -> None:
    """Nobody could keep the traffic."""
    service = existing()
    service["status"] = {}
    with pytest.raises(ChangeError, match="no revision is ready yet"):
        updated(service, Change(nonce=NONCE, no_traffic=True))


def test_a_tag_names_the_new_revision_and_leads_to_it() -> None:
    """The traffic itself still follows the latest."""
    service = updated(existing(), Change(nonce=NONCE, tag="next"))
    assert service["spec"]["template"]["metadata"]["name"] == "hello-00003-bcd"
    assert service["spec"]["traffic"] == [
        {"latestRevision": True, "percent": 100},
        {"revisionName": "hello-00003-bcd", "tag": "next"},
    ]


def test_a_tag_moves_from_the_revision_that_had_it() -> None:
    """An entry for the tag alone goes; one with traffic stays, without the tag."""
    traffic = [
        {"latestRevision": True, "percent": 60},
        {"revisionName": "a", "percent": 40, "tag": "next"},
        {"revisionName": "b", "percent": 0, "tag": "other"},
    ]
    service = updated(existing(traffic=traffic), Change(nonce=NONCE, tag="next"))
    assert service["spec"]["traffic"] == [
        {"latestRevision": True, "percent": 60},
        {"revisionName": "a", "percent": 40},
        {"revisionName": "b", "percent": 0, "tag": "other"},
        {"revisionName": "hello-00003-bcd", "tag": "next"},
    ]


def test_traffic_that_was_never_mentioned_is_not_written() -> None:
    """It belongs to whoever set it."""
    assert "traffic" not in updated(existing(), Change(nonce=NONCE, concurrency=1))["spec"]


def test_names_of_tagged_revisions_count_generations() -> None:
    """`SERVICE-<gen 5 digits>-<word>`."""
    service = {"metadata": {"name": "x", "generation": 41}}
    assert tagged_revision_name(service, "bxq") == "x-00042-bxq"


def test_an_update_of_something_else_holds_on_to_the_digest() -> None:
    """Another build under the same tag must not slip in."""
    revision = {
        "spec": {"containers": [{"image": "img:1"}]},
        "status": {"containerStatuses": [{"imageDigest": "img@sha256:1"}]},
    }
    assert pinned_image(existing(), revision) == "img@sha256:1"


@pytest.mark.parametrize(
    "revision",
    [
        {},
        {"spec": {"containers": [{"image": "img:1"}]}},
        {
            "spec": {"containers": [{"image": "img:0"}]},
            "status": {"containerStatuses": [{"imageDigest": "img@sha256:0"}]},
        },
    ],
)
def test_a_revision_of_another_image_or_without_digest_pins_nothing(revision: Document) -> None:
    """Somebody else may have set the image since."""
    assert pinned_image(existing(), revision) == ""
