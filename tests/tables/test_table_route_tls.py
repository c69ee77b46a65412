"""Route → Certificates, where the operator wants TLS outside (`spec/reconcilers.md` §5.7)."""

import re
from collections.abc import Awaitable, Callable

import pytest
from tests.tables.test_table_route import LATEST, TAGGED, routed

from utsuwa.controllers.framework import Context
from utsuwa.controllers.route.controller import RouteReconciler
from utsuwa.controllers.tracker import Tracker
from utsuwa.kit.documents import Document, copy
from utsuwa.model.children.certificate import route_certificate_of
from utsuwa.model.kinds import CERTIFICATE, ROUTE
from utsuwa.model.lifecycle import certificate as certificate_lifecycle
from utsuwa.testing.serving_objects import a_status
from utsuwa.testing.tables import Outcome, Row, Stage, play

pytestmark = pytest.mark.looptime

HOST, TAG_HOST = "hello.default.example.com", "v1-hello.default.example.com"
DISABLE = "networking.knative.dev/disable-external-domain-tls"
NOT_CONFIGURED = "Unknown(IngressNotConfigured)"
Given = Callable[[Stage], Awaitable[object]]
Mark = Callable[[Document], None]


def make(context: Context, stage: Stage) -> RouteReconciler:
    return RouteReconciler(context, Tracker(), 80, 8443)


def maps(**network: str) -> dict[str, dict[str, str]]:
    told = {key.replace("_", "-"): value for key, value in network.items()}
    data = {"external-domain-tls": "Enabled", **told}
    return {"config-domain": {"example.com": ""}, "config-network": data}


def with_certificates(*marks: Mark, traffic: tuple[Document, ...] = (LATEST,)) -> Given:
    """A Route whose Certificates, one for each of `marks`, are so far."""

    async def given(stage: Stage) -> None:
        route = await routed(stage, *traffic)
        hosts = (("", HOST), ("v1", TAG_HOST))
        for mark, (tag, host) in zip(marks, hosts, strict=False):
            certificate = await stage.put(route_certificate_of(route, tag, host, ""))
            status = a_status(certificate_lifecycle.CONDITIONS, certificate, mark)
            await stage.cluster.update_status({**certificate, "status": status})

    return given


async def opted_out(stage: Stage) -> None:
    route = copy(await routed(stage))
    route["metadata"]["annotations"][DISABLE] = "true"
    await stage.cluster.update(route)


async def inside_alone(stage: Stage) -> None:
    await routed(stage, label="cluster-local")


async def tagged(stage: Stage) -> None:
    await routed(stage, LATEST, TAGGED)


async def plain(stage: Stage) -> None:
    await routed(stage)


async def one_too_many(stage: Stage) -> None:
    """A tag that is no more still has its Certificate."""
    route = await routed(stage)
    await stage.put(route_certificate_of(route, "v1", TAG_HOST, ""))


async def foreign(stage: Stage) -> None:
    route = await routed(stage)
    taken = route_certificate_of(route, "", HOST, "")
    taken["metadata"].pop("ownerReferences")
    await stage.put(taken)


async def played(given: Given, **network: str) -> tuple[list[str], Outcome]:
    """The writes, without what is different in each run, and all that came of the pass."""
    outcome = await play(Row("", given, settings=maps(**network)), make)
    assert outcome.error is None
    writes = [re.sub(r"route-[0-9a-f-]{36}(-\d+)?", r"CERT\1", line) for line in outcome.writes]
    return writes, outcome


def condition(outcome: Outcome) -> tuple[str, str]:
    """Status and reason of CertificateProvisioned."""
    (line,) = (line for line in outcome.objects if line.startswith("status Route"))
    found = outcome.objects[line]["status"]["conditions"]
    (one,) = (entry for entry in found if entry["type"] == "CertificateProvisioned")
    return one["status"], one.get("reason", "")


