"""TLS through the real `utsuwa up`: several gateways, a rolling restart, a control that restarts
while a Secret is broken, and h2load."""

import http.client
import json
import os
import re
import signal
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import psutil
import pytest
from tests.e2e.conftest import SAMPLES, Up, need, running, until
from tests.e2e.test_crashes import HOST, Load
from tests.e2e.test_domains import condition, curl, map_domain, network, put_secret

from utsuwa.testing.certificates import TestAuthority

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(180)]

DOMAIN = "shop.example.org"


class Connection(http.client.HTTPSConnection):
    """To this machine, whatever the name."""

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        super().__init__("127.0.0.1", port, timeout=30)
        self._given = context

    def connect(self) -> None:
        plain = socket.create_connection(("127.0.0.1", self.port), self.timeout)
        self.sock = self._given.wrap_socket(plain, server_hostname=HOST)


@dataclass
class SecureLoad(Load):
    """As Load, over TLS."""

    context: ssl.SSLContext = field(default_factory=ssl.create_default_context)

    def connection(self) -> http.client.HTTPConnection:
        return Connection(self.up.https_port, self.context)


@pytest.fixture(params=[1, 3], ids=["one gateway", "three gateways"])
def secure(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Up]:
    """A service that holds its clients with room to spare, with a certificate of ours."""
    arguments = ("--gateway-workers", str(request.param)) if request.param > 1 else ()
    with running(tmp_path / "data", *arguments) as up:
        up.run("build", str(SAMPLES / "autoscale"), "-t", "autoscale:1")
        up.run(
            "deploy", "load", "--image", "autoscale:1", "--concurrency", "100", "--min-scale", "2"
        )
        network(up, external_domain_tls="Enabled")
        url = f"https://{HOST}:{up.https_port}"
        until(lambda: up.get("ksvc", "load")["status"].get("url") == url, what=url)
        until(lambda: condition(up, "ksvc", "load", "Ready") == "True")
        yield up


def trusting(up: Up) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=up.data_dir / "pki" / "services" / "ca.crt")


def gateways(up: Up) -> list[int]:
    """The pids of those that serve now."""
    records = json.loads((up.data_dir / "run" / "processes.json").read_text())
    return [int(one["pid"]) for one in records if one["name"].startswith("gateway")]


def taken(up: Up, pid: int) -> int:
    """Connections for TLS that a gateway has."""
    found = psutil.Process(pid).net_connections("tcp")
    return sum(
        one.status == psutil.CONN_ESTABLISHED and one.laddr.port == up.https_port for one in found
    )


def replaced(up: Up, old: set[int]) -> Callable[[], bool]:
    return lambda: not old & set(gateways(up)) and not any(map(psutil.pid_exists, old))


def test_a_rolling_restart_under_tls_fails_no_request(secure: Up) -> None:
    """SIGHUP, twice; and where there are several gateways, each has its share of connections."""
    with SecureLoad(secure, 60, path="/?sleep=20", context=trusting(secure)) as load:
        until(lambda: sum(taken(secure, pid) for pid in gateways(secure)) == 60, 20)
        shares = [taken(secure, pid) for pid in gateways(secure)]
        assert all(shares), shares  # of three gateways one that gets none: (2/3)^60
        for _ in range(2):
            old = set(gateways(secure))
            assert secure.process is not None
            secure.process.send_signal(signal.SIGHUP)
            until(replaced(secure, old), 40, "other gateways")
            until(partial(load.has_served, load.served + 300), 20)
    assert load.failed == 0, (load.statuses, load.errors[:3])


