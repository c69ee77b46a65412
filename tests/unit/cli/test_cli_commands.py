"""The commands against an API server: what they send, print and return."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from utsuwa.testing.commandline import Type
from utsuwa.testing.fakeapi import FakeApi, status

Document = dict[str, Any]
URL = "http://hello.default.localhost:8080"


def ready(api: FakeApi, written: Document) -> None:
    """A control plane that is done at once."""
    metadata = written["metadata"]
    name = f"{metadata['name']}-{metadata['generation']:05d}"
    api.set_status(
        "services",
        metadata["namespace"],
        metadata["name"],
        {
            "url": URL,
            "latestReadyRevisionName": name,
            "latestCreatedRevisionName": name,
            "traffic": [{"revisionName": name, "percent": 100}],
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    )


def failing(api: FakeApi, written: Document) -> None:
    """A control plane that finds the program broken."""
    condition = {"status": "False", "reason": "RevisionFailed", "message": "exit code 3: boom"}
    api.set_status(
        "services",
        "default",
        written["metadata"]["name"],
        {"conditions": [{"type": t, **condition} for t in ("Ready", "ConfigurationsReady")]},
    )


def stored(api: FakeApi, name: str = "hello") -> Document:
    """The service."""
    return api.objects["services", "default", name]


def container(api: FakeApi) -> Document:
    """Its container."""
    found: Document = stored(api)["spec"]["template"]["spec"]["containers"][0]
    return found


# --- deploy ------------------------------------------------------------------------------------


def test_deploy_prints_the_address_alone_on_stdout(utsuwa: Type, api: FakeApi) -> None:
    """So that `curl $(utsuwa deploy …)` works; all else goes to stderr."""
    api.react = ready
    result = utsuwa("deploy", "hello", "--image", "dev.local/hello")
    assert result.out == f"{URL}\n"
    assert "revision hello-00001 is ready and gets 100% of the traffic" in result.err
    assert result.code == 0


def test_deploy_shows_what_it_waits_for(utsuwa: Type, api: FakeApi) -> None:
    """A line per change, when nobody looks at a terminal."""

    def slowly(api: FakeApi, written: Document) -> None:
        message = {"reason": "Deploying", "message": "0 of 1 pods"}
        conditions = [{"type": "ConfigurationsReady", "status": "Unknown", **message}]
        api.set_status("services", "default", "hello", {"conditions": conditions})

        def later() -> None:
            ready(api, written)

        import threading

        threading.Timer(0.1, later).start()

    api.react = slowly
    result = utsuwa("deploy", "hello", "--image", "dev.local/hello")
    assert "creating the revision (ConfigurationsReady): Deploying: 0 of 1 pods" in result.err
    assert result.code == 0


def test_deploy_that_fails_says_why_and_what_to_do(utsuwa: Type, api: FakeApi) -> None:
    """Exit code 1, two lines."""
    api.react = failing
    result = utsuwa("deploy", "hello", "--image", "dev.local/hello")
    assert result.code == 1
    assert result.out == ""
    assert result.err.splitlines()[-2:] == [
        "utsuwa: service default/hello is not ready: RevisionFailed: exit code 3: boom",
        "  See what it printed: utsuwa logs hello",
    ]


def test_deploy_gives_up_after_its_timeout(utsuwa: Type, api: FakeApi) -> None:
    """And says what was being waited for."""
    result = utsuwa("deploy", "hello", "--image", "dev.local/hello", "--timeout", "0.2")
    assert result.code == 1
    assert "default/hello is not ready after 0.2 s: waiting for the controllers" in result.err


def test_deploy_without_waiting_returns_at_once(utsuwa: Type, api: FakeApi) -> None:
    """Nothing becomes ready here."""
    result = utsuwa("deploy", "hello", "--image", "dev.local/hello", "--no-wait")
    assert (result.code, result.out) == (0, "")
    assert stored(api)["metadata"]["generation"] == 1


def test_deploying_again_keeps_what_is_not_mentioned(utsuwa: Type, api: FakeApi) -> None:
    """A new revision, the image as it was."""
    api.react = ready
    utsuwa("deploy", "hello", "--image", "dev.local/hello", "--env", "A=1", "--concurrency", "80")
    result = utsuwa("deploy", "hello", "--env", "B=2")
    assert "revision hello-00002 is ready" in result.err
    assert container(api)["image"] == "dev.local/hello"
    assert [e["name"] for e in container(api)["env"]] == ["A", "B"]
    assert stored(api)["spec"]["template"]["spec"]["containerConcurrency"] == 80


def test_deploying_something_else_holds_on_to_the_digest(utsuwa: Type, api: FakeApi) -> None:
    """As gcloud: an update of a variable must not pick up another build."""
    api.react = ready
    utsuwa("deploy", "hello", "--image", "dev.local/hello:1")
    digest = f"dev.local/hello@sha256:{'0' * 64}"
    api.put(
        "revisions",
        {
            "metadata": {"name": "hello-00001", "namespace": "default"},
            "spec": {"containers": [{"image": "dev.local/hello:1"}]},
            "status": {"containerStatuses": [{"imageDigest": digest}]},
        },
    )
    utsuwa("deploy", "hello", "--env", "B=2")
    assert container(api)["image"] == digest


def test_deploy_tries_again_when_somebody_else_was_faster(utsuwa: Type, api: FakeApi) -> None:
    """409 Conflict: read again, change again."""
    api.react = ready
    utsuwa("deploy", "hello", "--image", "dev.local/hello")
    api.refuse["PUT"] = status(409, "Conflict", "the object has been modified")
    assert utsuwa("deploy", "hello", "--concurrency", "1").code == 0
    assert stored(api)["spec"]["template"]["spec"]["containerConcurrency"] == 1


def test_deploying_nothing_new_is_explained(utsuwa: Type, api: FakeApi) -> None:
    """A first deployment needs an image."""
    result = utsuwa("deploy", "hello")
    assert result.code == 1
    assert "it needs an image" in result.err
    assert "utsuwa deploy hello --source DIR, or --image REF" in result.err


def test_deploying_a_directory_builds_it_and_pins_it_by_digest(
    utsuwa: Type, api: FakeApi, tmp_path: Path
) -> None:
    """The image is in the cluster's data directory, under a name of its own."""
    source = tmp_path / "source"
    source.mkdir()
    (source / "main.py").write_text("print('hello')")
    api.react = ready
    result = utsuwa("deploy", "hello", "--source", str(source))
    assert result.code == 0, result.err
    repository, _, digest = container(api)["image"].partition("@")
    assert repository == "dev.local/hello"
    assert digest.startswith("sha256:")
    metadata = stored(api)["spec"]["template"]["metadata"]
    assert metadata["annotations"]["client.knative.dev/user-image"] == "dev.local/hello:latest"


