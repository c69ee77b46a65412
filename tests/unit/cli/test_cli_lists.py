"""Tables: one object, one row."""

from typing import Any

import pytest

from utsuwa.cli import render, rows

NOW = 1_700_000_100.0
CREATED = "2023-11-14T22:13:20Z"  # 1,700,000,000

Document = dict[str, Any]


def revision(name: str, *, created: str = CREATED, service: str = "hello") -> Document:
    """A revision that is ready, with one pod."""
    return {
        "metadata": {
            "name": name,
            "namespace": "default",
            "creationTimestamp": created,
            "labels": {"serving.knative.dev/service": service},
        },
        "spec": {"containerConcurrency": 80, "containers": [{"image": "img"}]},
        "status": {
            "actualReplicas": 1,
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }


def service(**status: Any) -> Document:
    """A service."""
    return {
        "metadata": {"name": "hello", "namespace": "default", "creationTimestamp": CREATED},
        "spec": {"template": {"spec": {"containers": [{"image": "img"}]}}},
        "status": status,
    }


def test_a_table_is_as_wide_as_its_longest_cells() -> None:
    """Three blanks between, none at the end of a line."""
    text = render.table(("NAME", "READY"), [("a", "True"), ("long-name", "")])
    assert text == "NAME        READY\na           True\nlong-name"


@pytest.mark.parametrize(("form", "text"), [("json", '{\n  "a": "ü"\n}'), ("yaml", "a: ü")])
def test_documents_are_printed_as_they_are_named(form: str, text: str) -> None:
    """Not escaped."""
    assert render.document({"a": "ü"}, form) == text


def test_a_service_that_is_not_ready_says_why() -> None:
    """Reason of Ready, and the age."""
    failing = service(
        conditions=[{"type": "Ready", "status": "False", "reason": "RevisionMissing"}]
    )
    table = rows.services([failing], NOW, wide=False, namespaces=False)
    assert table.rows == [("hello", "", "", "False", "RevisionMissing", "100s")]


def test_a_service_without_status_is_unknown() -> None:
    """It was created this moment."""
    table = rows.services([service()], NOW, wide=False, namespaces=True)
    assert table.rows == [("default", "hello", "", "", "Unknown", "", "100s")]
    assert table.columns[0] == "NAMESPACE"


def test_wide_adds_concurrency_and_image() -> None:
    """0 and nothing are no limit."""
    table = rows.services([service()], NOW, wide=True, namespaces=False)
    assert dict(zip(table.columns, table.rows[0], strict=True))["CONCURRENCY"] == "unlimited"
    assert table.rows[0][-1] == "img"


def test_a_revision_shows_its_traffic_and_tags() -> None:
    """From the status of its service."""
    traffic = rows.traffic_of(
        [
            service(
                traffic=[
                    {"revisionName": "hello-00001", "percent": 90},
                    {"revisionName": "hello-00001", "tag": "old"},
                    {"revisionName": "hello-00001", "percent": 10, "tag": "older"},
                ]
            )
        ]
    )
    table = rows.revisions([revision("hello-00001")], traffic, NOW, wide=True, namespaces=False)
    assert table.rows == [
        ("hello-00001", "hello", "100%", "old,older", "True", "", "1", "100s", "80", "img", "")
    ]


def test_revisions_come_by_service_the_newest_first() -> None:
    """Of the same second the later name is the newer."""
    items = [
        revision("b-00001", service="b"),
        revision("a-00001", service="a"),
        revision("a-00003", service="a"),
        revision("a-00002", service="a", created="2023-11-14T22:13:21Z"),
    ]
    names = [item["metadata"]["name"] for item in rows.newest_first(items)]
    assert names == ["a-00002", "a-00003", "a-00001", "b-00001"]


def test_a_revision_that_is_not_ready_says_why_in_one_line() -> None:
    """The message of Ready, cut where it is long."""
    item = revision("hello-00002")
    item["status"]["conditions"] = [
        {"type": "Ready", "status": "False", "reason": "ExitCode3", "message": "no\n database" * 99}
    ]
    why = rows.revisions([item], {}, NOW, wide=False, namespaces=False).rows[0][-1]
    assert why.startswith("no database")
    assert (len(why), why[-1]) == (160, "…")


def test_a_revision_that_traffic_was_taken_back_from_says_so() -> None:
    """It is ready, and yet gets none."""
    item = revision("hello-00002")
    item["metadata"]["annotations"] = {"utsuwa.dev/rollout-taken-back": "too slow"}
    assert rows.trouble(item) == "traffic was taken back: too slow"
