import pytest

from utsuwa.apiserver.selectors import field_selector, is_name_only, label_selector
from utsuwa.cluster.errors import BadRequestError
from utsuwa.kit.documents import Document
from utsuwa.model.kinds import EVENT, NODE, POD, SERVICE


def labelled(**labels: str) -> Document:
    return {"metadata": {"name": "x", "labels": labels}}


@pytest.mark.parametrize(
    ("selector", "labels", "selected"),
    [
        ("a=b", {"a": "b"}, True),
        ("a = b", {"a": "b"}, True),
        ("a==b", {"a": "c"}, False),
        ("a=", {"a": ""}, True),
        ("a=", {}, False),
        ("a!=b", {}, True),
        ("a != b", {"a": "b"}, False),
        ("a in (b, c)", {"a": "c"}, True),
        ("a in (b)", {}, False),
        ("a notin (b,c)", {"a": "c"}, False),
        ("a notin (b,c)", {}, True),
        ("a", {"a": "x"}, True),
        ("!a", {"a": "x"}, False),
        (" ! a ", {}, True),
        ("a,!b,c in (d),e!=f", {"a": "", "c": "d"}, True),
        ("in in (in)", {"in": "in"}, True),
    ],
)
def test_label_selectors_select(selector: str, labels: dict[str, str], selected: bool) -> None:
    """Every form of the grammar, with blanks around operators (gcloud writes them)."""
    matches = label_selector(selector)
    assert matches is not None
    assert matches(labelled(**labels)) is selected


def test_keys_with_prefixes_select() -> None:
    """The form that gcloud sends."""
    matches = label_selector("serving.knative.dev/service = hello")
    assert matches is not None
    assert matches({"metadata": {"labels": {"serving.knative.dev/service": "hello"}}})


@pytest.mark.parametrize("selector", ["", "  "])
def test_an_empty_selector_selects_everything(selector: str) -> None:
    """None stands for it, so that nothing has to be asked of each object."""
    assert label_selector(selector) is None
    assert field_selector(selector, POD) is None


@pytest.mark.parametrize(
    "selector", ["a=b c", "a in b", "a in (b", "=b", "a,,b", "a,", "a>b>", "a in (b)c", "-a=b"]
)
def test_what_is_no_selector_is_refused(selector: str) -> None:
    """400 naming the part that cannot be read."""
    with pytest.raises(BadRequestError, match="unable to parse requirement"):
        label_selector(selector)


@pytest.mark.parametrize(
    ("selector", "selected"),
    [
        ("metadata.name=a", True),
        ("metadata.name!=a", False),
        ("metadata.name == a , status.phase = Running", True),
        ("spec.nodeName=", True),
        ("status.phase!=Running,metadata.name=a", False),
        ("spec.hostNetwork=true", True),
    ],
)
def test_field_selectors_select(selector: str, selected: bool) -> None:
    """Absent fields count as empty texts, booleans as true or false."""
    pod = {
        "metadata": {"name": "a"},
        "spec": {"hostNetwork": True},
        "status": {"phase": "Running"},
    }
    matches = field_selector(selector, POD)
    assert matches is not None
    assert matches(pod) is selected


def test_events_are_selected_by_what_they_are_about() -> None:
    """As `kubectl describe` asks."""
    event = {
        "metadata": {"name": "e"},
        "involvedObject": {"name": "p", "uid": "1"},
        "source": {"component": "autoscaler"},
    }
    matches = field_selector("involvedObject.name=p,involvedObject.uid=1,source=autoscaler", EVENT)
    assert matches is not None
    assert matches(event)


def test_fields_that_a_kind_cannot_be_selected_by_are_refused() -> None:
    """In the words of Kubernetes; custom kinds have metadata alone."""
    with pytest.raises(BadRequestError, match=r"field label not supported: status\.phase"):
        field_selector("status.phase=Running", SERVICE)
    with pytest.raises(BadRequestError, match="expected path=value"):
        field_selector("status.phase", NODE)


def test_names_alone_never_change() -> None:
    """Such watches need not remember who was selected."""
    assert is_name_only("metadata.name=a,metadata.namespace!=b")
    assert not is_name_only("metadata.name=a,status.phase=Running")