def test_nothing_is_built_where_no_cluster_is(utsuwa: Type, tmp_path: Path) -> None:
    """A build may take minutes."""
    (tmp_path / "main.py").write_text("print('hello')")
    result = utsuwa(
        "deploy", "hello", "--source", str(tmp_path), "--data-dir", str(tmp_path / "no")
    )
    assert result.code == 1
    assert "no cluster here" in result.err
    assert "building" not in result.err
    assert not (tmp_path / "no").exists()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["Hello", "--image", "i"], "NAME 'Hello'"),
        (["hello", "--image", "i", "--tag", "A"], "--tag 'A'"),
        (["hello", "--image", "UPPER CASE"], "--image"),
        (["hello", "--image", "i", "--env", "novalue"], "--env 'novalue'"),
        (["hello", "--image", "i", "-n", "a/b"], "--namespace 'a/b'"),
        (["hello", "--image", "i", "--source", "."], "--image and --source"),
        (["hello", "--image", "i", "--timeout", "0"], "--timeout"),
    ],
)
def test_deploy_names_the_flag_that_is_wrong(
    utsuwa: Type, arguments: list[str], complaint: str
) -> None:
    """Wrong usage is found before anything is sent."""
    result = utsuwa("deploy", *arguments)
    assert result.code == 2
    assert complaint in result.err


