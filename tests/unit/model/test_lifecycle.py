"""The condition sequences of `spec/reconcilers.md` §11, recorded from the original."""

from typing import Any

from utsuwa.model.conditions import conditions_of
from utsuwa.model.lifecycle import (
    configuration,
    domainmapping,
    ingress,
    podautoscaler,
    revision,
    route,
    serverlessservice,
    service,
)

Status = dict[str, Any]


def shown(status: Status) -> dict[str, str]:
    """Conditions as the table writes them: `Unknown(Reason)`."""
    return {
        c["type"]: f"{c['status']}({c['reason']})" if c.get("reason") else c["status"]
        for c in conditions_of(status)
    }


def autoscaler(**status: Any) -> Status:
    """A PodAutoscaler with `status`."""
    return {"status": status}


def queued() -> Status:
    """A PodAutoscaler that waits for its first pod."""
    status: Status = {"serviceName": "hello-00001", "desiredScale": 1, "actualScale": 0}
    podautoscaler.CONDITIONS.initialise(status)
    podautoscaler.mark_sks_ready(status)
    podautoscaler.mark_queued(status)
    return {"status": status}


def active() -> Status:
    """The same one, later."""
    pa = queued()
    podautoscaler.mark_scale_target_initialised(pa["status"])
    podautoscaler.mark_active(pa["status"])
    return pa


def deployed(status: str = "True", reason: str = "", kind: str = "Progressing") -> Status:
    """A Deployment with one condition."""
    found = {"type": kind, "status": status, "reason": reason, "message": "m"}
    return {"status": {"conditions": [found]}}


def ready_revision() -> Status:
    """The status of a Revision whose pods are up."""
    status: Status = {}
    revision.CONDITIONS.initialise(status)
    revision.mark_deploying(status)
    revision.propagate_deployment(status, deployed())
    revision.propagate_autoscaler(status, active())
    return status


def test_a_revision_comes_up_through_the_recorded_steps() -> None:
    """All rows of the Revision table."""
    status: Status = {}
    revision.CONDITIONS.initialise(status)
    assert shown(status) == dict.fromkeys(
        ("ContainerHealthy", "Ready", "ResourcesAvailable"), "Unknown"
    )

    revision.mark_resolving_digests(status)
    assert shown(status) == {
        "ContainerHealthy": "Unknown",
        "Ready": "Unknown(ResolvingDigests)",
        "ResourcesAvailable": "Unknown(ResolvingDigests)",
    }

    revision.mark_deploying(status)
    revision.propagate_autoscaler(status, autoscaler())
    deploying = dict.fromkeys(
        ("Active", "ContainerHealthy", "Ready", "ResourcesAvailable"), "Unknown(Deploying)"
    )
    assert shown(status) == deploying

    revision.propagate_deployment(status, deployed())
    revision.propagate_autoscaler(status, queued())
    assert shown(status) == {**deploying, "Active": "Unknown(Queued)"}
    assert (status["actualReplicas"], status["desiredReplicas"]) == (0, 1)

    revision.propagate_autoscaler(status, active())
    assert shown(status) == dict.fromkeys(deploying, "True")
    assert [c.get("severity") for c in conditions_of(status)] == ["Info", None, None, None]


def test_a_revision_at_zero_is_ready_and_not_active() -> None:
    """Last row of the Revision table."""
    status = ready_revision()
    pa = active()
    podautoscaler.mark_no_traffic(pa["status"])
    revision.propagate_autoscaler(status, pa)
    assert shown(status) == {
        "Active": "False(NoTraffic)",
        "ContainerHealthy": "True",
        "Ready": "True",
        "ResourcesAvailable": "True",
    }


def test_replica_counts_below_zero_are_unknown() -> None:
    """-1 stands for "no data"."""
    status = ready_revision()
    pa = active()
    pa["status"] |= {"actualScale": -1, "desiredScale": -1}
    revision.propagate_autoscaler(status, pa)
    assert "actualReplicas" not in status
    assert "desiredReplicas" not in status


def test_giving_up_before_the_initial_scale_fails_the_revision() -> None:
    """`spec/reconcilers.md` §4.3 step A, Ready False."""
    status: Status = {}
    revision.CONDITIONS.initialise(status)
    revision.propagate_deployment(status, deployed())
    pa = queued()
    podautoscaler.mark_timed_out(pa["status"])
    revision.propagate_autoscaler(status, pa)
    assert shown(status)["ResourcesAvailable"] == "False(ProgressDeadlineExceeded)"
    assert shown(status)["Active"] == "False(TimedOut)"


def test_what_the_deployment_could_not_do_is_not_overwritten_by_the_autoscaler() -> None:
    """`resDown` of `spec/reconcilers.md` §4.3."""
    status: Status = {}
    revision.CONDITIONS.initialise(status)
    revision.propagate_deployment(status, deployed("True", "FailedCreate", "ReplicaFailure"))
    revision.propagate_autoscaler(status, active())
    assert shown(status)["ResourcesAvailable"] == "False(FailedCreate)"
    assert shown(status)["Ready"] == "False(FailedCreate)"


