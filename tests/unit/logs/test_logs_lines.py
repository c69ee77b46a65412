"""What a line of output says."""

import doctest
from typing import Any

import msgspec
import pytest

from utsuwa.logs import lines
from utsuwa.logs.lines import Entry, mentions, parse, parse_request, rank, severity_of


def structured(**members: Any) -> Entry:
    return parse(msgspec.json.encode(members).decode())


def test_the_examples_hold() -> None:
    """Those of the module."""
    assert doctest.testmod(lines).failed == 0


@pytest.mark.parametrize(
    "text", ["plain", "", "{not json}", "[1]", '{"a": 1} and more', '"text"', "{" * 50_000 + "}"]
)
def test_anything_but_an_object_on_a_line_is_text(text: str) -> None:
    """As it is; its stream says how severe it is, where that is known."""
    assert parse(text) == Entry("DEFAULT", text)
    assert parse(text, "stdout").severity == "INFO"
    assert parse(text, "stderr").severity == "ERROR"
    assert not parse(text).structured


def test_the_special_members_are_taken_out() -> None:
    """And the others are left as payload."""
    entry = parse(
        '{"severity":"NOTICE","message":"hi","time":"2026-11-23T12:00:00.5Z",'
        '"logging.googleapis.com/trace":"projects/p/traces/abc",'
        '"logging.googleapis.com/spanId":"1f","logging.googleapis.com/labels":{"a":"b","n":1},'
        '"logging.googleapis.com/insertId":"x","httpRequest":{"status":200},"user":{"id":7}}'
    )
    assert (entry.severity, entry.message, entry.trace, entry.span) == ("NOTICE", "hi", "abc", "1f")
    assert entry.time == 1795435200.5
    assert (entry.request, entry.labels) == ({"status": 200}, {"a": "b", "n": "1"})
    assert (entry.payload, entry.structured) == ({"user": {"id": 7}}, True)


@pytest.mark.parametrize(
    ("members", "time"),
    [
        ({"timestamp": {"seconds": 5, "nanos": 500_000_000}}, 5.5),
        ({"timestamp": "1970-01-01T00:00:05Z"}, 5.0),
        ({"timestampSeconds": 5, "timestampNanos": 250_000_000}, 5.25),
        ({"time": "yesterday"}, None),
        ({"time": 12}, None),
        ({"timestamp": {"nanos": 1}}, None),
    ],
)
def test_times_come_in_several_forms(members: dict[str, Any], time: float | None) -> None:
    """What is none of them stays in the payload."""
    entry = structured(**members)
    assert entry.time == time
    assert bool(entry.payload) is (time is None)


@pytest.mark.parametrize(
    ("value", "severity"),
    [
        ("error", "ERROR"), ("Err", "ERROR"), ("fatal", "CRITICAL"), ("warn", "WARNING"),
        (400, "WARNING"), ("300", "NOTICE"), (9999, "EMERGENCY"), (-5, "DEFAULT"),
        ("whatever", "DEFAULT"), (None, "DEFAULT"), (True, "DEFAULT"), ([], "DEFAULT"),
    ],
)  # fmt: skip
def test_severities_have_many_names(value: object, severity: str) -> None:
    """In any case, and as numbers."""
    assert severity_of(value) == severity
    assert rank("DEBUG") < rank("WARNING") < rank("EMERGENCY")


def test_a_level_counts_where_there_is_no_severity() -> None:
    """Most libraries write that; a number there means something else to each of them."""
    assert structured(level="warning", msg="m") == Entry("WARNING", "m", structured=True)
    assert structured(level=30, msg="m").severity == "DEFAULT"
    assert structured(level=30, msg="m").payload == {"level": 30}


def test_a_line_without_a_message_is_its_own() -> None:
    """And what is no text is shown as JSON."""
    assert parse('{"a": 1}').message == '{"a": 1}'
    assert structured(message={"a": 1}).message == '{"a":1}'
    assert structured(message=None, msg=None).message.startswith("{")


@pytest.mark.parametrize(
    ("status", "severity"), [(200, "INFO"), ("404", "WARNING"), (503, "ERROR"), (None, "INFO")]
)
def test_a_request_is_as_severe_as_its_status(status: object, severity: str) -> None:
    """With the trace where the usual template has it, and told in a line."""
    text = msgspec.json.encode({
        "httpRequest": {"requestMethod": "GET", "requestUrl": "/x", "status": status},
        "traceId": "abc",
    }).decode()  # fmt: skip
    entry = parse_request(text)
    assert (entry.severity, entry.trace) == (severity, "abc")
    assert entry.message.startswith("GET /x")
    assert parse_request("plain") == Entry("INFO", "plain")


def test_a_request_is_found_by_its_id() -> None:
    """As a whole word, wherever it stands."""
    assert mentions("00-4bf92f35-00f0-01", "4bf92f35")
    assert mentions('{"requestId":"a-b-c"}', "a-b-c")
    assert not mentions("4bf92f35a", "4bf92f35")
    assert not mentions("nothing", "4bf92f35")