# --- build -------------------------------------------------------------------------------------


def test_build_prints_the_digest(utsuwa: Type, tmp_path: Path) -> None:
    """The same content is the same image."""
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "main.py").write_text("pass")
    arguments = ("build", str(tmp_path / "app"), "-t", "a/b:1", "--data-dir", str(tmp_path / "d"))
    first, second = utsuwa(*arguments), utsuwa(*arguments)
    assert first.out.startswith("sha256:")
    assert second.out == first.out
    assert "unchanged a/b:1" in second.err


def test_build_of_what_cannot_be_started_says_so(utsuwa: Type, tmp_path: Path) -> None:
    """Exit code 1."""
    (tmp_path / "app").mkdir()
    result = utsuwa("build", str(tmp_path / "app"), "-t", "a:1", "--data-dir", str(tmp_path / "d"))
    assert result.code == 1
    assert result.err.startswith("utsuwa: ")


# --- lists -------------------------------------------------------------------------------------


def test_services_lists_those_of_the_namespace(utsuwa: Type, api: FakeApi) -> None:
    """And with -A those of every one."""
    api.react = ready
    utsuwa("deploy", "hello", "--image", "i")
    utsuwa("deploy", "other", "--image", "i", "-n", "shop")
    here, everywhere = utsuwa("services").out, utsuwa("services", "-A").out
    assert "hello" in here
    assert "other" not in here
    assert everywhere.splitlines()[0].startswith("NAMESPACE")
    assert "other" in everywhere


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_services_as_documents_are_a_list(utsuwa: Type, api: FakeApi, form: str) -> None:
    """As kubectl prints it; JSON is YAML."""
    utsuwa("deploy", "hello", "--image", "i", "--no-wait")
    found = yaml.safe_load(utsuwa("services", "-o", form).out)
    assert found["kind"] == "List"
    assert found["items"][0]["metadata"]["name"] == "hello"


def test_one_service_as_document_is_the_object(utsuwa: Type, api: FakeApi) -> None:
    """Not a list of one."""
    utsuwa("deploy", "hello", "--image", "i", "--no-wait")
    found = json.loads(utsuwa("services", "hello", "-o", "json").out)
    assert found["metadata"]["name"] == "hello"


def test_no_service_is_said_on_stderr(utsuwa: Type, api: FakeApi) -> None:
    """stdout stays empty for whoever counts lines."""
    assert utsuwa("services") == (0, "", "No services in default.\n")


def test_a_service_that_is_missing_is_an_error(utsuwa: Type, api: FakeApi) -> None:
    """The message is the API server's."""
    assert utsuwa("services", "nope").code == 1


def test_revisions_show_their_share(utsuwa: Type, api: FakeApi) -> None:
    """From the service's status."""
    api.react = ready
    utsuwa("deploy", "hello", "--image", "i")
    labels = {"serving.knative.dev/service": "hello"}
    api.put(
        "revisions",
        {
            "metadata": {"name": "hello-00001", "namespace": "default", "labels": labels},
            "spec": {"containers": [{"image": "i"}]},
        },
    )
    out = utsuwa("revisions", "--service", "hello").out
    assert out.splitlines()[1].split() == ["hello-00001", "hello", "100%", "Unknown", "0"]
    assert utsuwa("revisions", "-s", "other").err == "No revisions in default.\n"


def test_revisions_of_a_service_by_its_name(utsuwa: Type, api: FakeApi) -> None:
    """A name is that of a revision first, then that of a service."""
    put_revision(api, "hello-00001")
    put_revision(api, "hello-00002")
    assert len(utsuwa("revisions", "hello").out.splitlines()) == 3
    assert len(utsuwa("revisions", "hello-00001").out.splitlines()) == 2
    assert json.loads(utsuwa("revisions", "hello-00001", "-o", "json").out)["metadata"]
    result = utsuwa("revisions", "nope")
    assert (result.code, "no revision 'nope' in default" in result.err) == (1, True)


# --- traffic -----------------------------------------------------------------------------------