def url(outcome: Outcome) -> str:
    (line,) = (line for line in outcome.objects if line.startswith("status Route"))
    return str(outcome.objects[line]["status"]["url"])


def secured(outcome: Outcome) -> list[list[str]]:
    """The hosts of each entry of the Ingress's `spec.tls`."""
    ingress = outcome.objects["create Ingress hello"]
    return [entry["hosts"] for entry in ingress["spec"].get("tls", [])]


ready = certificate_lifecycle.mark_ready


def failed(status: Document) -> None:
    certificate_lifecycle.mark_invalid(status, "no")


async def test_a_certificate_is_asked_for_and_http_served_until_it_is_there() -> None:
    writes, outcome = await played(plain)
    assert "create Certificate CERT" in writes
    assert condition(outcome) == ("True", "HTTPDowngrade")
    assert secured(outcome) == []
    assert url(outcome) == f"http://{HOST}"


async def test_each_tag_has_one_of_its_own() -> None:
    writes, _ = await played(tagged)
    made = [line for line in writes if line.startswith("create Certificate")]
    assert len(made) == 2
    assert made[0] == "create Certificate CERT"
    assert re.fullmatch(r"create Certificate CERT-\d+", made[1])


async def test_once_it_is_there_the_host_is_served_with_it() -> None:
    _, outcome = await played(with_certificates(ready))
    assert condition(outcome) == ("True", "")
    assert secured(outcome) == [[HOST]]
    assert url(outcome) == f"https://{HOST}:8443"


async def test_what_is_ready_is_served_while_another_is_waited_for() -> None:
    _, outcome = await played(with_certificates(ready, traffic=(LATEST, TAGGED)))
    assert condition(outcome) == ("True", "HTTPDowngrade")
    assert secured(outcome) == [[HOST]]


async def test_where_http_is_not_wanted_it_is_waited_for() -> None:
    _, outcome = await played(plain, http_protocol="Redirected")
    assert condition(outcome) == ("Unknown", "CertificateNotReady")
    assert url(outcome) == f"https://{HOST}:8443"


async def test_one_that_will_not_come_is_told() -> None:
    _, outcome = await played(with_certificates(failed))
    assert condition(outcome) == ("False", "CertificateProvisionFailed")


async def test_a_name_that_is_taken_is_told() -> None:
    _, outcome = await played(foreign)
    assert condition(outcome) == ("False", "CertificateNotOwned")


async def test_who_opts_out_gets_none() -> None:
    writes, outcome = await played(opted_out)
    assert not [line for line in writes if "Certificate" in line.partition(" ")[2][:11]]
    assert condition(outcome) == ("True", "TLSNotEnabled")


async def test_a_route_inside_the_cluster_gets_none() -> None:
    _, outcome = await played(inside_alone)
    assert condition(outcome) == ("True", "TLSNotEnabled")


async def test_the_certificate_of_a_tag_that_is_no_more_goes() -> None:
    writes, _ = await played(one_too_many)
    assert [line for line in writes if re.fullmatch(r"delete Certificate CERT-\d+", line)]


async def test_switched_off_again_all_of_them_go() -> None:
    writes, outcome = await played(with_certificates(ready), external_domain_tls="Disabled")
    assert "delete Certificate CERT" in writes
    assert secured(outcome) == []


async def test_the_certificate_names_the_host_and_its_class() -> None:
    _, outcome = await played(plain, certificate_class="example.com/other")
    (line,) = (line for line in outcome.objects if line.startswith("create Certificate"))
    made = outcome.objects[line]
    assert made["spec"] == {"dnsNames": [HOST], "secretName": made["metadata"]["name"]}
    annotations = made["metadata"]["annotations"]
    assert annotations["networking.knative.dev/certificate.class"] == "example.com/other"
    assert made["metadata"]["ownerReferences"][0]["kind"] == ROUTE.name
    assert made["kind"] == CERTIFICATE.name
