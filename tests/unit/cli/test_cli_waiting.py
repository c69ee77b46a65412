"""What the Service's conditions say about a deployment (`spec/kubernetes-api.md` §3.2)."""

from typing import Any

import pytest

from utsuwa.cli.waiting import State, advice, share, state_of, tag_url

Document = dict[str, Any]


def service(observed: int = 1, **conditions: tuple[str, str, str]) -> Document:
    """A service of generation 1; conditions are status, reason and message."""
    return {
        "metadata": {"name": "hello", "namespace": "default", "generation": 1},
        "spec": {"template": {"spec": {"containers": [{"image": "dev.local/hello"}]}}},
        "status": {
            "observedGeneration": observed,
            "conditions": [
                {"type": name, "status": status, "reason": reason, "message": message}
                for name, (status, reason, message) in conditions.items()
            ],
        },
    }


TRUE = ("True", "", "")


def test_conditions_of_an_earlier_generation_say_nothing() -> None:
    """The old Ready=True is not the answer to this deployment."""
    assert state_of(service(observed=0, Ready=TRUE)) == State(None)


def test_a_service_without_status_is_not_there_yet() -> None:
    """Right after it was created."""
    assert state_of({"metadata": {"generation": 1}}).outcome is None


def test_ready_is_ready() -> None:
    """At the present generation."""
    assert state_of(service(Ready=TRUE)).outcome is True


def test_we_wait_for_the_revision_before_the_route() -> None:
    """The first condition that is not True yet."""
    state = state_of(
        service(
            Ready=("Unknown", "", ""),
            ConfigurationsReady=("Unknown", "Deploying", "pods are\nstarting"),
            RoutesReady=("Unknown", "RevisionMissing", "…"),
        )
    )
    assert str(state) == "creating the revision (ConfigurationsReady): Deploying: pods are starting"


def test_then_for_the_route() -> None:
    """Once the revision is there."""
    state = state_of(
        service(
            Ready=("Unknown", "", ""),
            ConfigurationsReady=TRUE,
            RoutesReady=("Unknown", "IngressNotConfigured", ""),
        )
    )
    assert state == State(None, "RoutesReady", "IngressNotConfigured", "")


def test_a_failure_is_explained_by_its_cause() -> None:
    """On a first failing revision Ready carries the Route's RevisionMissing; the cause is on
    ConfigurationsReady (`spec/reconcilers.md` §4.4)."""
    state = state_of(
        service(
            Ready=("False", "RevisionMissing", "no ready revision"),
            ConfigurationsReady=("False", "RevisionFailed", "exit code 3: no such table"),
            RoutesReady=("False", "RevisionMissing", "no ready revision"),
        )
    )
    assert state == State(
        False, "ConfigurationsReady", "RevisionFailed", "exit code 3: no such table"
    )


@pytest.mark.parametrize("made", ["Unknown", "True"])
def test_the_failure_of_the_revision_before_is_not_that_of_this_one(made: str) -> None:
    """The Route still says so until it has the next one."""
    nothing = 'Configuration "hello" has no ready Revision: exit code 1'
    state = state_of(
        service(
            Ready=("False", "RevisionMissing", nothing),
            ConfigurationsReady=(made, "OutOfDate", "not yet"),
            RoutesReady=("False", "RevisionMissing", nothing),
        )
    )
    assert state.outcome is None


def test_a_revision_that_the_traffic_names_and_that_is_not_there_is_a_failure() -> None:
    """Whatever is made besides it."""
    state = state_of(
        service(
            Ready=("False", "RevisionMissing", 'Revision "x" referenced in traffic not found'),
            ConfigurationsReady=TRUE,
            RoutesReady=(
                "False",
                "RevisionMissing",
                'Revision "x" referenced in traffic not found',
            ),
        )
    )
    assert (state.outcome, state.condition) == (False, "RoutesReady")


def test_advice_for_a_missing_image_is_to_build_it() -> None:
    """The message names the image."""
    state = State(False, "ConfigurationsReady", "RevisionFailed", 'Unable to fetch image "x": no')
    assert advice(state, service()) == "Build it first: utsuwa build DIR -t dev.local/hello"


@pytest.mark.parametrize(
    ("cause", "expected"),
    [
        ("ErrImagePull: image 'dev.local/x' is not in podman", "Once the image is there"),
        ('CreateContainerConfigError: secret "nope" not found', "Create what is missing"),
    ],
)
def test_a_pod_that_never_ran_has_printed_nothing(cause: str, expected: str) -> None:
    state = State(False, message=f'Revision "hello-00001" failed: {cause}')
    assert advice(state, service()).startswith(expected)


def test_advice_for_anything_else_is_to_look_at_what_it_printed() -> None:
    """With the namespace when it is not the default one."""
    document = service()
    document["metadata"]["namespace"] = "shop"
    state = State(False, "ConfigurationsReady", "ExitCode1", "boom")
    assert advice(state, document) == "See what it printed: utsuwa logs hello -n shop"


def test_the_share_is_that_of_the_latest_ready_revision() -> None:
    """Over all of its entries."""
    document = service()
    document["status"]["latestReadyRevisionName"] = "b"
    document["status"]["traffic"] = [
        {"revisionName": "a", "percent": 70},
        {"revisionName": "b", "percent": 30},
        {"revisionName": "b", "tag": "next", "url": "http://next-hello"},
    ]
    assert share(document) == 30
    assert tag_url(document, "next") == "http://next-hello"
    assert tag_url(document, "other") == ""
