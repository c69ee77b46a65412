"""ServerlessService → core Services and endpoints, row by row (`spec/reconcilers.md` §6.3)."""

from collections.abc import Awaitable, Callable

import pytest

from utsuwa.cluster.errors import NotFoundError
from utsuwa.controllers.framework import Context
from utsuwa.controllers.passes import NotOwnedError
from utsuwa.controllers.serverlessservice import ServerlessServiceReconciler
from utsuwa.kit.documents import Document
from utsuwa.model.children.revision import deployment_of
from utsuwa.model.children.serverlessservice import Backend
from utsuwa.model.kinds import CORE_SERVICE, POD, SERVERLESS_SERVICE
from utsuwa.model.settings import Settings
from utsuwa.testing.resilience import survive
from utsuwa.testing.serving_objects import a_service, put_configuration, put_revision
from utsuwa.testing.tables import Row, Stage, check

pytestmark = pytest.mark.looptime

NAME = "hello-00001"
PRIVATE = f"{NAME}-private"
READY = [{"type": "Ready", "status": "True"}]
UNREADY = [{"type": "Ready", "status": "False"}]


def make(context: Context, stage: Stage) -> ServerlessServiceReconciler:
    return ServerlessServiceReconciler(context, Backend("127.0.0.1", 8080))


def told(activator: str, populated: str, ready: str) -> str:
    shown = f"ActivatorEndpointsPopulated={activator}(ActivatorEndpointsPopulated)"
    return f"status ServerlessService {NAME} {shown} EndpointsPopulated={populated} Ready={ready}"


def untold(populated: str, ready: str) -> str:
    return f"status ServerlessService {NAME} EndpointsPopulated={populated} Ready={ready}"


def given(mode: str, *pods: tuple[int, list[Document]]) -> Callable[[Stage], Awaitable[None]]:
    """A ServerlessService in `mode` and pods of its Revision, each with port and conditions."""

    async def put(stage: Stage) -> None:
        configuration = await put_configuration(stage, await stage.put(a_service()))
        revision = await put_revision(stage, configuration)
        deployment = await stage.put(deployment_of(revision, Settings()))
        spec = {"mode": mode, "objectRef": {"name": deployment["metadata"]["name"]}}
        await stage.put(SERVERLESS_SERVICE.document("default", NAME, spec=spec))
        labels = dict(deployment["spec"]["template"]["metadata"]["labels"])
        for port, conditions in pods:
            ports = [{"name": "user-port", "containerPort": 8080, "hostPort": port}]
            pod = POD.document("default", f"pod-{port}", spec={"containers": [{"ports": ports}]})
            pod["metadata"]["labels"] = labels
            await stage.put(pod, {"podIP": "127.0.0.1", "conditions": conditions})

    return put


async def without_deployment(stage: Stage) -> None:
    spec = {"mode": "Proxy", "objectRef": {"name": "nothing"}}
    await stage.put(SERVERLESS_SERVICE.document("default", NAME, spec=spec))


async def taken(stage: Stage) -> None:
    await given("Proxy")(stage)
    await stage.put(CORE_SERVICE.document("default", PRIVATE, spec={"ports": [{"port": 80}]}))


CREATED = [
    f"create Service {PRIVATE}",
    f"create Endpoints {PRIVATE}",
    f"create Service {NAME}",
    f"create Endpoints {NAME}",
]
TO_GATEWAY = f"create EndpointSlice {NAME}-8080"
WAITS = "Unknown(NoHealthyBackends)"

ROWS = [
    Row(
        "without a ready pod requests are held by the gateway",
        given("Proxy", (20001, UNREADY)),
        name=NAME,
        writes=[*CREATED, TO_GATEWAY, told("True", WAITS, WAITS)],
    ),
    Row(
        "mode Serve without a ready pod is held all the same",
        given("Serve"),
        name=NAME,
        writes=[*CREATED, TO_GATEWAY, told("True", WAITS, WAITS)],
    ),
    Row(
        "with a ready pod it is ready, in mode Proxy still through the gateway",
        given("Proxy", (20001, READY)),
        name=NAME,
        writes=[
            *CREATED[:2],
            f"create EndpointSlice {PRIVATE}-20001",
            *CREATED[2:],
            TO_GATEWAY,
            told("True", "True", "True"),
        ],
    ),
    Row(
        "in mode Serve the public side leads to the pods, each with a port of its own",
        given("Serve", (20001, READY), (20002, READY), (20003, UNREADY)),
        name=NAME,
        writes=[
            *CREATED[:2],
            f"create EndpointSlice {PRIVATE}-20001",
            f"create EndpointSlice {PRIVATE}-20002",
            *CREATED[2:],
            f"create EndpointSlice {NAME}-20001",
            f"create EndpointSlice {NAME}-20002",
            told("False", "True", "True"),
        ],
    ),
    Row(
        "a Service of the name under another owner stops the pass",
        taken,
        name=NAME,
        writes=[
            untold("False(NotOwned)", "False(NotOwned)"),
        ],
        events=["Warning InternalError"],
        raises=NotOwnedError,
    ),
    Row(
        "without its Deployment it is tried again",
        without_deployment,
        name=NAME,
        writes=[
            untold("Unknown", "Unknown(NewObservedGenFailure)"),
        ],
        events=["Warning InternalError"],
        raises=NotFoundError,
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.rule)
async def test_serverlessservice_rows(row: Row) -> None:
    await check(row, make)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.rule)
async def test_serverlessservice_survives_each_failure_of_each_write(row: Row) -> None:
    await survive(row, make)


async def test_endpoints_and_slices_name_the_pods() -> None:
    """`kubectl get endpoints` and `endpointslices` lead back to the pod."""
    outcome = await check(ROWS[2], make)
    private = outcome.objects[f"create Endpoints {PRIVATE}"]["subsets"][0]
    assert private["ports"][0]["port"] == 20001
    assert private["addresses"][0]["targetRef"]["name"] == "pod-20001"
    piece = outcome.objects[f"create EndpointSlice {PRIVATE}-20001"]
    assert piece["metadata"]["labels"]["kubernetes.io/service-name"] == PRIVATE
    assert piece["endpoints"][0]["conditions"]["ready"] is True
    public = outcome.objects[f"create Endpoints {NAME}"]["subsets"][0]
    assert (public["addresses"], public["ports"][0]["port"]) == ([{"ip": "127.0.0.1"}], 8080)


async def test_the_status_names_both_services() -> None:
    """The autoscaler waits for these names."""
    outcome = await check(ROWS[0], make)
    status = outcome.objects[f"status ServerlessService {NAME}"]["status"]
    assert (status["serviceName"], status["privateServiceName"]) == (NAME, PRIVATE)
