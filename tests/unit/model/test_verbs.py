"""Every verb of every kind: the condition, status and reason that it sets.

Reasons are fixed (`spec/reconcilers.md` §2-§6, §9); each message must say something.
"""

from collections.abc import Callable
from typing import Any

import pytest

from utsuwa.model.conditions import ConditionSet, condition
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
Verb = Callable[..., None]

TABLE: list[tuple[ConditionSet, Verb, tuple[Any, ...], str, str, str]] = [
    (service.CONDITIONS, service.mark_configuration_not_owned, ("n",), "ConfigurationsReady", "False", "NotOwned"),
    (service.CONDITIONS, service.mark_route_not_owned, ("n",), "RoutesReady", "False", "NotOwned"),
    (service.CONDITIONS, service.mark_revision_name_taken, ("n",), "RoutesReady", "False", "RevisionNameTaken"),
    (service.CONDITIONS, service.mark_traffic_not_migrated, (), "RoutesReady", "Unknown", "TrafficNotMigrated"),
    (configuration.CONDITIONS, configuration.mark_revision_creation_failed, ("m",), "Ready", "False", "RevisionFailed"),
    (revision.CONDITIONS, revision.mark_container_missing, ("i", "m"), "ContainerHealthy", "False", "ContainerMissing"),
    (revision.CONDITIONS, revision.mark_not_owned, ("Deployment", "n"), "ResourcesAvailable", "False", "NotOwned"),
    (revision.CONDITIONS, revision.mark_container_exited, (5, ""), "ContainerHealthy", "False", "ExitCode5"),
    (route.CONDITIONS, route.mark_traffic_unknown, ("m",), "AllTrafficAssigned", "Unknown", "Unknown"),
    (route.CONDITIONS, route.mark_host_invalid, ("m",), "AllTrafficAssigned", "False", "ErrorConfig"),
    (route.CONDITIONS, route.mark_configuration_missing, ("n",), "AllTrafficAssigned", "False", "ConfigurationMissing"),
    (route.CONDITIONS, route.mark_revision_missing, ("n",), "AllTrafficAssigned", "False", "RevisionMissing"),
    (route.CONDITIONS, route.mark_configuration_not_ready, ("n",), "AllTrafficAssigned", "Unknown", "RevisionMissing"),
    (route.CONDITIONS, route.mark_revision_not_ready, ("n",), "AllTrafficAssigned", "Unknown", "RevisionMissing"),
    (route.CONDITIONS, route.mark_revision_failed, ("n",), "AllTrafficAssigned", "False", "RevisionMissing"),
    (route.CONDITIONS, route.mark_service_not_owned, ("n",), "IngressReady", "False", "NotOwned"),
    (route.CONDITIONS, route.mark_endpoints_not_owned, ("n",), "IngressReady", "False", "NotOwned"),
    (route.CONDITIONS, route.mark_http_downgrade, ("n",), "CertificateProvisioned", "True", "HTTPDowngrade"),
    (route.CONDITIONS, route.mark_certificate_not_ready, ("n", "r"), "CertificateProvisioned", "Unknown", "CertificateNotReady"),
    (route.CONDITIONS, route.mark_certificate_failed, ("n",), "CertificateProvisioned", "False", "CertificateProvisionFailed"),
    (route.CONDITIONS, route.mark_certificate_not_owned, ("n",), "CertificateProvisioned", "False", "CertificateNotOwned"),
    (podautoscaler.CONDITIONS, podautoscaler.mark_not_owned, ("Metric", "n"), "Active", "False", "NotOwned"),
    (podautoscaler.CONDITIONS, podautoscaler.mark_creation_failed, ("Metric", "n"), "Active", "False", "FailedCreate"),
    (podautoscaler.CONDITIONS, podautoscaler.mark_no_traffic, (), "Active", "False", "NoTraffic"),
    (serverlessservice.CONDITIONS, serverlessservice.mark_endpoints_not_owned, ("Service", "n"), "EndpointsPopulated", "False", "NotOwned"),
    (serverlessservice.CONDITIONS, serverlessservice.mark_endpoints_not_ready, (), "EndpointsPopulated", "Unknown", "NoHealthyBackends"),
    (ingress.CONDITIONS, ingress.mark_network_pending, ("m",), "NetworkConfigured", "Unknown", "Uninitialized"),
    (ingress.CONDITIONS, ingress.mark_not_owned, ("Service", "n"), "NetworkConfigured", "False", "NotOwned"),
    (ingress.CONDITIONS, ingress.mark_load_balancer_not_ready, (), "LoadBalancerReady", "Unknown", "Uninitialized"),
    (domainmapping.CONDITIONS, domainmapping.mark_domain_not_claimed, ("m",), "DomainClaimed", "False", "DomainAlreadyClaimed"),
    (domainmapping.CONDITIONS, domainmapping.mark_reference_not_resolved, ("m",), "ReferenceResolved", "False", "ResolveFailed"),
    (domainmapping.CONDITIONS, domainmapping.mark_tls_not_enabled, (), "CertificateProvisioned", "True", "TLSNotEnabled"),
    (domainmapping.CONDITIONS, domainmapping.mark_certificate_provided, (), "CertificateProvisioned", "True", "CertificateExternallyProvided"),
    (domainmapping.CONDITIONS, domainmapping.mark_http_downgrade, ("n",), "CertificateProvisioned", "True", "HTTPDowngrade"),
    (domainmapping.CONDITIONS, domainmapping.mark_certificate_not_ready, ("n",), "CertificateProvisioned", "Unknown", "CertificateNotReady"),
    (domainmapping.CONDITIONS, domainmapping.mark_certificate_failed, ("n",), "CertificateProvisioned", "False", "CertificateProvisionFailed"),
    (domainmapping.CONDITIONS, domainmapping.mark_certificate_not_owned, ("n",), "CertificateProvisioned", "False", "CertificateNotOwned"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("conditions", "verb", "arguments", "type_", "value", "reason"),
    TABLE,
    ids=[f"{row[1].__module__.rpartition('.')[2]}.{row[1].__name__}" for row in TABLE],
)
def test_a_verb_sets_its_condition_with_a_reason_and_a_message(
    conditions: ConditionSet,
    verb: Verb,
    arguments: tuple[Any, ...],
    type_: str,
    value: str,
    reason: str,
) -> None:
    """And Ready follows."""
    status: Status = {}
    conditions.initialise(status)
    verb(status, *arguments)
    found = condition(status, type_) or {}
    assert (found["status"], found["reason"]) == (value, reason)
    assert found["message"]
    assert all(str(argument) in found["message"] for argument in arguments if argument == "n")
    ready = condition(status, "Ready") or {}
    assert ready["status"] == ("Unknown" if value == "True" else value)


@pytest.mark.parametrize(
    ("conditions", "verbs"),
    [
        (
            route.CONDITIONS,
            [route.mark_traffic_assigned, route.mark_certificate_ready],
        ),
        (
            domainmapping.CONDITIONS,
            [
                domainmapping.mark_domain_claimed,
                domainmapping.mark_reference_resolved,
                domainmapping.mark_certificate_ready,
            ],
        ),
    ],
)
def test_ready_comes_with_the_ingress(conditions: ConditionSet, verbs: list[Verb]) -> None:
    """The last dependent that comes true makes Ready True."""
    status: Status = {}
    conditions.initialise(status)
    for verb in verbs:
        verb(status)
    assert (condition(status, "Ready") or {})["status"] == "Unknown"
    conditions.mark_true(status, "IngressReady")
    assert (condition(status, "Ready") or {})["status"] == "True"


def test_container_healthy_and_resources_make_a_revision_ready() -> None:
    """Active is not asked."""
    status: Status = {}
    revision.CONDITIONS.initialise(status)
    revision.mark_container_healthy(status)
    revision.propagate_deployment(
        status, {"status": {"conditions": [{"type": "Progressing", "status": "True"}]}}
    )
    assert (condition(status, "Ready") or {})["status"] == "True"


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ([], False),
        ([{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}], True),
        ([{"type": "Progressing", "status": "False", "reason": "Other"}], False),
        ([{"type": "Progressing", "status": "True"}], False),
    ],
)
def test_a_deployment_that_gave_up_says_so(conditions: list[Status], expected: bool) -> None:
    """The progress deadline is the Deployment's to watch."""
    assert revision.deadline_exceeded({"status": {"conditions": conditions}}) is expected
