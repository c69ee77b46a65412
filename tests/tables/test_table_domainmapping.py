"""DomainMapping → claim, certificate, Ingress, row by row (`spec/reconcilers.md` §9)."""

import pytest

from utsuwa.cluster.errors import ForbiddenError
from utsuwa.cluster.port import Key
from utsuwa.controllers.domainmapping.controller import FINALIZER, DomainMappingReconciler
from utsuwa.controllers.framework import Context, TerminalError
from utsuwa.controllers.passes import NotOwnedError
from utsuwa.controllers.tracker import Tracker
from utsuwa.kit.documents import Document
from utsuwa.model.kinds import (
    CERTIFICATE,
    CLUSTER_DOMAIN_CLAIM,
    DOMAIN_MAPPING,
    INGRESS,
    SERVICE,
)
from utsuwa.testing.resilience import survive
from utsuwa.testing.tables import Failure, Row, Stage, check

pytestmark = pytest.mark.looptime

NAME = "shop.example.org"
KEY = Key("default", NAME)
HOST = "hello.default.svc.cluster.local"
AUTO = {"autocreate-cluster-domain-claims": "true"}
CREATED = "Normal Created"
NOT_CONFIGURED = "Unknown(IngressNotConfigured)"
TLS_OFF = "True(TLSNotEnabled)"
FINALIZE = f'merge DomainMapping {NAME} {{"metadata":{{"finalizers":["{FINALIZER}"]}}}}'


def make(context: Context, stage: Stage) -> DomainMappingReconciler:
    return DomainMappingReconciler(context, Tracker(), 8080, 8443)


def network(**settings: str) -> dict[str, dict[str, str]]:
    told = {key.replace("_", "-"): value for key, value in settings.items()}
    return {"config-network": {**AUTO, **told}}


def told(certificate: str, claimed: str, ingress: str, resolved: str, ready: str) -> str:
    return (
        f"status DomainMapping {NAME} CertificateProvisioned={certificate} "
        f"DomainClaimed={claimed} IngressReady={ingress} Ready={ready} "
        f"ReferenceResolved={resolved}"
    )


def a_mapping(*, annotations: dict[str, str] | None = None, **spec: object) -> Document:
    reference = {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "name": "hello"}
    document = DOMAIN_MAPPING.document("default", NAME, spec={"ref": reference, **spec})
    document["metadata"]["finalizers"] = [FINALIZER]
    document["metadata"]["annotations"] = annotations or {}
    return document


async def a_target(stage: Stage, address: str = f"http://{HOST}") -> None:
    service = SERVICE.document("default", "hello", spec={"template": {}})
    await stage.put(service, {"address": {"url": address}} if address else None)


async def mapped(stage: Stage) -> Document:
    await a_target(stage)
    return await stage.put(a_mapping())


async def new(stage: Stage) -> None:
    await a_target(stage)
    mapping = a_mapping()
    del mapping["metadata"]["finalizers"]
    await stage.put(mapping)


async def claimed(stage: Stage, namespace: str = "default") -> None:
    await stage.put(CLUSTER_DOMAIN_CLAIM.document("", NAME, spec={"namespace": namespace}))


async def claimed_by_us(stage: Stage) -> None:
    await mapped(stage)
    await claimed(stage)


async def claimed_by_others(stage: Stage) -> None:
    await mapped(stage)
    await claimed(stage, "knative-serving")


async def without_target(stage: Stage) -> None:
    await stage.put(a_mapping())


async def target_not_ready(stage: Stage) -> None:
    await a_target(stage, "")
    await stage.put(a_mapping())


async def target_elsewhere(stage: Stage) -> None:
    await a_target(stage, "http://hello.other.svc.cluster.local")
    await stage.put(a_mapping())


async def target_with_path(stage: Stage) -> None:
    await a_target(stage, f"http://{HOST}/path")
    await stage.put(a_mapping())


async def with_secret(stage: Stage) -> None:
    await a_target(stage)
    await stage.put(a_mapping(tls={"secretName": "shop-tls"}))


async def opted_out(stage: Stage) -> None:
    await a_target(stage)
    out = {"networking.knative.dev/disable-external-domain-tls": "true"}
    await stage.put(a_mapping(annotations=out))


async def nonsense(stage: Stage) -> None:
    await a_target(stage)
    await stage.put(a_mapping(annotations={"networking.knative.dev/http-protocol": "sometimes"}))


async def foreign_ingress(stage: Stage) -> None:
    await mapped(stage)
    await stage.put(INGRESS.document("default", NAME, spec={}))


async def foreign_certificate(stage: Stage) -> None:
    await mapped(stage)
    await stage.put(CERTIFICATE.document("default", NAME, spec={}))


async def going(stage: Stage) -> None:
    await claimed_by_us(stage)
    await stage.cluster.delete(DOMAIN_MAPPING, KEY)


async def going_without_a_claim(stage: Stage) -> None:
    await claimed_by_others(stage)
    await stage.cluster.delete(DOMAIN_MAPPING, KEY)


CLAIM = f"create ClusterDomainClaim {NAME}"
MAKE = f"create Ingress {NAME}"
BEGUN = told(TLS_OFF, "True", NOT_CONFIGURED, "True", NOT_CONFIGURED)
UNRESOLVED = told(TLS_OFF, "True", NOT_CONFIGURED, "False(ResolveFailed)", "False(ResolveFailed)")


