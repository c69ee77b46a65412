"""What kubectl sends in protobuf: `create KIND`, `auth`, with no way to ask it for JSON."""

import pytest

from utsuwa.cluster.port import Key
from utsuwa.kit.documents import dig
from utsuwa.model.kinds import (
    CONFIG_MAP,
    CORE_SERVICE,
    DEPLOYMENT,
    NAMESPACE,
    SECRET,
    SERVICE_ACCOUNT,
)
from utsuwa.testing.apiserver import Serving
from utsuwa.testing.kubectl import Kubectl

pytestmark = [pytest.mark.conformance, pytest.mark.slow]


async def test_create_namespace(api: Serving, kubectl: Kubectl) -> None:
    assert (await kubectl.ok("create", "ns", "team")).out == "namespace/team created\n"
    assert await api.cluster.get(NAMESPACE, Key("", "team"))


async def test_create_config_map(api: Serving, kubectl: Kubectl) -> None:
    await kubectl.ok("create", "configmap", "c", "--from-literal=a=b", "--from-literal=empty=")
    stored = await api.cluster.get(CONFIG_MAP, Key("default", "c"))
    assert stored["data"] == {"a": "b", "empty": ""}


async def test_create_secret(api: Serving, kubectl: Kubectl) -> None:
    await kubectl.ok("create", "secret", "generic", "s", "--from-literal=p=q")
    stored = await api.cluster.get(SECRET, Key("default", "s"))
    assert (stored["data"], stored["type"]) == ({"p": "cQ=="}, "Opaque")


async def test_create_service_account(api: Serving, kubectl: Kubectl) -> None:
    await kubectl.ok("create", "serviceaccount", "bot")
    assert await api.cluster.get(SERVICE_ACCOUNT, Key("default", "bot"))


async def test_create_service(api: Serving, kubectl: Kubectl) -> None:
    await kubectl.ok("create", "service", "clusterip", "web", "--tcp=80:8080")
    stored = await api.cluster.get(CORE_SERVICE, Key("default", "web"))
    (port,) = stored["spec"]["ports"]
    assert (port["port"], port["targetPort"], port["protocol"]) == (80, 8080, "TCP")
    assert stored["spec"]["selector"] == {"app": "web"}


async def test_create_deployment(api: Serving, kubectl: Kubectl) -> None:
    await kubectl.ok(
        "create",
        "deployment",
        "web",
        "--image=web:1",
        "--replicas=0",
        "--port=80",
        "--",
        "sleep",
        "9",
    )
    stored = await api.cluster.get(DEPLOYMENT, Key("default", "web"))
    assert stored["spec"]["replicas"] == 0
    (container,) = stored["spec"]["template"]["spec"]["containers"]
    assert (container["command"], container["image"]) == (["sleep", "9"], "web:1")
    assert dig(container, "ports", 0, "containerPort") == 80
    assert "creationTimestamp" not in stored["spec"]["template"]["metadata"]


async def test_create_as_a_dry_run(kubectl: Kubectl) -> None:
    told = await kubectl.ok("create", "configmap", "c", "--dry-run=server", "-o", "name")
    assert told.out == "configmap/c\n"
    assert (await kubectl("get", "configmap", "c")).code == 1


async def test_what_is_created_twice_is_refused(kubectl: Kubectl) -> None:
    await kubectl.ok("create", "namespace", "team")
    ran = await kubectl("create", "namespace", "team")
    assert ran.code == 1
    assert ran.err == 'Error from server (AlreadyExists): namespaces "team" already exists\n'


async def test_auth_can_i_and_whoami(kubectl: Kubectl) -> None:
    assert (await kubectl.ok("auth", "can-i", "create", "deployments")).out == "yes\n"
    assert ["Username", "admin"] in (await kubectl.ok("auth", "whoami")).rows
