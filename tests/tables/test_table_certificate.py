"""Certificate → Secret, row by row; renewed before it ends, on virtual time."""

import asyncio
import base64
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from cryptography import x509

from utsuwa.apiserver.pki import Authority
from utsuwa.cluster.errors import ForbiddenError
from utsuwa.cluster.informer import Informers
from utsuwa.cluster.port import Key
from utsuwa.controllers.certificate import RENEW_BEFORE, CertificateReconciler
from utsuwa.controllers.events import EventRecorder
from utsuwa.controllers.framework import Context, Reconciler
from utsuwa.controllers.live_settings import LiveSettings
from utsuwa.kit.clock import LoopClock
from utsuwa.kit.documents import Document
from utsuwa.kit.ids import Ids
from utsuwa.kit.tasks import TaskSet
from utsuwa.model.children.parts import child
from utsuwa.model.kinds import CERTIFICATE, SECRET
from utsuwa.model.settings import Settings
from utsuwa.testing.certificates import tls_secret
from utsuwa.testing.cluster import memory_cluster
from utsuwa.testing.tables import Failure, Row, Stage, check

pytestmark = pytest.mark.looptime

NAME, HOST = "web", "web.default.example.com"
DAY = 86400.0
READY = f"status Certificate {NAME} Ready=True"
CREATED = "Normal Created"
Given = Callable[[Stage], Awaitable[object]]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the authority: made once, keys take their time."""
    return tmp_path_factory.mktemp("authority")


def a_certificate(class_: str = "", **spec: object) -> Document:
    asked = {"dnsNames": [HOST], "secretName": NAME, **spec}
    document = CERTIFICATE.document("default", NAME, spec=asked)
    if class_:
        document["metadata"]["annotations"] = {"networking.knative.dev/certificate-class": class_}
    return document


async def asked_for(stage: Stage) -> None:
    await stage.put(a_certificate())


def of_class(class_: str) -> Given:
    async def given(stage: Stage) -> None:
        await stage.put(a_certificate(class_))

    return given


async def without_names(stage: Stage) -> None:
    await stage.put(a_certificate(dnsNames=[]))


async def foreign_secret(stage: Stage) -> None:
    await asked_for(stage)
    await stage.put(SECRET.document("default", NAME, type="Opaque"))


def issued(directory: Path, *hosts: str, ago: float = 0.0, broken: bool = False) -> Given:
    """A Secret of ours, signed `ago` seconds before now."""

    async def given(stage: Stage) -> None:
        certificate = await stage.put(a_certificate())
        clock = LoopClock(LoopClock().now() - ago - asyncio.get_running_loop().time())
        pair = Authority.open(directory, clock).server(hosts or [HOST])
        secret = tls_secret(NAME, b"nonsense" if broken else pair.certificate, pair.key)
        members = {"type": secret["type"], "data": secret["data"]}
        await stage.put(child(certificate, SECRET, NAME, **members))

    return given


def rows(directory: Path) -> list[Row]:
    def row(rule: str, given: Given, *writes: str, **more: object) -> Row:
        defaults: dict[str, object] = {
            "events": [CREATED] if f"create Secret {NAME}" in writes else [],
            "again": DAY if READY in writes else None,
        }
        return Row(rule, given, [*writes], name=NAME, **{**defaults, **more})  # type: ignore[arg-type]  # a row's own members

    made = (f"create Secret {NAME}", READY)
    renewed = (f"update Secret {NAME}", READY)
    return [
        row("a new one is signed into a Secret", asked_for, *made),
        row("the class of cert-manager is ours, too: there is no other",
            of_class("cert-manager.certificate.networking.knative.dev"), *made),
        row("another class is for somebody else", of_class("example.com/other"),
            f"status Certificate {NAME} Ready=Unknown(UnknownClass)"),
        row("one without names cannot be made", without_names,
            f"status Certificate {NAME} Ready=False(Invalid)"),
        row("a Secret of somebody else is not touched", foreign_secret,
            f"status Certificate {NAME} Ready=False(SecretNotOwned)"),
        row("a good one stays", issued(directory), READY),
        row("one that ends within a month is made anew", issued(directory, ago=61 * DAY), *renewed),
        row("one that ends later is not", issued(directory, ago=58 * DAY), READY),
        row("one that has ended is made anew", issued(directory, ago=100 * DAY), *renewed),
        row("one for other names is made anew", issued(directory, "other.example.com"), *renewed),
        row("one that cannot be read is made anew", issued(directory, broken=True), *renewed),
        row("a cluster that refuses the Secret", asked_for, f"create Secret {NAME}",
            f"status Certificate {NAME} Ready=Unknown(NewObservedGenFailure)",
            failures=(Failure("create", SECRET, ForbiddenError("no")),), raises=ForbiddenError,
            events=["Warning CreationFailed", "Warning InternalError"]),
    ]  # fmt: skip


@pytest.mark.parametrize("number", range(12))
async def test_certificate(number: int, directory: Path) -> None:
    def make(context: Context, stage: Stage) -> Reconciler:
        return CertificateReconciler(context, Authority.open(directory, context.clock))

    await check(rows(directory)[number], make)


def test_every_row_is_played(directory: Path) -> None:
    assert len(rows(directory)) == 12


class SetClock(LoopClock):
    """A clock that stands where it was put; the day is over when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.at = 1_700_000_000.0

    def now(self) -> float:
        return self.at


async def test_it_is_renewed_before_it_ends_for_as_long_as_it_is_wanted(directory: Path) -> None:
    """Two hundred days, looking whenever the controller wants to: at no time is the one in the
    Secret nearer to its end than a month, and none is made anew before it must be."""
    clock, key, tasks = SetClock(), Key("default", NAME), TaskSet()
    async with memory_cluster(clock) as cluster:
        context = Context(
            cluster=cluster, informers=Informers(cluster), clock=clock, ids=Ids(),
            settings=LiveSettings(Settings.parse({})), events=EventRecorder(cluster, clock),
        )  # fmt: skip
        reconciler = CertificateReconciler(context, Authority.open(directory, clock))
        for kind in (CERTIFICATE, SECRET):
            context.informers.of(kind)
        context.informers.start(tasks)
        await context.informers.synced()
        await cluster.create(a_certificate())
        serials: list[int] = []
        begin = clock.at
        while clock.at < begin + 200 * DAY:
            again = await reconciler.reconcile(key)
            assert again is not None
            secret = await cluster.get(SECRET, key)
            leaf = x509.load_pem_x509_certificate(base64.b64decode(secret["data"]["tls.crt"]))
            assert leaf.not_valid_after_utc.timestamp() - clock.at >= RENEW_BEFORE
            if leaf.serial_number not in serials:
                serials.append(leaf.serial_number)
            clock.at += again
        assert len(serials) == 4  # at the beginning, and every sixty days
        told = await cluster.get(CERTIFICATE, key)
        assert told["status"]["notAfter"].startswith(f"{leaf.not_valid_after_utc:%Y-%m-%d}")
        await tasks.close()
