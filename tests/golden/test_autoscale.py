"""Recorded traces of the original autoscaler: ours must answer the same, every value of them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from utsuwa.testing import golden, golden_autoscale

DATA = Path(__file__).parent / "data"
CASES = {
    "decider": 208,
    "resolve": 600,
    "annotation_validation": 900,
    "kpa_reconcile": 220,
    "aggregation": 160,
    "request_stats": 60,
    "activator_stats": 40,
    "misc": 688,
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted(CASES))
def test_every_recorded_case_is_answered_as_the_original_answered(kind: str) -> None:
    """Integers, truth values and strings exactly, floats to one in a million."""
    wrong: dict[str, list[str]] = {}
    count = 0
    for count, case in enumerate(golden.read_cases(DATA / f"{kind}.jsonl.gz"), start=1):
        mismatches = golden.run(kind, case)
        if mismatches:
            wrong[f"{case.get('name', case.get('fn', ''))} #{count}"] = mismatches[:3]
    assert wrong == {}
    assert count == CASES[kind]


def test_every_kind_has_its_recording() -> None:
    """A new kind without data would never be run."""
    assert set(golden_autoscale.KINDS) == set(CASES)


@pytest.mark.parametrize("kind", sorted(CASES))
def test_a_forged_recording_is_noticed(kind: str) -> None:
    """The comparison is not blind: a changed answer in a case of each kind shows."""
    case = next(golden.read_cases(DATA / f"{kind}.jsonl.gz"))
    forged = FORGERIES[kind](case)
    assert golden.run(kind, forged) != []


def _forge_decider(case: golden_autoscale.Case) -> golden_autoscale.Case:
    tick = next(event for event in case["events"] if event[1] == "k" and event[3])
    tick[4] += 1
    return case


def _forge_event(case: golden_autoscale.Case) -> golden_autoscale.Case:
    report = next(event for event in case["events"] if event[1] == "report")
    if isinstance(report[2], list):
        report[2][0][1] += 0.001
    else:
        report[2] += 0.001
    return case


def _forge_aggregation(case: golden_autoscale.Case) -> golden_autoscale.Case:
    average = next(op for op in case["ops"] if op[1] == "avg" and op[2])
    average[2] += 0.001
    return case


def _forge_reconcile(case: golden_autoscale.Case) -> golden_autoscale.Case:
    case["steps"][0][9] += 1
    return case


FORGERIES: dict[str, Callable[[golden_autoscale.Case], golden_autoscale.Case]] = {
    "decider": _forge_decider,
    "resolve": lambda case: {**case, "spec": {**case["spec"], "target": 1234.5}},
    "annotation_validation": lambda case: {**case, "valid": not case["valid"]},
    "kpa_reconcile": _forge_reconcile,
    "aggregation": _forge_aggregation,
    "request_stats": _forge_event,
    "activator_stats": _forge_event,
    "misc": lambda case: {**case, "out": 4711},
}


def test_the_command_prints_counts_and_fails_only_on_mismatches(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """`python -m utsuwa.testing.golden FILE...`: one line a file, other files passed over."""
    (tmp_path / "README.md").write_text("not a recording")
    (tmp_path / "misc.jsonl").write_text('{"fn":"sampleSize","pods":100,"out":14}\n')
    good = [str(tmp_path / "README.md"), str(tmp_path / "misc.jsonl")]
    assert golden.main(good) == 0
    assert capsys.readouterr().out.split() == ["misc", "1", "cases", "0", "mismatches"]
    (tmp_path / "other-misc.jsonl").write_text('{"fn":"sampleSize","pods":100,"out":15}\n')
    assert golden.main([str(tmp_path / "other-misc.jsonl")]) == 1
    assert "expected 15, found 14" in capsys.readouterr().out


def test_an_unknown_kind_is_refused() -> None:
    """The error names the kinds that exist."""
    with pytest.raises(ValueError, match=r"expected one of .*decider"):
        golden.run("nonsense", {})
