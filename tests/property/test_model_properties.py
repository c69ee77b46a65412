"""Laws of the model: admission settles at once, defaults are idempotent, conditions stay sane."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from utsuwa.kit.documents import copy
from utsuwa.model.admission import Denied, Request, admit
from utsuwa.model.conditions import (
    ConditionSet,
    condition,
    conditions_of,
    finish,
    status_of,
)
from utsuwa.model.defaults import default
from utsuwa.model.kinds import kind_of
from utsuwa.model.names import LONGEST, child_name
from utsuwa.model.quantities import canonical
from utsuwa.model.schema import SCHEMAS, faults, unknown_fields
from utsuwa.model.settings import Settings
from utsuwa.testing.builders import configuration, route, service, target

STOCK = Settings()
SECURE = Settings.parse(
    {
        "config-features": {"secure-pod-defaults": "Enabled"},
        "config-defaults": {"revision-cpu-request": "0.1", "container-concurrency": "3"},
    }
)

QUANTITIES = st.sampled_from(["1", "0.5", "1000m", "64Mi", "1024Mi", "1e3", 1, 0.25, "0"])
PROBES = st.fixed_dictionaries(
    {},
    optional={
        "httpGet": st.sampled_from([{"path": "/"}, {"port": 0}, {"port": "http"}, {"port": 80}]),
        "periodSeconds": st.integers(0, 10),
        "timeoutSeconds": st.integers(0, 2),
        "successThreshold": st.integers(0, 2),
    },
)
CONTAINERS = st.fixed_dictionaries(
    {"image": st.sampled_from(["ex.io/app:1", "ex.io/app@sha256:" + "0" * 64, ""])},
    optional={
        "name": st.sampled_from(["", "user-container", "c"]),
        "ports": st.sampled_from([[], [{"containerPort": 80}], [{"name": "h2c"}]]),
        "env": st.lists(
            st.fixed_dictionaries({"name": st.sampled_from(["A", "PORT"]), "value": st.just("")}),
            max_size=2,
        ),
        "resources": st.fixed_dictionaries(
            {},
            optional={
                "limits": st.just({}),
                "requests": st.dictionaries(st.sampled_from(["cpu", "memory"]), QUANTITIES),
            },
        ),
        "readinessProbe": PROBES,
        "lifecycle": st.just({}),
        "volumeMounts": st.just([{"name": "v", "mountPath": "/v"}]),
    },
)
SPECS = st.fixed_dictionaries(
    {"containers": st.lists(CONTAINERS, min_size=1, max_size=2)},
    optional={
        "containerConcurrency": st.integers(-1, 1001),
        "timeoutSeconds": st.sampled_from([None, 0, 30, 600, 601]),
        "nodeSelector": st.sampled_from([{}, {"a": "b"}]),
        "volumes": st.sampled_from([[], [{"name": "v", "emptyDir": {}}]]),
        "hostNetwork": st.booleans(),
    },
)


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """Objects as a client may send them, right and wrong."""
    kind = draw(st.sampled_from(["service", "configuration", "route"]))
    if kind == "route":
        percents = draw(st.lists(st.integers(0, 100), min_size=1, max_size=3))
        return route("r", *(target(configuration="c", percent=p) for p in percents))
    document = service() if kind == "service" else configuration()
    document["spec"]["template"]["spec"] = copy(draw(SPECS))
    return document


def create(document: dict[str, Any], used: Settings) -> dict[str, Any] | None:
    """The admitted document, or None when it is denied."""
    request = Request(kind_of(document), "CREATE", document, user="alice")
    try:
        return admit(request, used).document
    except Denied:
        return None


@given(document=documents(), used=st.sampled_from([STOCK, SECURE]))
def test_defaulting_is_idempotent(document: dict[str, Any], used: Settings) -> None:
    """default(default(x)) == default(x), and x is left as it was."""
    before = copy(document)
    once = default(document, used, user="alice")
    assert document == before
    assert default(once, used, user="alice") == once


@given(document=documents(), used=st.sampled_from([STOCK, SECURE]))
def test_what_was_admitted_is_admitted_unchanged(document: dict[str, Any], used: Settings) -> None:
    """admit(admit(x)) == admit(x), created anew and as an update of itself."""
    once = create(document, used)
    if once is None:
        return
    assert create(once, used) == once
    again = Request(kind_of(once), "UPDATE", once, old=once, user="bob")
    assert admit(again, used).document == once


@given(document=documents())
def test_what_was_admitted_fits_its_schema(document: dict[str, Any]) -> None:
    """Nothing unknown, nothing of a wrong type, quantities canonical."""
    once = create(document, STOCK)
    if once is not None:
        schema = SCHEMAS[kind_of(once)]
        assert unknown_fields(once, schema) == []
        assert faults(once, schema) == []


MARKS = st.lists(
    st.tuples(st.sampled_from(["A", "B", "C", "Extra"]), st.sampled_from(["T", "F", "U"])),
    max_size=12,
)
SET = ConditionSet(("A", "B", "C"))


@settings(max_examples=300)
@given(marks=MARKS)
def test_ready_agrees_with_its_dependents(marks: list[tuple[str, str]]) -> None:
    """True iff all are True, False if any is False; sorted; no placeholder is left at the end."""
    status: dict[str, Any] = {}
    SET.begin(status, 1)
    for type_, mark in marks:
        if mark == "T":
            SET.mark_true(status, type_)
        elif mark == "F":
            SET.mark_false(status, type_, "Bad", "m")
        else:
            SET.mark_unknown(status, type_, "Wait", "m")
    values = {status_of(status, type_) for type_ in SET.dependents}
    ready = status_of(status, "Ready")
    assert (ready == "True") == (values == {"True"})
    assert "False" not in values or ready == "False"
    assert "False" in values or ready != "False"
    finish({}, status, generation=1, now="now")
    types = [c["type"] for c in conditions_of(status)]
    assert types == sorted(set(types))
    assert {c["lastTransitionTime"] for c in conditions_of(status)} == {"now"}
    assert "severity" not in (condition(status, "A") or {})


@given(marks=MARKS)
def test_a_second_pass_that_says_the_same_moves_no_time(marks: list[tuple[str, str]]) -> None:
    """Else every pass would write, and every write would start a pass."""
    final = dict(marks)

    def one_pass(old: dict[str, Any], now: str) -> dict[str, Any]:
        status: dict[str, Any] = copy(old)
        SET.begin(status, 1)
        for type_, mark in final.items():
            if mark == "T":
                SET.mark_true(status, type_)
            else:
                SET.mark_false(status, type_, "Bad", type_)
        finish(old, status, generation=1, now=now)
        return status

    first = one_pass({}, "t1")
    second = one_pass(first, "t2")
    third = one_pass(second, "t3")
    assert third == second


@given(
    parent=st.from_regex(r"[a-z]([-a-z0-9]{0,80}[a-z0-9])?", fullmatch=True),
    suffix=st.from_regex(r"-[a-z0-9]{1,80}", fullmatch=True),
)
def test_child_names_always_fit_a_label(parent: str, suffix: str) -> None:
    """At most 63 characters, ending in a letter or digit, the parent's head in front."""
    name = child_name(parent, suffix)
    assert len(name) <= LONGEST
    assert name[-1].isalnum()
    assert name[0] == parent[0]


@given(
    number=st.decimals(min_value=0, max_value=10**15, places=3),
    suffix=st.sampled_from(["", "m", "k", "Ki", "Mi", "Gi"]),
)
def test_canonical_quantities_are_stable(number: Any, suffix: str) -> None:
    """canonical(canonical(q)) == canonical(q)."""
    once = canonical(f"{number}{suffix}")
    assert once is not None
    assert canonical(once) == once
