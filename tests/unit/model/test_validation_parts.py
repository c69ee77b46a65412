"""Parts of validation by themselves: names, image references, security contexts, differences."""

from typing import Any

import pytest

from utsuwa.model import labels
from utsuwa.model.settings.features import Features
from utsuwa.model.validation.differences import differences
from utsuwa.model.validation.images import is_image_reference
from utsuwa.model.validation.metadata import duration_problems
from utsuwa.model.validation.names import (
    c_identifier,
    dns_1035_label,
    dns_1035_prefix,
    domain_name,
    qualified_name,
)
from utsuwa.model.validation.security import (
    container_context_problems,
    insecure_default_warnings,
    pod_context_problems,
)
from utsuwa.model.validation.wording import quoted, shown

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    "image",
    [
        "ex.io/app:1",
        "ubuntu",
        "library/ubuntu:22.04",
        "localhost/app",
        "localhost:5000/app:1",
        "gcr.io/knative-samples/autoscale-go:0.1",
        f"ex.io/app@{DIGEST}",
        f"ex.io/app:1@{DIGEST}",
        "ex.io/app:",
    ],
)
def test_image_references_in_the_weak_form_pass(image: str) -> None:
    """Tag and registry are optional."""
    assert is_image_reference(image)


@pytest.mark.parametrize(
    "image",
    ["a", "ex.io/a", "UPPER/case", "ex.io/app:bad tag", "ex.io/app@sha256:12", "", "@", "ex.io/"],
)
def test_what_is_no_image_reference_is_refused(image: str) -> None:
    """A repository of one character is none, either."""
    assert not is_image_reference(image)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("a", 0),
        ("a-1", 0),
        ("1-a", 1),
        ("a-", 1),
        ("A", 1),
        ("a.b", 1),
        ("", 1),
        ("a" * 63, 0),
        ("a" * 64, 1),
        ("A" * 64, 2),
        ("a\n", 1),
    ],
)
def test_labels_begin_with_a_letter_and_have_63_characters_at_most(name: str, wrong: int) -> None:
    """DNS-1035."""
    assert len(dns_1035_label(name)) == wrong


def test_a_prefix_may_end_in_a_dash() -> None:
    """`generateName`."""
    assert dns_1035_prefix("hello-") == []
    assert dns_1035_prefix("-") != []


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("a/b/c", "a valid label key must consist of"),
        ("/b", "prefix part must be non-empty"),
        ("A_/b", "prefix part a lowercase RFC 1123 subdomain"),
        ("a/", "name part must be non-empty"),
        ("a" * 64, "name part must be no more than 63 characters"),
        ("-a", "name part must consist of"),
    ],
)
def test_what_is_wrong_with_a_qualified_name_is_told(name: str, part: str) -> None:
    """In the words of Kubernetes."""
    assert any(text.startswith(part) for text in qualified_name(name))


def test_good_names_have_nothing_wrong() -> None:
    """An empty list is a pass."""
    assert qualified_name("example.com/My.name_1") == []
    assert c_identifier("Deployment") == []
    assert c_identifier("1x") != []
    assert domain_name("name", "a.example.com") == ""
    assert domain_name("name", "a.example.com.") == ""


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("", "name: Required value"),
        ("one", 'name: Invalid value: "one": should be a domain with at least two segments'),
        (f"{'a' * 64}.com", f'name: Invalid value: "{"a" * 64}": must be no more than 63'),
        (f"{'a' * 64}.{'b' * 64}", f'[name: Invalid value: "{"a" * 64}"'),
    ],
)
def test_what_is_no_domain_is_told_why(name: str, expected: str) -> None:
    """Fully qualified, of two segments at least."""
    assert domain_name("name", name).startswith(expected)


@pytest.mark.parametrize(
    ("value", "text"),
    [("", ""), ("10s", ""), ("x", "invalid value: x"), ("1.5s", "d=1.5s is not at second precision"),
     ("-1s", "d=-1s must be positive")],
)  # fmt: skip
def test_durations_are_whole_seconds_of_zero_or_more(value: str, text: str) -> None:
    """`spec/resources.md` §5.4."""
    key = labels.PROGRESS_DEADLINE.keys[1]
    problems = duration_problems({key: value}, labels.PROGRESS_DEADLINE, "d")
    assert [problem.message for problem in problems] == ([text] if text else [])
    assert all(problem.paths == (key,) for problem in problems)


def paths(problems: list[Any]) -> set[str]:
    """Every path at fault."""
    return {path for problem in problems for path in problem.paths}