def row(rule: str, given: object, *writes: str, **more: object) -> Row:
    events = [CREATED for write in writes if write.startswith(("create Ing", "create Cer"))]
    defaults = {"settings": network(), "events": events}
    return Row(rule, given, [*writes], name=NAME, **{**defaults, **more})  # type: ignore[arg-type]  # a row's own members


ROWS = [
    row("a new mapping claims its domain and is served", mapped, CLAIM, MAKE, BEGUN),
    row("it is held until it has let go of its domain", new, FINALIZE, CLAIM, MAKE, BEGUN),
    row("a claim that is there already will do", claimed_by_us, MAKE, BEGUN, settings={}),
    row(
        "without a claim, and with none to be made, it has no domain", mapped,
        told("Unknown", "False(DomainAlreadyClaimed)", NOT_CONFIGURED, "Unknown",
             "False(DomainAlreadyClaimed)"),
        settings={},
    ),
    row(
        "a domain belongs to one namespace", claimed_by_others,
        told("Unknown", "False(DomainAlreadyClaimed)", NOT_CONFIGURED, "Unknown",
             "False(DomainAlreadyClaimed)"),
    ),
    row("a target that is missing", without_target, CLAIM, UNRESOLVED),
    row("a target without an address yet", target_not_ready, CLAIM, UNRESOLVED),
    row("a target of another namespace", target_elsewhere, CLAIM, UNRESOLVED),
    row("a target with a path", target_with_path, CLAIM, UNRESOLVED),
    row(
        "a certificate of one's own", with_secret, CLAIM, MAKE,
        told("True(CertificateExternallyProvided)", "True", NOT_CONFIGURED, "True",
             NOT_CONFIGURED),
    ),
    row(
        "a certificate is asked for where the operator says so; HTTP until it is there", mapped,
        CLAIM, f"create Certificate {NAME}", MAKE,
        told("True(HTTPDowngrade)", "True", NOT_CONFIGURED, "True", NOT_CONFIGURED),
        settings=network(external_domain_tls="Enabled"),
    ),
    row(
        "where plain HTTP is not wanted, the certificate is waited for", mapped,
        CLAIM, f"create Certificate {NAME}", MAKE,
        told("Unknown(CertificateNotReady)", "True", NOT_CONFIGURED, "True", NOT_CONFIGURED),
        settings=network(external_domain_tls="Enabled", http_protocol="Redirected"),
    ),
    row(
        "the name of the certificate is taken", foreign_certificate, CLAIM, MAKE,
        told("False(CertificateNotOwned)", "True", NOT_CONFIGURED, "True",
             "False(CertificateNotOwned)"),
        settings=network(external_domain_tls="Enabled"),
    ),
    row(
        "who opts out gets no certificate", opted_out, CLAIM, MAKE, BEGUN,
        settings=network(external_domain_tls="Enabled"),
    ),
    row(
        "the name of the Ingress is taken", foreign_ingress, CLAIM,
        told(TLS_OFF, "True", NOT_CONFIGURED, "True", NOT_CONFIGURED),
        raises=NotOwnedError, events=["Warning InternalError"],
    ),
    row(
        "an unknown HTTP option", nonsense, CLAIM,
        told(TLS_OFF, "True", NOT_CONFIGURED, "True", NOT_CONFIGURED),
        raises=TerminalError, events=["Warning InternalError"],
    ),
    row(
        "a cluster that refuses the Ingress", mapped, CLAIM, MAKE,
        told(TLS_OFF, "True", NOT_CONFIGURED, "True", NOT_CONFIGURED),
        failures=(Failure("create", INGRESS, ForbiddenError("no")),), raises=ForbiddenError,
        events=["Warning CreationFailed", "Warning InternalError"],
    ),
    row(
        "a mapping that goes lets go of its domain", going,
        f"delete ClusterDomainClaim {NAME}",
        f'merge DomainMapping {NAME} {{"metadata":{{"finalizers":[]}}}}',
    ),
    row(
        "another's claim is not touched", going_without_a_claim,
        f'merge DomainMapping {NAME} {{"metadata":{{"finalizers":[]}}}}',
    ),
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.rule)
async def test_domain_mapping(row: Row) -> None:
    await check(row, make)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.rule)
async def test_domainmapping_survives_each_failure_of_each_write(row: Row) -> None:
    await survive(row, make)


async def test_the_ingress_goes_where_the_targets_host_goes() -> None:
    outcome = await check(ROWS[9], make)
    ingress = outcome.objects[MAKE]
    assert ingress["spec"] == {
        "rules": [
            {
                "hosts": [NAME],
                "visibility": "ExternalIP",
                "http": {
                    "paths": [
                        {
                            "rewriteHost": HOST,
                            "appendHeaders": {"K-Original-Host": NAME},
                            "splits": [
                                {
                                    "serviceName": "hello",
                                    "serviceNamespace": "default",
                                    "servicePort": 80,
                                    "percent": 100,
                                }
                            ],
                        }
                    ]
                },
            }
        ],
        "tls": [{"hosts": [NAME], "secretName": "shop-tls", "secretNamespace": "default"}],
        "httpOption": "Enabled",
    }
    status = next(v for k, v in outcome.objects.items() if k.startswith("status"))["status"]
    assert status["url"] == f"https://{NAME}:8443"
    assert status["address"] == {"url": f"https://{NAME}:8443"}
