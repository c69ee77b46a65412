"""WebSockets through the real `utsuwa up`: a pod that must end waits for them, and says so."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import websockets
from tests.e2e.conftest import SAMPLES, Up, until

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(120)]

OLD = "ws-00001"
SERVICE = """
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: ws}
spec:
  template:
    metadata: {annotations: {autoscaling.knative.dev/window: 6s}}
    spec: {containers: [{image: "dev.local/ws:1"}]}
"""


@pytest.fixture
def ws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Up]:
    """A cluster in which WebSockets have six seconds, with an echo deployed."""
    monkeypatch.setenv("UTSUWA_TUNNEL_DRAIN_SECONDS", "6")
    up = Up(tmp_path / "data").start().ready()
    try:
        up.run("build", str(SAMPLES / "websocket"), "-t", "dev.local/ws:1")
        (tmp_path / "ws.yaml").write_text(SERVICE)
        up.kubectl("apply", "-f", str(tmp_path / "ws.yaml"))
        up.kubectl("wait", "--for=condition=Ready", "ksvc/ws", "--timeout=30s")
        yield up
    finally:
        up.stop()


def pods(up: Up, revision: str) -> list[dict[str, Any]]:
    found = up.get("pods", "-l", f"serving.knative.dev/revision={revision}")
    return list(found["items"])


def drained(pod: dict[str, Any]) -> dict[str, Any]:
    """The condition that says what the end waits for."""
    conditions = pod["status"].get("conditions", [])
    return next((one for one in conditions if one["type"] == "utsuwa.dev/Drained"), {})


async def test_an_old_pod_says_how_many_it_waits_for_and_ends_after_1001(ws: Up) -> None:
    """Open for longer than the window, a socket keeps its pod. Once a new revision is out it keeps
    the old one no longer: that goes to zero, its pod says what it waits for, the client hears 1001
    after six seconds, and only then does the program get SIGTERM."""
    async with websockets.connect(
        "ws://ws.default.localhost/", host="127.0.0.1", port=ws.gateway_port, proxy=None
    ) as client:
        await client.send("hello")
        assert await client.recv() == "hello"
        (old,) = pods(ws, OLD)
        await asyncio.sleep(10)  # the window is six seconds
        assert [one["metadata"]["uid"] for one in pods(ws, OLD)] == [old["metadata"]["uid"]]
        await asyncio.to_thread(ws.run, "deploy", "ws", "--env", "A=1")
        await client.send("still here")
        assert await client.recv() == "still here"
        assert [one["metadata"]["uid"] for one in pods(ws, OLD)] == [old["metadata"]["uid"]]
        left = await asyncio.to_thread(
            until, lambda: [c for one in pods(ws, OLD) if (c := drained(one))], 40
        )
        assert [(one["status"], one["reason"], one["message"]) for one in left] == [
            ("False", "RequestsOpen", "waiting for 1 open WebSocket, at most 6 s")
        ]
        await client.send("and now")
        assert await client.recv() == "and now"
        with pytest.raises(websockets.ConnectionClosed):
            await asyncio.wait_for(client.recv(), 20)
        assert client.close_code == 1001
    await asyncio.to_thread(until, lambda: not pods(ws, OLD), 20, "the old pod is gone")
    selector = f"involvedObject.name={old['metadata']['name']}"
    events = ws.get("events", "--field-selector", selector)["items"]
    told = [one["message"] for one in events if one["reason"] == "Draining"]
    assert told == ["waiting for 1 open WebSocket, at most 6 s"]