def put_revision(api: FakeApi, name: str, ready: str = "True") -> None:
    number = name[-1]
    labels = {
        "serving.knative.dev/service": "hello",
        "serving.knative.dev/configurationGeneration": number,
    }
    api.put(
        "revisions",
        {
            "metadata": {
                "name": name,
                "namespace": "default",
                "labels": labels,
                "creationTimestamp": f"2023-11-14T22:13:0{number}Z",
            },
            "spec": {"containers": [{"image": "i"}]},
            "status": {"conditions": [{"type": "Ready", "status": ready}]},
        },
    )


def routed(api: FakeApi, service: Document) -> None:
    """As the controllers: the status has what the spec asks for; the latest is hello-00003, and
    something else about the service is wrong."""
    traffic = [
        {"revisionName": "hello-00003", **target}
        for target in service["spec"].get("traffic") or [{"latestRevision": True, "percent": 100}]
    ]
    conditions = [
        {"type": "ConfigurationsReady", "status": "False"},
        {"type": "RoutesReady", "status": "True"},
    ]
    status = {
        "traffic": traffic,
        "conditions": conditions,
        "url": URL,
        "latestReadyRevisionName": "hello-00003",
    }
    api.set_status("services", "default", "hello", status)


@pytest.fixture
def three(api: FakeApi) -> FakeApi:
    """A service of three revisions, the second of which is not ready."""
    api.react = routed
    metadata = {"name": "hello", "namespace": "default"}
    api.write("services", {"metadata": metadata, "spec": {"template": {"spec": {}}}})
    for name, state in (("hello-00001", "True"), ("hello-00002", "False"), ("hello-00003", "True")):
        put_revision(api, name, state)
    return api


def test_traffic_shows_the_split(utsuwa: Type, three: FakeApi) -> None:
    """Nothing is written."""
    assert utsuwa("traffic", "hello").out.splitlines()[1].split() == ["hello-00003", "100%", "yes"]
    document = json.loads(utsuwa("traffic", "hello", "-o", "json").out)
    assert document["traffic"] == [
        {"revision": "hello-00003", "percent": 100, "latest": True, "tags": {}}
    ]
    assert not [line for line in three.requests if line.startswith("PATCH")]


def test_traffic_is_split_and_tagged(utsuwa: Type, three: FakeApi) -> None:
    """The command waits for the traffic, and not for what else is wrong."""
    result = utsuwa(
        "traffic", "hello", "--to", "hello-00001=30,LATEST=70", "--tag", "v1=hello-00001"
    )
    assert result.code == 0, result.err
    assert stored(three)["spec"]["traffic"] == [
        {"revisionName": "hello-00001", "percent": 30},
        {"latestRevision": True, "percent": 70},
        {"revisionName": "hello-00001", "tag": "v1"},
    ]
    assert utsuwa("traffic", "hello", "--untag", "v1", "--to", "LATEST").code == 0
    assert stored(three)["spec"]["traffic"] == [{"latestRevision": True, "percent": 100}]


def test_rollback_is_one_word(utsuwa: Type, three: FakeApi) -> None:
    """To the newest ready revision before; pinned."""
    assert utsuwa("traffic", "hello", "rollback").code == 0
    assert stored(three)["spec"]["traffic"] == [{"revisionName": "hello-00001", "percent": 100}]
    result = utsuwa("traffic", "hello", "rollback")
    assert (result.code, "no ready revision is older" in result.err) == (1, True)


def test_an_unknown_revision_lists_those_that_exist(utsuwa: Type, three: FakeApi) -> None:
    result = utsuwa("traffic", "hello", "--to", "hello-00009")
    assert result.code == 1
    assert "hello-00003, hello-00002, hello-00001, and LATEST" in result.err


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--to", "a=30"), "add up to 100, found 30"),
        (("--tag", "v1"), "expected TAG=REVISION"),
        (("rollback", "--to", "a"), "expected one of them"),
        (("forward",), "rollback"),
    ],
)
def test_what_traffic_cannot_mean_is_wrong_usage(
    utsuwa: Type, arguments: tuple[str, ...], why: str
) -> None:
    """Exit code 2, before any server is asked."""
    result = utsuwa("traffic", "hello", *arguments)
    assert (result.code, why in result.err) == (2, True), result.err


