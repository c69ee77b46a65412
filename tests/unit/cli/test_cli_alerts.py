"""Alerts where people look: below the list of services, above an explanation."""

import json
from typing import Any

import pytest

from utsuwa.testing.commandline import Type
from utsuwa.testing.fakeapi import FakeApi

Document = dict[str, Any]


def alert(kind: str = "Service", namespace: str = "default", name: str = "web") -> Document:
    return {
        "code": "QueueGrowing", "severity": "warning", "since": "2026-11-23T19:02:11Z",
        "subject": {"kind": kind, "namespace": namespace, "name": name}, "about": "web-00001",
        "message": f"Something of {name} waits.", "detail": "41 wait now", "action": "Mend it.",
    }  # fmt: skip


@pytest.fixture
def troubled(api: FakeApi) -> FakeApi:
    """A service with an alert, one without, and one on the machine."""
    for name in ("web", "fine"):
        api.put("services", {
            "metadata": {
                "name": name, "namespace": "default", "creationTimestamp": "2026-11-23T19:00:00Z",
            },
            "spec": {"template": {"spec": {"containers": [{"image": "img"}]}}},
        })  # fmt: skip
    listed: Document = {"metadata": {"name": "-", "namespace": "default"}}
    api.put("services/alerts", {**listed, "items": [{"items": [alert()]}]})
    own: Document = {"metadata": {"name": "web", "namespace": "default"}}
    api.put("services/alerts", {**own, "items": [alert()]})
    node: Document = {"metadata": {"name": "-", "namespace": ""}}
    api.put("nodes/alerts", {**node, "items": [{"items": [alert("Node", "", "here")]}]})
    return api


@pytest.mark.usefixtures("troubled")
def test_below_the_services_and_not_among_them(utsuwa: Type) -> None:
    """On standard error: what reads the table goes on as before."""
    result = utsuwa("services")
    assert result.code == 0
    assert "waits" not in result.out
    assert result.err.splitlines() == [
        "WARNING default/web: Something of web waits. (41 wait now) Since 2026-11-23T19:02:11Z.",
        "    Mend it.",
        "WARNING here: Something of here waits. (41 wait now) Since 2026-11-23T19:02:11Z.",
        "    Mend it.",
    ]
    assert "waits" not in utsuwa("services", "-o", "json").err


@pytest.mark.usefixtures("troubled")
def test_of_one_service_only_its_own(utsuwa: Type) -> None:
    assert "here" not in utsuwa("services", "web").err
    assert utsuwa("services", "fine").err == ""


@pytest.mark.usefixtures("troubled")
def test_above_an_explanation(utsuwa: Type) -> None:
    assert utsuwa("explain", "web").out.startswith("WARNING default/web: Something of web waits.")
    told = json.loads(utsuwa("explain", "web", "-o", "json").out)
    assert [one["code"] for one in told["alerts"]] == ["QueueGrowing"]


def test_a_server_that_knows_no_alerts_is_no_error(api: FakeApi, utsuwa: Type) -> None:
    api.put("services", {"metadata": {"name": "new", "namespace": "default"}})
    assert utsuwa("explain", "new").code == 0