def test_a_secret_that_is_broken_while_control_restarts_costs_nothing(
    hello: Up, tmp_path: Path
) -> None:
    """The gateway keeps what was good, and takes what is good again."""
    network(hello, autocreate_cluster_domain_claims="true")
    authorities = TestAuthority("first"), TestAuthority("second")
    for number, authority in enumerate(authorities):
        (tmp_path / f"ca{number}.crt").write_bytes(authority.certificate)
    ask = [
        lambda ca=tmp_path / f"ca{number}.crt": curl(
            hello, DOMAIN, "--cacert", str(ca), "-o", "/dev/null", "-w", "%{http_code}"
        )
        for number in range(2)
    ]
    put_secret(hello, authorities[0], tmp_path, "shop-tls", DOMAIN)
    map_domain(hello, tmp_path, DOMAIN, tls="tls: {secretName: shop-tls}")
    until(lambda: condition(hello, "dm", DOMAIN, "Ready") == "True")
    assert ask[0]() == "200"
    broken = {"data": {"tls.key": "bm8gcHJpdmF0ZSBrZXk="}}
    hello.kubectl("patch", "secret", "shop-tls", "-p", json.dumps(broken))
    until(lambda: condition(hello, "dm", DOMAIN, "Ready") == "False CertificateUnusable")
    old = hello.pid_of("control")
    os.kill(old, signal.SIGKILL)
    until(lambda: hello.pid_of("control") != old)
    until(lambda: not hello.kubectl("get", "ksvc", check=False).returncode)
    hello.run("deploy", "hello", "--env", "TARGET=again")  # Ready: the new snapshot is in force
    assert ask[0]() == "200"
    assert condition(hello, "dm", DOMAIN, "Ready") == "False CertificateUnusable"
    put_secret(hello, authorities[1], tmp_path, "shop-tls", DOMAIN)
    until(lambda: ask[1]() == "200")


def test_h2load_and_curl_over_tls_speak_http2(hello: Up) -> None:
    network(hello, external_domain_tls="Enabled")
    host, port = "hello.default.localhost", hello.https_port
    until(lambda: hello.get("ksvc", "hello")["status"].get("url") == f"https://{host}:{port}")
    until(lambda: condition(hello, "ksvc", "hello", "Ready") == "True")
    ca = str(hello.data_dir / "pki" / "services" / "ca.crt")
    said = curl(hello, host, "--cacert", ca, "--http2", "-w", "%{http_version}")
    assert said.endswith("2"), said
    done = subprocess.run(
        [
            need("h2load"), "-n", "400", "-c", "4", "-m", "10",
            f"--connect-to=127.0.0.1:{port}", f"https://{host}:{port}/",
        ],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert "Application protocol: h2" in done.stdout
    assert re.search(r"400 succeeded, 0 failed, 0 errored, 0 timeout", done.stdout), done.stdout
    assert "status codes: 400 2xx" in done.stdout


def test_domains_and_templates_change_without_a_restart(hello: Up) -> None:
    """`config-domain` by selector, `domain-template` and `tag-template` of config-network."""
    config_domain = {"data": {"shop.example": "selector:\n  app: shop\n"}}
    hello.kubectl(
        "patch", "configmap", "config-domain", "-n", "knative-serving", "--type=merge",
        "-p", json.dumps(config_domain),
    )  # fmt: skip
    hello.run("deploy", "other", "--image", "hello:1")
    hello.kubectl("label", "ksvc", "hello", "app=shop")
    port = hello.gateway_port

    def url(name: str) -> str:
        return str(hello.get("ksvc", name)["status"].get("url"))

    until(lambda: url("hello") == f"http://hello.default.shop.example:{port}", what="selector")
    assert url("other") == f"http://other.default.localhost:{port}"
    until(lambda: hello.call("hello.default.shop.example")[0] == 200)
    until(lambda: hello.call("hello.default.localhost")[0] == 404)
    network(
        hello, domain_template="{{.Name}}-{{.Namespace}}.{{.Domain}}",
        tag_template="{{.Name}}--{{.Tag}}",
    )  # fmt: skip
    until(lambda: url("other") == f"http://other-default.localhost:{port}", what="template")
    until(lambda: hello.call("other-default.localhost")[0] == 200)
    hello.run("traffic", "other", "--tag", "v1=other-00001")
    until(lambda: hello.call("other--v1-default.localhost")[0] == 200, what="the tag's host")
    hello.kubectl("label", "ksvc", "hello", "app-")
    until(lambda: url("hello") == f"http://hello-default.localhost:{port}", what="no selector")
