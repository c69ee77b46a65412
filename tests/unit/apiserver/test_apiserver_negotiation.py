import pytest

from utsuwa.apiserver.negotiation import PLAIN, Form, Wanted, is_acceptable, wanted

TABLES = (
    "application/json;as=Table;v=v1;g=meta.k8s.io,"
    "application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json"
)
DISCOVERY = "application/json;g=apidiscovery.k8s.io;v={};as=APIGroupDiscoveryList"


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", PLAIN),
        ("*/*", PLAIN),
        ("application/json, */*", PLAIN),
        ("application/vnd.kubernetes.protobuf,application/json", PLAIN),
        ("application/vnd.kubernetes.protobuf", PLAIN),
        ("application/vnd.kubernetes.protobuf;as=Table;v=v1;g=meta.k8s.io," + TABLES,
         Wanted(Form.TABLE, "v1")),
        (TABLES, Wanted(Form.TABLE, "v1")),
        ("application/json;as=Table;v=v1beta1;g=meta.k8s.io", Wanted(Form.TABLE, "v1beta1")),
        ("application/json;as=Table;v=v9;g=meta.k8s.io,application/json", PLAIN),
        ("application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io",
         Wanted(Form.PARTIAL, "v1")),
        ("application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
         Wanted(Form.PARTIAL_LIST, "v1")),
        (DISCOVERY.format("v2") + "," + DISCOVERY.format("v2beta1"), Wanted(Form.DISCOVERY, "v2")),
        (DISCOVERY.format("v2beta1") + ",application/json", Wanted(Form.DISCOVERY, "v2beta1")),
    ],
)  # fmt: skip
def test_the_first_form_that_can_be_given_is_given(accept: str, form: Wanted) -> None:
    """`spec/kubernetes-api.md` §4.1, §4.5; protobuf falls back to JSON."""
    assert wanted(accept) == form


@pytest.mark.parametrize(
    ("accept", "given"),
    [
        ("", True),
        ("*/*", True),
        ("text/html, application/json;q=0.9", True),
        ("application/vnd.kubernetes.protobuf, */*", True),
        ("application/yaml", True),
        (TABLES, True),
        ("application/json;as=Table;v=v9;g=meta.k8s.io", False),
        ("application/vnd.kubernetes.protobuf", False),
        ("text/html", False),
    ],
)
def test_what_cannot_be_given_is_known(accept: str, given: bool) -> None:
    """Else 406, as Kubernetes answers protobuf alone for custom resources."""
    assert is_acceptable(accept) is given
