"""The gateway's books against the recorded reports of the original's activator."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from utsuwa.gateway.accounting import Accounts, Usage

_DATA = Path(__file__).parent / "data" / "activator_stats.jsonl.gz"


def cases() -> list[dict[str, Any]]:
    with gzip.open(_DATA, "rt") as lines:
        return [json.loads(line) for line in lines]


class Replay:
    """Feeds one recorded case to the books, as the gateway does."""

    def __init__(self) -> None:
        self.accounts = Accounts(lambda: 0.0, 0.0)
        self.open: dict[str, Usage] = {}

    def enter(self, now: float, revision: str) -> list[list[Any]]:
        pushed: list[list[Any]] = []
        if revision not in self.open:
            self.open[revision] = self.accounts.open(
                revision, now, waiting=lambda: 0, forgotten=lambda: self.forget(revision)
            )
            pushed = [[revision, 1, 1]]
        self.open[revision].enter(now)
        return pushed

    def forget(self, revision: str) -> None:
        del self.open[revision]

    def leave(self, now: float, revision: str) -> None:
        self.open[revision].leave(now, 200, 0.0)

    def report(self, now: float) -> list[tuple[str, float, float]]:
        figures = self.accounts.close(now)
        return sorted((one.revision, one.concurrency, one.requests) for one in figures)


@pytest.mark.parametrize("case", cases(), ids=lambda case: str(case["name"]))
def test_every_report_equals_the_originals(case: dict[str, Any]) -> None:
    """`spec/autoscaling.md` §2.3: first push, deduction, one zero report, forgotten."""
    replay = Replay()
    for microseconds, kind, *rest in case["events"]:
        now = microseconds / 1e6
        if kind == "in":
            assert replay.enter(now, rest[0]) == rest[1], f"push at {microseconds} us"
        elif kind == "out":
            replay.leave(now, rest[0])
        else:
            found = replay.report(now)
            assert [(name, count) for name, _, count in found] == [
                (name, count) for name, _, count in rest[0]
            ], f"report at {microseconds} us"
            for (name, average, _), (_, wanted, _) in zip(found, rest[0], strict=True):
                assert average == pytest.approx(wanted, rel=1e-6, abs=1e-9), (name, microseconds)