def test_a_deployment_without_conditions_is_still_deploying() -> None:
    """First row of step D."""
    status: Status = {}
    revision.CONDITIONS.initialise(status)
    revision.propagate_deployment(status, {"status": {}})
    assert shown(status)["ResourcesAvailable"] == "Unknown(Deploying)"


def pod(container: Status, scheduled: str = "True") -> Status:
    """A pod with one container besides the proxy."""
    conditions = [{"type": "PodScheduled", "status": scheduled, "reason": "Unschedulable"}]
    proxy = {"name": "queue-proxy", "state": {"waiting": {"reason": "Not me"}}}
    return {"status": {"conditions": conditions, "containerStatuses": [proxy, container]}}


def pod_says(container: Status, *, exceeded: bool = False, **more: Any) -> Status:
    """The status of a Revision that looked at one pod."""
    status: Status = {}
    revision.CONDITIONS.initialise(status)
    always = more.pop("always", False)
    revision.propagate_pod(
        status, pod(container, **more), deadline_exceeded=exceeded, always_schedulable=always
    )
    return status


def test_a_container_that_ended_says_its_exit_code_and_last_words() -> None:
    """`ExitCodeN`, message prefixed `Container failed with: `."""
    ended = {"name": "c", "lastState": {"terminated": {"exitCode": 3, "message": "boom"}}}
    status = pod_says(ended)
    assert shown(status)["ContainerHealthy"] == "False(ExitCode3)"
    healthy = next(c for c in conditions_of(status) if c["type"] == "ContainerHealthy")
    assert healthy["message"] == "Container failed with: boom"


def test_a_container_that_ended_in_silence_still_gets_a_message() -> None:
    """Users complained of an empty "Container failed with: ."."""
    ended = {"name": "c", "lastState": {"terminated": {"exitCode": 0}}}
    message = next(c for c in conditions_of(pod_says(ended)) if c["type"] == "ContainerHealthy")
    assert "exit code 0" in message["message"]


def test_waiting_counts_only_after_the_deadline() -> None:
    """Images may take their time."""
    waiting = {"name": "c", "state": {"waiting": {"reason": "ImagePullBackOff", "message": "m"}}}
    assert shown(pod_says(waiting))["ResourcesAvailable"] == "Unknown"
    late = shown(pod_says(waiting, exceeded=True))
    assert late["ResourcesAvailable"] == "False(ImagePullBackOff)"


def test_a_pod_without_a_place_is_told_at_once_unless_it_always_gets_one() -> None:
    """`pod-is-always-schedulable`."""
    idle = {"name": "c", "state": {}}
    told = shown(pod_says(idle, scheduled="False"))
    assert told["ResourcesAvailable"] == "False(Unschedulable)"
    quiet = shown(pod_says(idle, scheduled="False", always=True))
    assert quiet["ResourcesAvailable"] == "Unknown"


def test_a_configuration_waits_for_its_newest_revision() -> None:
    """Ready Unknown without reason; True when the newest is ready; False when it failed."""
    status: Status = {}
    configuration.CONDITIONS.initialise(status)
    configuration.set_latest_created(status, "hello-00001")
    assert shown(status) == {"Ready": "Unknown"}
    configuration.mark_latest_created_failed(status, "hello-00001", "image missing")
    assert shown(status) == {"Ready": "False(RevisionFailed)"}
    assert "image missing" in conditions_of(status)[0]["message"]
    configuration.set_latest_ready(status, "hello-00001")
    assert shown(status) == {"Ready": "True"}
    configuration.set_latest_created(status, "hello-00002")
    assert shown(status) == {"Ready": "Unknown"}


def test_a_configuration_is_not_ready_through_an_older_revision() -> None:
    """latestReady may advance while the newest fails; Ready does not."""
    status: Status = {}
    configuration.CONDITIONS.initialise(status)
    configuration.set_latest_created(status, "hello-00003")
    configuration.set_latest_ready(status, "hello-00002")
    assert shown(status) == {"Ready": "Unknown"}


def test_a_service_reports_its_route_first() -> None:
    """Rows of the Service: RoutesReady is marked last in a pass."""
    status: Status = {}
    service.CONDITIONS.initialise(status)
    service.mark_configuration_out_of_date(status)
    service.mark_route_out_of_date(status)
    assert shown(status) == {
        "ConfigurationsReady": "Unknown(OutOfDate)",
        "Ready": "Unknown(OutOfDate)",
        "RoutesReady": "Unknown(OutOfDate)",
    }
    ready = next(c for c in conditions_of(status) if c["type"] == "Ready")
    assert "Route" in ready["message"]

    failed: Status = {"latestCreatedRevisionName": "hello-00001"}
    configuration.mark_latest_created_failed(failed, "hello-00001", "no image")
    service.propagate_configuration(status, {"status": failed})
    lost: Status = {}
    route.CONDITIONS.initialise(lost)
    route.mark_configuration_failed(lost, "hello")
    service.propagate_route(status, {"status": lost})
    assert shown(status) == {
        "ConfigurationsReady": "False(RevisionFailed)",
        "Ready": "False(RevisionMissing)",
        "RoutesReady": "False(RevisionMissing)",
    }


