"""Golden traces: recorded answers of the original, run against ours.

`run(kind, case)` answers what differs in one case; `python -m utsuwa.testing.golden FILE...`
prints cases and mismatches per file (`KIND.jsonl` or `KIND.jsonl.gz`, one JSON case a line; other
files are passed over) and exits 1 if anything differs.
"""

import gzip
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from utsuwa.kit.documents import decode
from utsuwa.testing import golden_admission, golden_autoscale

Runner = Callable[[str, dict[str, Any]], list[str]]

RUNNERS: dict[str, Runner] = {
    **dict.fromkeys(golden_autoscale.KINDS, golden_autoscale.run),
    **dict.fromkeys(golden_admission.KINDS, golden_admission.run),
}
"""Who runs which kind."""

SHOWN_CASES = 5
SHOWN_LINES = 5


def run(kind: str, case: dict[str, Any]) -> list[str]:
    """What our code answers differently from the recorded `case`; empty when all is equal.

    Raises:
        ValueError: no such kind.
    """
    if kind not in RUNNERS:
        raise ValueError(f"golden kind {kind!r}: expected one of {', '.join(sorted(RUNNERS))}")
    return RUNNERS[kind](kind, case)


def kind_of_file(path: Path) -> str | None:
    """The kind that a file's name says (`decider.jsonl.gz`, `more-decider.jsonl`), or None."""
    stem, dot, rest = path.name.partition(".")
    if not dot or rest not in ("jsonl", "jsonl.gz"):
        return None
    if stem in RUNNERS:
        return stem
    return max((kind for kind in RUNNERS if kind in stem), key=len, default=stem)


def read_cases(path: Path) -> Iterator[dict[str, Any]]:
    """The cases of a file, one JSON object a line."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rb") as lines:
        for line in lines:
            if line.strip():
                yield decode(line)


def main(arguments: Iterable[str]) -> int:
    """Run every case of the files named; 0 when nothing differs, 2 on wrong usage."""
    paths = [Path(argument) for argument in arguments]
    if not paths:
        _say("usage: python -m utsuwa.testing.golden FILE...")
        return 2
    failed = False
    for path in paths:
        kind = kind_of_file(path)
        if kind is not None:
            failed = _run_file(kind, path) > 0 or failed
    return 1 if failed else 0


def _run_file(kind: str, path: Path) -> int:
    if kind not in RUNNERS:
        _say(f"{kind:24} no runner: expected one of {', '.join(sorted(RUNNERS))}")
        return 1
    cases = wrong = 0
    for case in read_cases(path):
        cases += 1
        mismatches = run(kind, case)
        if mismatches:
            wrong += 1
            if wrong <= SHOWN_CASES:
                name = case.get("name") or case.get("fn") or f"case {cases}"
                for line in mismatches[:SHOWN_LINES]:
                    _say(f"{kind} {name}: {line}")
    _say(f"{kind:24} {cases:6} cases {wrong:6} mismatches")
    return wrong


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
