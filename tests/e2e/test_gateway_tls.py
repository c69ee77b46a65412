"""TLS at the real gateway process, with unmodified curl and openssl."""

import asyncio
import shutil
import signal
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import websockets

from utsuwa.routing.messages import Ack, Certificate, Delta, HostTable, Snapshot, Split
from utsuwa.testing.certificates import Signed, TestAuthority
from utsuwa.testing.gateway import one_service
from utsuwa.testing.gateway_process import HOST, REVISION, GatewayProcess
from utsuwa.testing.servers import listening

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

OTHER = "shop.example.org"
NAME = "default/hello-tls"


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers with the fields that it was sent."""
    while True:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0] or 0)
        await reader.readexactly(length)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(head), head))


@pytest.fixture
async def pod() -> AsyncIterator[int]:
    async with listening(serve) as port:
        yield port


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[GatewayProcess]:
    gateway = GatewayProcess(tmp_path)
    yield gateway
    await gateway.stop()


@pytest.fixture
def authority(tmp_path: Path) -> TestAuthority:
    made = TestAuthority()
    (tmp_path / "ca.crt").write_bytes(made.certificate)
    return made


def entry(name: str, signed: Signed) -> Certificate:
    return Certificate(name, signed.certificate, signed.key)


def host(name: str = HOST, certificate: str = NAME, *, redirect: bool = False) -> HostTable:
    split = (Split(revision=REVISION),)
    return HostTable(host=name, splits=split, certificate=certificate, redirect=redirect)


async def start(
    gateway: GatewayProcess, port: int, hosts: tuple[HostTable, ...], *certificates: Certificate
) -> None:
    plain = one_service(gateway.endpoint(port), host=HOST, revision=REVISION)
    gateway.control.snapshot = Snapshot("e1", 1, hosts, plain.revisions, certificates)
    await gateway.control.start()
    await gateway.start()
    await gateway.control.wait_for(Ack, seconds=15)


async def change(gateway: GatewayProcess, delta: Delta) -> None:
    gateway.control.send(delta)
    await gateway.control.wait_for(Ack, lambda ack: ack.version == delta.version)


async def run(tool: str, *arguments: str, check: bool = True) -> str:
    path = shutil.which(tool)
    if path is None:
        pytest.skip(f"{tool} is not installed")
    process = await asyncio.create_subprocess_exec(
        path, *arguments, stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    async with asyncio.timeout(20):
        out, _ = await process.communicate()
    assert not check or process.returncode == 0, out
    return out.decode(errors="replace")


async def curl(gateway: GatewayProcess, tmp_path: Path, *arguments: str, name: str = HOST) -> str:
    port = gateway.tls_port
    return await run(
        "curl", "-sS", "--max-time", "10", "--cacert", str(tmp_path / "ca.crt"),
        "--resolve", f"{name}:{port}:127.0.0.1", *arguments, f"https://{name}:{port}/a",
    )  # fmt: skip


async def handshake(gateway: GatewayProcess, *arguments: str) -> str:
    """What `openssl s_client` tells of a handshake."""
    target = f"127.0.0.1:{gateway.tls_port}"
    return await run("openssl", "s_client", "-connect", target, *arguments, check=False)


@pytest.mark.parametrize(("how", "version"), [("--http1.1", "1.1"), ("--http2", "2")])
async def test_curl_with_tls(
    gateway: GatewayProcess,
    authority: TestAuthority,
    tmp_path: Path,
    pod: int,
    how: str,
    version: str,
) -> None:
    """By ALPN, over either protocol; the pod learns that the client came by https."""
    await start(gateway, pod, (host(),), entry(NAME, authority.issue(HOST)))
    said = await curl(gateway, tmp_path, how, "-w", "\n%{http_version} %{response_code}")
    assert said.endswith(f"\n{version} 200")
    assert "X-Forwarded-Proto: https" in said
    assert f";host={HOST}:{gateway.tls_port};proto=https" in said


async def test_a_large_body_passes_both_ways(
    gateway: GatewayProcess, authority: TestAuthority, tmp_path: Path, pod: int
) -> None:
    """Flow control works through TLS."""
    await start(gateway, pod, (host(),), entry(NAME, authority.issue(HOST)))
    body = tmp_path / "body"
    body.write_bytes(b"x" * 5_000_000)
    for how in ("--http1.1", "--http2"):
        said = await curl(
            gateway, tmp_path, how, "--data-binary", f"@{body}", "-H", "Expect:",
            "-w", "%{size_upload} %{response_code}",
        )  # fmt: skip
        assert said.endswith("5000000 200")


async def test_the_name_that_a_client_asks_for_chooses_the_certificate(
    gateway: GatewayProcess, authority: TestAuthority, pod: int
) -> None:
    """SNI; without a name, or with one that nobody has, there is no certificate to give."""
    await start(
        gateway, pod,
        (host(), host(OTHER, "default/other-tls")),
        entry(NAME, authority.issue(HOST)),
        entry("default/other-tls", authority.issue(OTHER)),
    )  # fmt: skip
    for name in (HOST, OTHER):
        told = await handshake(gateway, "-servername", name, "-verify_hostname", name)
        assert f"Verified peername: {name}" in told or "Verification error" in told
        assert f"DNS:{name}" in await run_text(told)
    for arguments in (("-servername", "nobody.example.org"), ("-noservername",)):
        told = await handshake(gateway, *arguments)
        assert "no peer certificate available" in told


async def run_text(told: str) -> str:
    """The certificate in what s_client told, in words."""
    begin = told.index("-----BEGIN CERTIFICATE-----")
    end = told.index("-----END CERTIFICATE-----") + len("-----END CERTIFICATE-----")
    path = shutil.which("openssl")
    assert path is not None
    process = await asyncio.create_subprocess_exec(
        path, "x509", "-noout", "-text",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await process.communicate(told[begin:end].encode())
    return out.decode()


@pytest.mark.parametrize(
    ("offer", "chosen"),
    [
        ("h2,http/1.1", "ALPN protocol: h2"),
        ("http/1.1,h2", "ALPN protocol: h2"),
        ("http/1.1", "ALPN protocol: http/1.1"),
        ("", "No ALPN negotiated"),
    ],
)
async def test_alpn(
    gateway: GatewayProcess, authority: TestAuthority, pod: int, offer: str, chosen: str
) -> None:
    """Ours is the choice: HTTP/2 wherever a client can."""
    await start(gateway, pod, (host(),), entry(NAME, authority.issue(HOST)))
    arguments = ("-alpn", offer) if offer else ()
    assert chosen in await handshake(gateway, "-servername", HOST, *arguments)


async def test_versions_before_1_2_are_refused(
    gateway: GatewayProcess, authority: TestAuthority, pod: int
) -> None:
    """TLS 1.2 and 1.3."""
    await start(gateway, pod, (host(),), entry(NAME, authority.issue(HOST)))
    for version in ("-tls1_2", "-tls1_3"):
        assert (
            "Cipher is TLS" in (told := await handshake(gateway, version, "-servername", HOST))
            or "Cipher is ECDHE" in told
        )
    old = await handshake(gateway, "-tls1_1", "-cipher", "ALL@SECLEVEL=0", "-servername", HOST)
    assert "Cipher is (NONE)" in old


async def test_a_changed_certificate_is_for_the_next_handshake(
    gateway: GatewayProcess, authority: TestAuthority, tmp_path: Path, pod: int
) -> None:
    """Connections that stand go on; the next one gets what is there now."""
    await start(gateway, pod, (host(),), entry(NAME, authority.issue(HOST)))
    context = ssl.create_default_context(cadata=authority.certificate.decode())
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", gateway.tls_port, ssl=context, server_hostname=HOST
    )

    async def ask() -> bytes:
        writer.write(f"GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")  # the body is a head, too
        return head

    assert (await ask()).startswith(b"HTTP/1.1 200")
    successor = TestAuthority("another")
    await change(gateway, Delta(2, certificates=(entry(NAME, successor.issue(HOST)),)))
    assert (await ask()).startswith(b"HTTP/1.1 200")
    writer.close()
    (tmp_path / "ca.crt").write_bytes(successor.certificate)
    assert "GET /a" in await curl(gateway, tmp_path)
    await change(gateway, Delta(3, removed_certificates=(NAME,)))
    assert "no peer certificate available" in await handshake(gateway, "-servername", HOST)


async def test_a_certificate_that_cannot_be_used_costs_nobody_else_anything(
    gateway: GatewayProcess, authority: TestAuthority, tmp_path: Path, pod: int
) -> None:
    """Control does not send such; if it did, the handshake would fail, and only that one."""
    good, bad = authority.issue(HOST), authority.issue(OTHER)
    await start(
        gateway, pod,
        (host(), host(OTHER, "default/bad")),
        entry(NAME, good), Certificate("default/bad", bad.certificate, good.key),
    )  # fmt: skip
    assert "no peer certificate available" in await handshake(gateway, "-servername", OTHER)
    assert "GET /a" in await curl(gateway, tmp_path)


@pytest.mark.parametrize("how", ["--http1.1", "--http2-prior-knowledge"])
async def test_plain_http_is_sent_to_https(
    gateway: GatewayProcess, authority: TestAuthority, tmp_path: Path, pod: int, how: str
) -> None:
    """301 (`spec/config.md` §6); a proxy before us that took off the TLS is believed."""
    hosts = (host(redirect=True), host(OTHER, ""))
    await start(gateway, pod, hosts, entry(NAME, authority.issue(HOST)))
    plain = f"http://{HOST}:{gateway.port}/a/b?c=d"
    ask = ("-sS", "-i", how, "--resolve", f"{HOST}:{gateway.port}:127.0.0.1")
    said = await run("curl", *ask, plain)
    assert " 301" in said.splitlines()[0]
    assert f"location: https://{HOST}:{gateway.tls_port}/a/b?c=d" in said.replace("L", "l", 1)
    said = await run("curl", *ask, "-d", "x", "-H", "X-Forwarded-Proto: https", plain)
    assert " 200" in said.splitlines()[0]
    followed = await run(
        "curl", "-sS", "-L", "--cacert", str(tmp_path / "ca.crt"),
        "--resolve", f"{HOST}:{gateway.port}:127.0.0.1",
        "--resolve", f"{HOST}:{gateway.tls_port}:127.0.0.1", plain,
    )  # fmt: skip
    assert "GET /a/b?c=d" in followed
    await change(gateway, Delta(2, hosts=(host(),)))
    assert " 200" in (await run("curl", *ask, plain)).splitlines()[0]


async def test_websocket_over_tls(
    gateway: GatewayProcess, authority: TestAuthority, tmp_path: Path
) -> None:
    """wss."""

    async def echo(connection: websockets.ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    async with websockets.serve(echo, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        await start(gateway, port, (host(),), entry(NAME, authority.issue(HOST)))
        context = ssl.create_default_context(cadata=authority.certificate.decode())
        async with websockets.connect(
            f"wss://{HOST}/", host="127.0.0.1", port=gateway.tls_port, ssl=context
        ) as client:
            await client.send("hello")
            assert await client.recv() == "hello"


async def test_a_gateway_that_is_replaced_finishes_handshakes(
    gateway: GatewayProcess, authority: TestAuthority, pod: int
) -> None:
    """Who was accepted before SIGHUP gets an answer, though his handshake comes after it; who
    was connected between two requests is answered once more."""
    await start(gateway, pod, (host(),), entry(NAME, authority.issue(HOST)))
    context = ssl.create_default_context(cadata=authority.certificate.decode())
    target = ("127.0.0.1", gateway.tls_port)
    old_reader, old_writer = await asyncio.open_connection(
        *target, ssl=context, server_hostname=HOST
    )
    _, half = await asyncio.open_connection(*target)
    await asyncio.sleep(0.2)  # accepted, and no handshake yet
    process = gateway.process
    assert process is not None
    process.send_signal(signal.SIGHUP)
    await asyncio.sleep(0.2)
    assert process.returncode is None
    await half.start_tls(context, server_hostname=HOST)
    reader = half.transport.get_protocol()._stream_reader  # type: ignore[attr-defined]
    for a_reader, a_writer in ((old_reader, old_writer), (reader, half)):
        a_writer.write(f"GET /x HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
        data = await asyncio.wait_for(a_reader.read(), 5)
        assert data.startswith(b"HTTP/1.1 200")
        assert b"Connection: close" in data
        a_writer.close()
    async with asyncio.timeout(10):
        assert await process.wait() == 0


async def test_a_handshake_that_never_comes_is_forgotten(
    gateway: GatewayProcess, authority: TestAuthority, pod: int
) -> None:
    """What is no TLS is cut off, and does not hold up the end."""
    await start(gateway, pod, (host(),), entry(NAME, authority.issue(HOST)))
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.tls_port)
    writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert await asyncio.wait_for(reader.read(), 5) is not None
    writer.close()
    await asyncio.sleep(0.1)
    process = gateway.process
    assert process is not None
    process.terminate()
    async with asyncio.timeout(3):
        assert await process.wait() == 0