def test_a_service_takes_over_and_gives_up_the_fields_of_its_children() -> None:
    """What a child no longer says, the Service must not say either."""
    status: Status = {}
    service.propagate_route(status, {"status": {"url": "http://h", "traffic": [{"percent": 100}]}})
    assert status == {"url": "http://h", "traffic": [{"percent": 100}]}
    service.propagate_route(status, {"status": {}})
    assert status == {}


def test_a_route_whose_configuration_failed() -> None:
    """Row "Route, configuration failed"."""
    status: Status = {}
    route.CONDITIONS.initialise(status)
    route.mark_ingress_not_configured(status)
    route.mark_configuration_failed(status, "hello")
    assert shown(status) == {
        "AllTrafficAssigned": "False(RevisionMissing)",
        "CertificateProvisioned": "Unknown",
        "IngressReady": "Unknown(IngressNotConfigured)",
        "Ready": "False(RevisionMissing)",
    }


def test_a_route_that_waits_for_its_ingress_and_for_its_rollout() -> None:
    """Rows "Ingress pending" and "rollout running", then ready."""
    status: Status = {}
    route.CONDITIONS.initialise(status)
    route.mark_traffic_assigned(status)
    route.mark_tls_not_enabled(status)
    route.mark_ingress_not_configured(status)
    pending = {
        "AllTrafficAssigned": "True",
        "CertificateProvisioned": "True(TLSNotEnabled)",
        "IngressReady": "Unknown(IngressNotConfigured)",
        "Ready": "Unknown(IngressNotConfigured)",
    }
    assert shown(status) == pending
    certificate = next(c for c in conditions_of(status) if c["type"] == "CertificateProvisioned")
    assert certificate["message"]

    route.mark_rollout_in_progress(status)
    running = {
        "IngressReady": "Unknown(RolloutInProgress)",
        "Ready": "Unknown(RolloutInProgress)",
    }
    assert shown(status) == {**pending, **running}

    programmed: Status = {}
    ingress.CONDITIONS.initialise(programmed)
    ingress.mark_network_configured(programmed)
    ingress.mark_load_balancer_ready(programmed, [{"ip": "127.0.0.1"}], [{"ip": "127.0.0.1"}])
    route.propagate_ingress(status, {"status": programmed})
    assert shown(status) == {**pending, "IngressReady": "True", "Ready": "True"}


def test_an_ingress_without_conditions_is_not_configured() -> None:
    """For Routes and DomainMappings alike."""
    for module in (route, domainmapping):
        status: Status = {}
        module.CONDITIONS.initialise(status)
        module.propagate_ingress(status, {})
        assert shown(status)["IngressReady"] == "Unknown(IngressNotConfigured)"


def test_whom_a_foreign_revision_belongs_to_is_told() -> None:
    """`RevisionNotOwned`."""
    status: Status = {}
    route.CONDITIONS.initialise(status)
    route.mark_revision_not_owned(status, "other-00001", expected="hello", actual="other")
    message = next(c["message"] for c in conditions_of(status) if c["type"] == "AllTrafficAssigned")
    assert '"other"' in message
    assert '"hello"' in message


def test_the_autoscaler_is_ready_when_active_initialised_and_served() -> None:
    """Dependents of `spec/reconcilers.md` §6."""
    status: Status = {}
    podautoscaler.CONDITIONS.initialise(status)
    sks: Status = {"serviceName": "hello-00001", "privateServiceName": "hello-00001-private"}
    serverlessservice.CONDITIONS.initialise(sks)
    serverlessservice.mark_endpoints_not_ready(sks)
    podautoscaler.propagate_sks(status, {"status": sks})
    assert shown(status)["SKSReady"] == "Unknown(NotReady)"
    assert status["serviceName"] == "hello-00001"
    serverlessservice.mark_endpoints_ready(sks)
    podautoscaler.propagate_sks(status, {"status": sks})
    podautoscaler.mark_active(status)
    podautoscaler.mark_scale_target_initialised(status)
    assert shown(status)["Ready"] == "True"
    assert podautoscaler.is_active(status)
    assert not podautoscaler.is_inactive(status)


def test_how_long_something_has_been_so_is_read_from_the_condition() -> None:
    """The clocks of scale to zero: whole seconds of Unix time."""
    status = {
        "conditions": [
            {"type": "Active", "status": "False", "lastTransitionTime": "2023-11-14T22:13:20Z"}
        ]
    }
    assert podautoscaler.time_in(status, "False", 1_700_000_030.0) == 30.0
    assert podautoscaler.time_in(status, "True", 1_700_000_030.0) == -1.0
    held: Status = {}
    serverlessservice.mark_activator_endpoints_populated(held)
    held["conditions"][0]["lastTransitionTime"] = "2023-11-14T22:13:20Z"
    assert serverlessservice.proxy_for(held, 1_700_000_005.0) == 5.0
    serverlessservice.mark_activator_endpoints_removed(held)
    assert serverlessservice.proxy_for(held, 1_700_000_005.0) == 0.0
