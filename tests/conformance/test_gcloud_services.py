"""`gcloud run` as shipped, on `--platform=kubernetes`: it only ever calls port 443.

No controllers run here: what they would write into status, the tests write.
"""

import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from utsuwa.app.admission import admission
from utsuwa.cluster.errors import NotFoundError
from utsuwa.cluster.port import Key
from utsuwa.model.kinds import REVISION, SERVICE
from utsuwa.model.settings import Settings
from utsuwa.testing.apiserver import Serving, serving
from utsuwa.testing.gcloud import GCLOUD, Gcloud

pytestmark = [pytest.mark.conformance, pytest.mark.slow, pytest.mark.timeout(120)]

WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
ADDRESS = (f"127.0.0.{12 + WORKER}", 443)
KEY = Key("default", "hello")


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Serving]:
    if GCLOUD is None:
        pytest.skip("gcloud is not installed: nothing here says how it gets on with us")
    try:
        socket.create_server(ADDRESS).close()
    except OSError as error:
        pytest.skip(f"gcloud calls port 443 only, and {ADDRESS} cannot be bound: {error}")
    settings = Settings.parse({})
    decide = admission(lambda: settings)
    async with serving(tmp_path, admission=decide, address=ADDRESS) as running:
        yield running


@pytest.fixture
def gcloud(api: Serving, tmp_path: Path) -> Gcloud:
    home = tmp_path / "home"
    home.mkdir()
    return Gcloud(api.kubeconfig, home)


async def make_ready(api: Serving) -> None:
    service = await api.cluster.get(SERVICE, KEY)
    revision = REVISION.document(
        "default", "hello-00001", spec={"containers": [{"name": "c", "image": "hello"}]}
    )
    revision["metadata"]["labels"] = {
        "serving.knative.dev/service": "hello",
        "client.knative.dev/nonce": service["spec"]["template"]["metadata"]
        .get("labels", {})
        .get("client.knative.dev/nonce", ""),
    }
    await api.cluster.create(revision)
    digest = {"name": "c", "imageDigest": "hello@sha256:" + "0" * 64}
    await api.cluster.update_status({**revision, "status": {"containerStatuses": [digest]}})
    ready = {"status": "True", "lastTransitionTime": "2026-11-23T12:00:00Z"}
    conditions = [
        {"type": name, **ready} for name in ("ConfigurationsReady", "Ready", "RoutesReady")
    ]
    status = {
        "observedGeneration": service["metadata"]["generation"],
        "conditions": conditions,
        "url": "http://hello.default.example.com",
        "latestCreatedRevisionName": "hello-00001",
        "latestReadyRevisionName": "hello-00001",
        "traffic": [{"revisionName": "hello-00001", "percent": 100, "latestRevision": True}],
    }
    await api.cluster.update_status({**service, "status": status})


async def test_deploy_describe_list_and_delete(api: Serving, gcloud: Gcloud) -> None:
    """One life of a service: the commands of `spec/kubernetes-api.md` §3."""
    await gcloud.ok("run", "deploy", "hello", "--image=hello", "--concurrency=40", "--async")
    stored = await api.cluster.get(SERVICE, KEY)
    assert stored["spec"]["template"]["spec"]["containerConcurrency"] == 40
    assert stored["metadata"]["annotations"]["serving.knative.dev/creator"] == "admin"
    await make_ready(api)

    listed = await gcloud.ok("run", "services", "list")
    assert "http://hello.default.example.com" in listed.out
    url = await gcloud.ok("run", "services", "describe", "hello", "--format=value(status.url)")
    assert url.out == "http://hello.default.example.com\n"
    shown = await gcloud.ok("run", "services", "describe", "hello")
    assert ["Concurrency:", "40"] in shown.rows
    revisions = await gcloud.ok("run", "revisions", "list", "--service=hello")
    assert "hello-00001" in revisions.out

    await gcloud.ok("run", "services", "delete", "hello", "--quiet", "--no-async")
    with pytest.raises(NotFoundError):
        await api.cluster.get(SERVICE, KEY)


async def test_update_finds_its_revision_by_the_nonce(api: Serving, gcloud: Gcloud) -> None:
    """`services update` reads with blanks around `=`, then PUTs what it read."""
    await gcloud.ok("run", "deploy", "hello", "--image=hello", "--async")
    await make_ready(api)
    await gcloud.ok("run", "services", "update", "hello", "--concurrency=10", "--async")
    stored = await api.cluster.get(SERVICE, KEY)
    assert stored["spec"]["template"]["spec"]["containerConcurrency"] == 10
    assert stored["metadata"]["generation"] == 2


async def test_what_admission_refuses_is_shown_by_its_cause(gcloud: Gcloud) -> None:
    """One readable reason, no repeats over half a minute."""
    ran = await gcloud("run", "deploy", "hello", "--image=hello", "--concurrency=5000", "--async")
    assert ran.code == 1
    assert "expected 0 <= 5000 <= 1000" in ran.err


async def test_what_is_not_there_is_told(gcloud: Gcloud) -> None:
    """404 reads as absent."""
    ran = await gcloud("run", "services", "describe", "nothing")
    assert ran.code == 1
    assert "Cannot find service [nothing]" in ran.err