# --- logs --------------------------------------------------------------------------------------


def line(pod: str, message: str, position: int = 0, **more: Any) -> Document:
    """A line of hello, and the file that it is in."""
    return {
        "kind": "output", "pod": pod, "revision": "hello-00001", "alive": True,
        "position": position, "received": "2026-01-01T00:00:00Z", "time": "2026-01-01T00:00:00Z",
        "severity": "DEFAULT", "message": message, **more,
    }  # fmt: skip


def test_logs_of_several_pods_name_the_pod(utsuwa: Type, api: FakeApi) -> None:
    """With one pod there is nothing to tell apart."""
    utsuwa("deploy", "hello", "--image", "i", "--no-wait")
    api.service_logs["hello"] = [line("one", "a", 2), line("one", "b", 4)]
    assert utsuwa("logs", "hello").out == "a\nb\n"
    api.service_logs["hello"].append(line("two", "c", 2))
    assert utsuwa("logs", "hello").out == "one | a\none | b\ntwo | c\n"


def test_structured_lines_are_told_in_a_sentence(utsuwa: Type, api: FakeApi) -> None:
    """Or as JSON; the server is asked for what fits."""
    utsuwa("deploy", "hello", "--image", "i", "--no-wait")
    slow = line("one", "slow", severity="WARNING", text="{…}", payload={"ms": 31, "at": "a b"})
    api.service_logs["hello"] = [slow]
    result = utsuwa("logs", "hello", "--level", "warning", "--since", "10m", "--timestamps")
    assert result.out == '2026-01-01T00:00:00Z WARNING slow ms=31 at="a b"\n'
    assert "sinceSeconds=600&level=warning" in api.requests[-1]
    assert json.loads(utsuwa("logs", "hello", "-o", "json").out) == slow
    utsuwa("logs", "hello", "--request-id", "abc")
    assert "requestID=abc&requests=with" in api.requests[-1]


def test_logs_outlive_the_pod(utsuwa: Type, api: FakeApi) -> None:
    """At zero there is nobody to ask, but the files are there."""
    utsuwa("deploy", "hello", "--image", "i", "--no-wait")
    api.service_logs["hello"] = [line("one", "a", alive=False)]
    result = utsuwa("logs", "hello")
    assert (result.out, "no pod is running; this is what" in result.err) == ("a\n", True)


def test_logs_of_nothing_say_so(utsuwa: Type, api: FakeApi) -> None:
    """No pod, no file; no request log."""
    utsuwa("deploy", "hello", "--image", "i", "--no-wait")
    assert "no pod is running, and none has left a log" in utsuwa("logs", "hello").err
    assert "logging.enable-request-log" in utsuwa("logs", "hello", "--requests").err
    assert utsuwa("logs", "nope").code == 1


# --- delete ------------------------------------------------------------------------------------


def test_delete_removes_them_all_and_tells_of_those_that_are_missing(
    utsuwa: Type, api: FakeApi
) -> None:
    """One that is missing does not save the others."""
    utsuwa("deploy", "hello", "--image", "i", "--no-wait")
    utsuwa("deploy", "other", "--image", "i", "--no-wait")
    result = utsuwa("delete", "hello", "nope", "other")
    assert result.code == 1
    assert result.out == "service default/hello deleted\nservice default/other deleted\n"
    assert '"nope" not found' in result.err
    assert api.objects == {}


# --- completion --------------------------------------------------------------------------------


def test_names_of_services_are_completed(api: FakeApi, utsuwa: Type) -> None:
    """From the running cluster; in silence where there is none."""
    import click

    from utsuwa.cli.commands.delete import command
    from utsuwa.cli.complete import service_names

    utsuwa("deploy", "hello", "--image", "i", "--no-wait")
    utsuwa("deploy", "other", "--image", "i", "--no-wait")
    context, parameter = click.Context(command), command.params[0]
    assert service_names(context, parameter, "he") == ["hello"]
    context.params["data_dir"] = Path("/nonexistent")
    assert service_names(context, parameter, "") == []
