"""Ingress → the gateways' table, and Ready when they have it, row by row
(`spec/reconcilers.md` §5.6)."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from utsuwa.cluster.port import Key
from utsuwa.controllers.dataplane import DataPlane
from utsuwa.controllers.framework import Context
from utsuwa.kit.clock import LoopClock
from utsuwa.kit.documents import Document
from utsuwa.model.kinds import INGRESS
from utsuwa.testing.link import Sink
from utsuwa.testing.resilience import survive
from utsuwa.testing.tables import Row, Stage, check
from utsuwa.testing.whole import Gateway

pytestmark = pytest.mark.looptime


class Served:
    """A data plane with so many gateways, each of which acknowledges what it is told."""

    def __init__(self, plane: DataPlane, gateways: int) -> None:
        self._plane = plane
        self._gateways = [Gateway(LoopClock()) for _ in range(gateways)]
        self._dialled = False

    async def reconcile(self, key: Key) -> float | None:
        if not self._dialled:
            self._dialled = True
            for gateway in self._gateways:
                gateway.dial(self._plane)
        await LoopClock().sleep(0.01)
        return await self._plane.reconcile(key)


def plane(context: Context) -> DataPlane:
    return DataPlane(context, socket=Path("/nowhere"), sink=Sink(), address="127.0.0.2")


def make(context: Context, stage: Stage) -> DataPlane:
    return plane(context)


def make_served(context: Context, stage: Stage) -> "Twice":
    return Twice(Served(plane(context), 2))


class Twice:
    """The pass that programs, and the one that the acknowledgement causes."""

    def __init__(self, served: Served) -> None:
        self._served = served

    async def reconcile(self, key: Key) -> float | None:
        await self._served.reconcile(key)
        return await self._served.reconcile(key)


def an_ingress(name: str = "hello", host: str = "hello.example.com") -> Document:
    split = {"serviceName": "hello-00001", "serviceNamespace": "default", "percent": 100}
    rule = {
        "hosts": [host],
        "visibility": "ExternalIP",
        "http": {"paths": [{"splits": [split]}]},
    }
    return INGRESS.document("default", name, spec={"rules": [rule]})


async def one(stage: Stage) -> None:
    await stage.put(an_ingress())


async def nothing(stage: Stage) -> None:
    return


def secured(secret: str) -> Callable[[Stage], Awaitable[None]]:
    async def given(stage: Stage) -> None:
        document = an_ingress()
        document["spec"]["tls"] = [{"hosts": ["hello.example.com"], "secretName": secret}]
        await stage.put(document)

    return given


def told(balancer: str, network: str, ready: str) -> str:
    return (
        f"status Ingress hello LoadBalancerReady={balancer} NetworkConfigured={network} "
        f"Ready={ready}"
    )


WAITING = "Unknown(Uninitialized)"
ROWS = [
    Row(
        "without a gateway it waits",
        one,
        writes=[told(WAITING, WAITING, WAITING)],
    ),
    Row(
        "a Secret that is not there is said",
        secured("absent"),
        writes=[told("Unknown", "False(CertificateUnusable)", "False(CertificateUnusable)")],
    ),
    Row("one that is gone is no failure", nothing),
]
SERVED = [
    Row(
        "once every gateway has acknowledged it, it is ready",
        one,
        writes=[told("Unknown", WAITING, WAITING), told("True", "True", "True")],
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.rule)
async def test_ingress_rows(row: Row) -> None:
    await check(row, make)


@pytest.mark.parametrize("row", SERVED, ids=lambda row: row.rule)
async def test_served_ingress_rows(row: Row) -> None:
    await check(row, make_served)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.rule)
async def test_ingress_survives_each_failure_of_each_write(row: Row) -> None:
    await survive(row, make)


@pytest.mark.parametrize("row", SERVED, ids=lambda row: row.rule)
async def test_served_ingress_survives_each_failure_of_each_write(row: Row) -> None:
    await survive(row, make_served)
