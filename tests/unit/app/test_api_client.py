"""The small API client: kubeconfigs, refusals, watches."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from utsuwa.app.api import (
    ApiRefusedError,
    Client,
    KubeconfigError,
    NoServerError,
    Resource,
    read,
)
from utsuwa.testing.fakeapi import fake_api

PODS = Resource("v1", "pods")
SERVICES = Resource("serving.knative.dev/v1", "services")


def kubeconfig(**changes: Any) -> dict[str, Any]:
    """A whole one; `changes` replace members of the cluster."""
    return {
        "current-context": "utsuwa",
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:6443", **changes}}],
        "contexts": [
            {"name": "utsuwa", "context": {"cluster": "c", "user": "admin", "namespace": "shop"}}
        ],
        "users": [
            {
                "name": "admin",
                "user": {"client-certificate-data": base64.b64encode(b"cert").decode()},
            }
        ],
    }


def pod(name: str) -> dict[str, Any]:
    """A pod."""
    return {"metadata": {"name": name, "namespace": "default"}}


@pytest.mark.parametrize(
    ("resource", "arguments", "path"),
    [
        (PODS, (), "/api/v1/pods"),
        (PODS, ("default", "a", "log"), "/api/v1/namespaces/default/pods/a/log"),
        (SERVICES, ("n",), "/apis/serving.knative.dev/v1/namespaces/n/services"),
    ],
)
def test_paths(resource: Resource, arguments: tuple[str, ...], path: str) -> None:
    """Core kinds live below /api, all others below /apis."""
    assert resource.path(*arguments) == path


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_a_kubeconfig_is_read_in_either_form(tmp_path: Path, form: str) -> None:
    """JSON is YAML too."""
    import yaml

    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(kubeconfig()) if form == "json" else yaml.safe_dump(kubeconfig()))
    access = read(path)
    assert (access.server, access.namespace) == ("https://127.0.0.1:6443", "shop")
    assert access.certificate == b"cert"
    assert "cert" not in repr(access)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{", "not YAML"),
        ("[]", "expected a mapping"),
        ("current-context: nope", "no context named 'nope'"),
        (json.dumps(kubeconfig(server="ftp://x")), "expected https://"),
        (json.dumps(kubeconfig(**{"certificate-authority-data": "!"})), "not base64"),
        (json.dumps(kubeconfig(**{"certificate-authority": "missing.pem"})), "missing.pem"),
    ],
)
def test_a_kubeconfig_that_is_no_good_says_what_is_wrong(
    tmp_path: Path, text: str, complaint: str
) -> None:
    """With the file's name."""
    path = tmp_path / "kubeconfig"
    path.write_text(text)
    with pytest.raises(KubeconfigError, match=complaint) as error:
        read(path)
    assert str(path) in str(error.value)


def test_a_refusal_has_the_code_reason_and_message_of_the_status(tmp_path: Path) -> None:
    """`spec/kubernetes-api.md` §6."""
    with fake_api(tmp_path):
        client = Client(read(tmp_path / "kubeconfig"))
        with pytest.raises(ApiRefusedError, match='pods "a" not found') as error:
            client.get(PODS, "default", "a")
    assert (error.value.code, error.value.reason) == (404, "NotFound")


def test_a_watch_tells_what_there_is_and_then_what_changes(tmp_path: Path) -> None:
    """And ends when the server ends it."""
    with fake_api(tmp_path) as api:
        api.put("pods", pod("a"))
        events = Client(read(tmp_path / "kubeconfig")).watch(PODS, "default")
        first = next(events)
        api.put("pods", pod("b"))
        api.delete("pods", "default", "a")
        rest = [next(events), next(events)]
        api.close()
        assert list(events) == []
    told = [(event["type"], event["object"]["metadata"]["name"]) for event in (first, *rest)]
    assert told == [("ADDED", "a"), ("ADDED", "b"), ("DELETED", "a")]


def test_a_watch_of_one_name_tells_of_no_other(tmp_path: Path) -> None:
    """A field selector."""
    with fake_api(tmp_path) as api:
        api.put("pods", pod("a"))
        api.put("pods", pod("b"))
        events = Client(read(tmp_path / "kubeconfig")).watch(PODS, "default", name="b")
        assert next(events)["object"]["metadata"]["name"] == "b"
        events.close()


def test_a_watch_on_silence_times_out(tmp_path: Path) -> None:
    """Nothing happens here."""
    with fake_api(tmp_path):
        client = Client(read(tmp_path / "kubeconfig"))
        with pytest.raises(TimeoutError):
            next(client.watch(PODS, "default", timeout=0.05))


def test_a_server_that_is_not_there_is_named(tmp_path: Path) -> None:
    """With the address."""
    (tmp_path / "kubeconfig").write_text(json.dumps(kubeconfig(server="http://127.0.0.1:1")))
    with pytest.raises(NoServerError, match=r"http://127.0.0.1:1: Connection refused"):
        Client(read(tmp_path / "kubeconfig")).list(PODS)
