import pytest

from utsuwa.apiserver import Review, User
from utsuwa.app.admission import admission
from utsuwa.cluster.errors import BadRequestError, InvalidError
from utsuwa.kit.documents import Document
from utsuwa.model.kinds import SERVICE
from utsuwa.model.settings import Settings


def review(spec: Document) -> Review:
    document = SERVICE.document("default", "hello", spec=spec)
    return Review(SERVICE, "CREATE", document, None, User("alice"))


def service(**container: object) -> Document:
    return {"template": {"spec": {"containers": [{"image": "hello:1", **container}]}}}


def test_a_write_comes_back_with_its_defaults_and_its_author() -> None:
    document, _ = admission(lambda: Settings.parse({}))(review(service()))
    assert document["metadata"]["annotations"]["serving.knative.dev/creator"] == "alice"
    assert document["spec"]["traffic"] == [{"latestRevision": True, "percent": 100}]


def test_a_refusal_is_a_bad_request_whose_causes_name_the_fields() -> None:
    """gcloud shows the causes and nothing else."""
    decide = admission(lambda: Settings.parse({}))
    with pytest.raises(BadRequestError) as caught:
        decide(review({**service(), "template": {"spec": {"containers": [{}]}}}))
    assert "validation failed: " in caught.value.message
    assert [cause.field for cause in caught.value.causes] == [
        "spec.template.spec.containers[0].image"
    ]
    assert (caught.value.name, caught.value.kind) == ("hello", "services")


def test_a_breach_of_the_schema_is_invalid() -> None:
    with pytest.raises(InvalidError) as caught:
        admission(lambda: Settings.parse({}))(review({"template": {"spec": {"containers": "x"}}}))
    assert caught.value.causes


def test_the_settings_in_force_at_the_moment_decide() -> None:
    settings = Settings.parse({})
    decide = admission(lambda: settings)
    spec = service()
    spec["template"]["spec"]["timeoutSeconds"] = 900
    with pytest.raises(BadRequestError, match="900"):
        decide(review(spec))
    settings = Settings.parse({"config-defaults": {"max-revision-timeout-seconds": "1200"}})
    decide(review(spec))