def test_the_pods_security_context_is_closed_without_its_flag() -> None:
    """`spec/resources.md` §6.1."""
    context = {"runAsUser": -1, "fsGroup": 1, "supplementalGroups": [1, -1], "sysctls": [1]}
    closed = pod_context_problems(context, Features())
    assert paths(closed) == {
        "runAsUser", "fsGroup", "supplementalGroups", "sysctls", "supplementalGroups[1]",
    }  # fmt: skip
    opened = pod_context_problems(
        context, Features.parse({"kubernetes.podspec-securitycontext": "allowed"})
    )
    assert paths(opened) == {"runAsUser", "sysctls", "supplementalGroups[1]"}


@pytest.mark.parametrize(
    ("profile", "refused"),
    [({"type": "RuntimeDefault"}, False), ({"type": "Unconfined"}, False), ({"type": "X"}, True)],
)
def test_secure_defaults_let_a_harmless_profile_pass(profile: Any, refused: bool) -> None:
    """Limited to RuntimeDefault and Unconfined."""
    features = Features.parse({"secure-pod-defaults": "Enabled"})
    problems = pod_context_problems({"seccompProfile": profile}, features)
    assert paths(problems) == ({"seccompProfile"} if refused else set())
    assert pod_context_problems({}, features) == []


@pytest.mark.parametrize(
    ("flags", "add", "refused"),
    [
        ({}, ["NET_BIND_SERVICE"], True),
        ({"kubernetes.containerspec-addcapabilities": "Enabled"}, ["SYS_ADMIN"], False),
        ({"kubernetes.containerspec-addcapabilities": "Allowed"}, ["SYS_ADMIN"], True),
        ({"secure-pod-defaults": "AllowRootBounded"}, ["NET_BIND_SERVICE"], False),
        ({"secure-pod-defaults": "Enabled"}, ["NET_BIND_SERVICE", "X"], True),
    ],
)
def test_capabilities_are_added_only_with_leave(
    flags: dict[str, str], add: list[str], refused: bool
) -> None:
    """`spec/resources.md` §6.2."""
    context = {"capabilities": {"add": add}, "privileged": False}
    problems = container_context_problems(context, Features.parse(flags))
    assert paths(problems) == ({"capabilities.add"} if refused else set())


@pytest.mark.parametrize(
    ("pod", "container", "expected"),
    [
        ({}, {}, {"runAsNonRoot", "allowPrivilegeEscalation", "seccompProfile", "capabilities"}),
        (
            {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
            {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
            set(),
        ),
        (
            {"runAsNonRoot": True},
            {"allowPrivilegeEscalation": False, "seccompProfile": {}, "capabilities": {}},
            {"seccompProfile.type", "capabilities.drop"},
        ),
        (
            {"runAsNonRoot": True, "seccompProfile": {"type": "x"}},
            {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["all"]}},
            {"capabilities.drop"},
        ),
    ],
)
def test_what_is_left_to_insecure_defaults_is_warned_of(
    pod: dict[str, Any], container: dict[str, Any], expected: set[str]
) -> None:
    """Pod and container are looked at together."""
    warnings = insecure_default_warnings(pod, container, Features())
    assert paths(warnings) == expected
    assert all(problem.warning for problem in warnings)
    secure = Features.parse({"secure-pod-defaults": "Enabled"})
    assert insecure_default_warnings(pod, container, secure) == []


def test_differences_name_the_path_and_both_values() -> None:
    """Details of a refused change."""
    old = {"a": [{"b": 1}], "gone": True, "same": 1}
    new = {"a": [{"b": 2}], "same": 1, "new": [1]}
    assert differences(old, new, "spec").split("\n") == [
        "spec.a[0].b:", "\t-: 1", "\t+: 2",
        "spec.gone:", "\t-: true", "\t+: <unset>",
        "spec.new:", "\t-: <unset>", "\t+: [1]",
    ]  # fmt: skip
    assert differences([1], [1, 2], "x") == "x:\n\t-: [1]\n\t+: [1,2]"
    assert differences(old, old, "spec") == ""


def test_values_are_printed_as_go_prints_them() -> None:
    """%v and %q."""
    assert [shown(value) for value in (True, False, 200.0, 0.1, 5, "x")] == [
        "true", "false", "200", "0.1", "5", "x",
    ]  # fmt: skip
    assert quoted('a"b\\c\n\t') == '"a\\"b\\\\c\\n\\t"'
