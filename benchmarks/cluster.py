"""A throw-away `utsuwa up` for the benchmarks that need the whole of it."""

import base64
import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

ROOT = Path(__file__).parents[1]
SERVICES = "/apis/serving.knative.dev/v1/namespaces/default/services"
KEYS = {
    "warm": "utsuwa.dev/warm-parent",
    "activation": "autoscaling.knative.dev/activation-scale",
}
"""Annotations by short names."""


def free_port() -> int:
    """A port that nobody holds at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Cluster:
    """A running cluster."""

    data_dir: Path
    gateway_port: int
    process: subprocess.Popen[str]
    ready_after: float
    """Seconds from the start of the command to the line `utsuwa is ready`."""

    def run(self, *arguments: str) -> str:
        """An `utsuwa` command; its standard output."""
        environment = {**os.environ, "UTSUWA_DATA_DIR": str(self.data_dir)}
        return subprocess.run(
            [sys.executable, "-m", "utsuwa.cli", *arguments],
            env=environment, check=True, capture_output=True, text=True,
        ).stdout  # fmt: skip

    def pids(self) -> dict[str, int]:
        """Of supervisor, gateway and control."""
        records = json.loads((self.data_dir / "run" / "processes.json").read_text())
        return {"supervisor": self.process.pid, **{r["name"]: r["pid"] for r in records}}


@contextmanager
def cluster(*arguments: str) -> Iterator[Cluster]:
    """Start one with these options, yield it when ready, end it."""
    with tempfile.TemporaryDirectory(prefix="utsuwa-bench-") as directory:
        data_dir, gateway_port = Path(directory) / "data", free_port()
        started = time.monotonic()
        process = subprocess.Popen(
            [
                sys.executable, "-m", "utsuwa.cli", "up", "--data-dir", str(data_dir),
                "--gateway-port", str(gateway_port), "--api-port", str(free_port()),
                "--address", "off", *arguments,
            ],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdout is not None
        for line in process.stdout:
            if line.strip() == "utsuwa is ready":
                break
        ready_after = time.monotonic() - started
        try:
            yield Cluster(data_dir, gateway_port, process, ready_after)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(15)
            process.stdout.close()


class Api:
    """The API with the kubeconfig's certificate, for what the command line has no word for."""

    def __init__(self, data_dir: Path) -> None:
        config = yaml.safe_load((data_dir / "kubeconfig").read_text())
        authority = config["clusters"][0]["cluster"]
        user = config["users"][0]["user"]
        pem = data_dir / "bench.pem"
        pem.write_bytes(
            base64.b64decode(user["client-certificate-data"])
            + base64.b64decode(user["client-key-data"])
        )
        ca = base64.b64decode(authority["certificate-authority-data"]).decode()
        self._context = ssl.create_default_context(cadata=ca)
        self._context.load_cert_chain(pem)
        self._server = urlsplit(authority["server"])

    def call(self, method: str, path: str, body: Any = None, kind: str = "json") -> Any:
        """One request; the decoded answer. `kind`: "json", or "merge-patch+json"."""
        connection = http.client.HTTPSConnection(
            self._server.hostname or "", self._server.port, context=self._context
        )
        try:
            connection.request(
                method, path, json.dumps(body), {"Content-Type": f"application/{kind}"}
            )
            response = connection.getresponse()
            answer = json.loads(response.read())
            if response.status >= 400:
                raise RuntimeError(f"{method} {path}: {answer}")
            return answer
        finally:
            connection.close()

    def serve(self, name: str, image: str, **annotations: str) -> None:
        """Create a Service whose template has `annotations`; their keys are those of :data:`KEYS`."""
        template = {
            "metadata": {"annotations": {KEYS[key]: value for key, value in annotations.items()}},
            "spec": {"containers": [{"image": image}]},
        }
        document = {
            "apiVersion": "serving.knative.dev/v1",
            "kind": "Service",
            "metadata": {"name": name, "namespace": "default"},
            "spec": {"template": template},
        }
        self.call("POST", SERVICES, document)

    def until_ready(self, names: list[str], seconds: float = 120) -> None:
        """Until these Services are."""
        deadline = time.monotonic() + seconds
        while left := [name for name in names if not self._is_ready(name)]:
            assert time.monotonic() < deadline, f"not ready in time: {', '.join(left)}"
            time.sleep(0.05)

    def _is_ready(self, name: str) -> bool:
        status = self.call("GET", f"{SERVICES}/{name}").get("status", {})
        return any(
            c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions", ())
        )

    def settings(self, **autoscaler: str) -> None:
        """Change config-autoscaler; underscores stand for dashes."""
        data = {key.replace("_", "-"): value for key, value in autoscaler.items()}
        path = "/api/v1/namespaces/knative-serving/configmaps/config-autoscaler"
        self.call("PATCH", path, {"data": data}, "merge-patch+json")

    def pods(self) -> list[Any]:
        """Every pod of the default namespace."""
        items: list[Any] = self.call("GET", "/api/v1/namespaces/default/pods")["items"]
        return items


def percentile(values: list[float], share: float) -> float:
    """The value below which `share` (0..1) of the values lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
