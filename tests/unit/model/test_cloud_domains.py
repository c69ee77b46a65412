"""DomainMappings in gcloud's words, and back."""

from typing import Any

import pytest

from utsuwa.kit.documents import Document
from utsuwa.model.cloud_domains import records_of, stored, viewed
from utsuwa.model.kinds import CLOUD_DOMAIN_MAPPING, CORE_SERVICE, DOMAIN_MAPPING, SERVICE
from utsuwa.model.lifecycle import domainmapping as lifecycle

RECORDS = ({"type": "A", "rrdata": "10.0.0.1"},)


def mapping(**status: Any) -> Document:
    document = DOMAIN_MAPPING.document("default", "shop.example.org")
    document["metadata"] |= {"generation": 2, "managedFields": [{"manager": "kn"}]}
    reference = {"apiVersion": SERVICE.api_version, "kind": "Service", "name": "hello"}
    document["spec"] = {"ref": reference, "tls": {"secretName": "mine"}}
    document["status"] = {"observedGeneration": 2, **status}
    return document


def judged(*verdicts: str) -> Document:
    """A mapping whose four conditions are as told: `claimed resolved ingress certificate`."""
    names = ("DomainClaimed", "ReferenceResolved", "IngressReady", "CertificateProvisioned")
    found = [{"type": n, "status": v} for n, v in zip(names, verdicts, strict=True)]
    worst = next((v for v in ("False", "Unknown") if v in verdicts), "True")
    return mapping(conditions=[*found, {"type": "Ready", "status": worst}])


def test_a_mapping_in_gclouds_words() -> None:
    seen = viewed(judged("True", "True", "True", "True"), RECORDS)
    assert (seen["apiVersion"], seen["kind"]) == ("domains.cloudrun.com/v1alpha1", "DomainMapping")
    assert seen["spec"] == {"routeName": "hello"}
    assert "managedFields" not in seen["metadata"]
    assert seen["status"]["mappedRouteName"] == "hello"
    assert seen["status"]["resourceRecords"] == list(RECORDS)


@pytest.mark.parametrize(
    "verdicts",
    [
        ("True", "True", "Unknown", "True"),
        ("False", "True", "True", "True"),
        ("True", "False", "Unknown", "True"),
    ],
)
def test_records_are_told_once_the_domain_is_served(verdicts: tuple[str, ...]) -> None:
    """gcloud takes them for success, and stops waiting."""
    assert "resourceRecords" not in viewed(judged(*verdicts), RECORDS)["status"]


def test_records_are_told_of_a_domain_whose_certificate_is_at_fault() -> None:
    """What is wrong then is no reason to hide where the domain must lead."""
    assert "resourceRecords" in viewed(judged("True", "True", "False", "True"), RECORDS)["status"]


def test_no_records_for_what_an_older_generation_was_told() -> None:
    document = judged("True", "True", "True", "True")
    document["status"]["observedGeneration"] = 1
    assert "resourceRecords" not in viewed(document, RECORDS)["status"]


def test_a_domain_of_another_namespace_has_the_reason_that_gcloud_knows() -> None:
    document = mapping()
    status: Document = {}
    lifecycle.CONDITIONS.begin(status, 2)
    lifecycle.mark_domain_claimed_elsewhere(status, "shop.example.org", "other")
    ready = [
        one for one in viewed({**document, "status": status})["status"]["conditions"]
        if one["type"] == "Ready"
    ]  # fmt: skip
    assert [one["reason"] for one in ready] == ["MappingAlreadyExists"]
    assert "'other'" in ready[0]["message"]


def test_a_domain_that_nobody_claimed_is_not_taken() -> None:
    document = mapping()
    status: Document = {}
    lifecycle.CONDITIONS.begin(status, 2)
    lifecycle.mark_domain_not_claimed(status, "there is no ClusterDomainClaim")
    (ready,) = (
        one for one in viewed({**document, "status": status})["status"]["conditions"]
        if one["type"] == "Ready"
    )  # fmt: skip
    assert ready["reason"] == "DomainAlreadyClaimed"


def test_what_gcloud_sends_names_the_route() -> None:
    view = CLOUD_DOMAIN_MAPPING.document(
        "default", "a.example", spec={"routeName": "hello", "forceOverride": False}
    )
    kept = stored(view)
    assert (kept["apiVersion"], kept["kind"]) == ("serving.knative.dev/v1beta1", "DomainMapping")
    assert kept["spec"] == {
        "ref": {
            "apiVersion": "serving.knative.dev/v1", "kind": "Route", "name": "hello",
            "namespace": "default",
        }
    }  # fmt: skip


def test_what_gcloud_has_no_word_for_stays() -> None:
    """Seen and written back, a mapping is what it was."""
    before = mapping(url="http://shop.example.org")
    assert stored(viewed(before), before) == before


def test_another_route_replaces_the_reference_alone() -> None:
    before = mapping()
    after = stored({**viewed(before), "spec": {"routeName": "other"}}, before)
    assert (after["spec"]["ref"]["kind"], after["spec"]["ref"]["name"]) == ("Route", "other")
    assert after["spec"]["tls"] == {"secretName": "mine"}


@pytest.mark.parametrize(
    ("ingress", "record"),
    [
        ({"ip": "10.0.0.1"}, {"type": "A", "rrdata": "10.0.0.1"}),
        ({"ip": "::1"}, {"type": "AAAA", "rrdata": "::1"}),
        ({"hostname": "lb.example"}, {"type": "CNAME", "rrdata": "lb.example."}),
    ],
)
def test_records_lead_to_the_gateway(ingress: Document, record: Document) -> None:
    status = {"loadBalancer": {"ingress": [ingress]}}
    gateway = CORE_SERVICE.document("istio-system", "istio-ingressgateway", status=status)
    assert records_of(gateway) == (record,)
    assert records_of({}) == ()
