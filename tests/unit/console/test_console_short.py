"""A service in short: each question with its answer."""

from typing import Any

from utsuwa.console.pages.short import errors, short
from utsuwa.kit.clock import rfc3339_micro
from utsuwa.kit.documents import Document

NOW = 1_000_000.0


def clock(seconds: float) -> str:
    return f"<{seconds - NOW:.0f}>"


def explained(revision: str = "a", **members: Any) -> Document:
    return {
        "revision": revision, "pods": {"ready": 1}, "wanted": 1, "why": [{"sentence": "load"}],
        "next": {"fewer": "fewer pods with less load", "fewerAt": None}, "coldStarts": [],
        "events": [], **members,
    }  # fmt: skip


def told(*explanations: Document) -> list[tuple[str, str]]:
    return [(one.figure, one.words) for one in short(explanations, now=NOW, shown=clock)]


def test_why_there_are_so_many_and_when_there_will_be_fewer() -> None:
    fewer = {"fewer": "fewer pods at …", "fewerAt": rfc3339_micro(NOW + 58)}
    pods, less, _ = told(explained(pods={"ready": 13}, wanted=13, next=fewer))
    assert pods == ("13 ready", "because load")
    assert less == ("in 58 s at the earliest", "at <58>, if no load comes until then")


def test_what_the_load_is_comes_first() -> None:
    why = [{"code": "starved", "sentence": "at once"}, {"code": "stable-load", "sentence": "load"}]
    assert told(explained(why=why))[0] == ("1 ready", "because load; at once")


def test_pods_that_come_and_go_are_told_apart() -> None:
    pods, less, _ = told(explained(pods={"ready": 2, "pending": 3, "terminating": 1}, wanted=5))
    assert pods[0] == "2 ready, 3 starting, 1 ending, 5 wanted"
    assert less == ("not now", "fewer pods with less load")


def test_revisions_add_up_and_each_has_its_reason() -> None:
    first = {"fewer": "", "fewerAt": rfc3339_micro(NOW + 9)}
    pods, less, _ = told(explained("b"), explained("a", next=first))
    assert pods == ("2 ready", "because b: load; a: load")
    assert less[0] == "in 9 s at the earliest"


def test_a_service_at_zero() -> None:
    quiet = explained(pods={}, wanted=0, why=[])
    assert told(quiet) == [
        ("0 ready", "no load: the next request wakes one"),
        ("None to lose", "it rests at zero"),
        ("None so far", "no request has had to wait for a pod"),
    ]


def test_a_service_that_has_never_been_ready_does_not_rest() -> None:
    _, less, _ = told(explained(pods={"notReady": 1}, wanted=None))
    assert less == ("None to lose", "no pod is ready yet")


def test_the_last_cold_start_and_where_its_time_went() -> None:
    starts = [
        {"time": rfc3339_micro(NOW + at), "total": total, "phases": {"start": 6.0, "listen": total - 6}}
        for at, total in ((1, 500.0), (2, 94.0))
    ]  # fmt: skip
    figure, words = told(explained(coldStarts=starts))[2]
    assert figure == "94 ms"
    assert words == "at <2>; most of it: listen. start 6.0 ms, listen 88 ms"


def test_which_revision_fails() -> None:
    found = errors({"a": {"2xx": 50, "5xx": 0}, "b": {"2xx": 59, "5xx": 41}})
    assert found.figure == "b: 41"
    assert found.words == "41 % of its 100 requests; no other revision has any"
    assert errors({"a": {"2xx": 5, "5xx": 1}, "b": {"2xx": 0, "5xx": 3}}).words.endswith("; a 1")
    assert errors({"a": {"2xx": 5, "5xx": 0}}).figure == "None"
