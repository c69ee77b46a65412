"""The console: what a page of 100 services costs, what twenty open pages cost, how large a page is.

    python -m benchmarks.console

A real `utsuwa up`, a hundred services; pages are fetched over HTTP as a browser would, streams are
held open by this process. The processor time is that of control alone, before and after.
"""

import argparse
import asyncio
import re
import statistics
import tempfile
import time
from pathlib import Path
from urllib.parse import urljoin

import aiohttp
import psutil
from tests.e2e.conftest import SAMPLES, Up

SERVICES = 100
PAGES = 20
FETCHES = 60
SECONDS = 30


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--services", type=int, default=SERVICES)
    parser.add_argument("--seconds", type=int, default=SECONDS)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        up = Up(Path(directory) / "data").start().ready()
        try:
            _services(up, asked.services)
            asyncio.run(_measure(up, asked.seconds))
        finally:
            up.stop()


def _services(up: Up, count: int) -> None:
    """One that serves, and copies of it at zero."""
    up.run("deploy", "shop", "--source", str(SAMPLES / "hello"))
    documents = [
        "apiVersion: serving.knative.dev/v1\nkind: Service\n"
        f"metadata: {{name: service-{number:03}}}\n"
        "spec: {template: {spec: {containers: [{image: 'dev.local/shop:latest'}]}}}\n"
        for number in range(count - 1)
    ]
    manifest = up.data_dir / "services.yaml"
    manifest.write_text("---\n".join(documents))
    up.kubectl("apply", "-f", str(manifest))
    up.kubectl("wait", "ksvc", "--all", "--for=condition=Ready", "--timeout=600s")
    while up.get("pods")["items"]:  # all at zero: what is measured is the console
        time.sleep(2)


async def _measure(up: Up, seconds: int) -> None:
    base = f"http://127.0.0.1:{up.console_port}"
    control = psutil.Process(up.pid_of("control"))
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(
        cookie_jar=aiohttp.CookieJar(unsafe=True), connector=connector, auto_decompress=False
    ) as http:
        async with http.get(up.run("console").stdout.strip()) as answer:
            await answer.read()
        for path in ("/services", "/services/default/shop"):
            times = []
            spent = _processor(control)
            for _ in range(FETCHES):
                began = time.perf_counter()
                async with http.get(base + path) as answer:
                    assert answer.status == 200
                    await answer.read()
                times.append((time.perf_counter() - began) * 1000)
            own = (_processor(control) - spent) / FETCHES * 1000
            print(
                f"{path}: {statistics.median(times):.1f} ms median, {max(times):.1f} ms worst, "
                f"{own:.1f} ms of control's processor time"
            )
            wire, plain = await _size(http, base, path)
            print(f"{path}: {wire / 1024:.1f} KiB over the wire, {plain / 1024:.1f} KiB unpacked")
        over = asyncio.Event()
        load = asyncio.create_task(_load(up, over))
        await asyncio.sleep(15)  # the first request wakes a pod, and that is not ours to count
        idle = await _spent(control, seconds)
        for name, path in (("list", "/live/services"), ("service", "/live/services/default/shop")):
            spent = await _open_pages(http, base + path, control, seconds)
            share = (spent - idle) / seconds * 100
            print(
                f"{PAGES} open pages ({name}): {share:.1f} % of a core more than none "
                f"({idle / seconds * 100:.1f} %)"
            )
        over.set()
        await load


async def _size(http: aiohttp.ClientSession, base: str, path: str) -> tuple[int, int]:
    """Bytes of a page with its styles and scripts: as sent, and unpacked."""
    wire = plain = 0
    text = ""
    todo = [path]
    while todo:
        url = urljoin(base, todo.pop())
        async with http.get(url, headers={"Accept-Encoding": "gzip"}) as answer:
            wire += len(await answer.read())
        async with http.get(url, headers={"Accept-Encoding": "identity"}) as answer:
            body = await answer.read()
            plain += len(body)
        if not text:
            text = body.decode()
            todo += re.findall(r'(?:src|href)="(/static/[^"]+\.(?:js|css))"', text)
    return wire, plain


async def _load(up: Up, over: asyncio.Event) -> None:
    """A steady trickle, so that figures change every second."""
    async with aiohttp.ClientSession() as http:
        while not over.is_set():
            url = f"http://127.0.0.1:{up.gateway_port}/"
            async with http.get(url, headers={"Host": "shop.default.localhost"}) as answer:
                await answer.read()
            await asyncio.sleep(0.05)


async def _open_pages(
    http: aiohttp.ClientSession, url: str, control: psutil.Process, seconds: int
) -> float:
    told = [0] * PAGES

    async def follow(number: int) -> None:
        async with http.get(url, timeout=aiohttp.ClientTimeout(total=None)) as answer:
            async for frames in answer.content.iter_any():
                told[number] += len(frames)

    pages = [asyncio.create_task(follow(number)) for number in range(PAGES)]
    await asyncio.sleep(3)
    before = list(told)
    spent = await _spent(control, seconds)
    assert all(now > then for now, then in zip(told, before, strict=True)), (
        "a page that is not live"
    )
    for page in pages:
        page.cancel()
    await asyncio.gather(*pages, return_exceptions=True)
    return spent


async def _spent(control: psutil.Process, seconds: int) -> float:
    """Processor seconds of control in so many seconds."""
    before = _processor(control)
    await asyncio.sleep(seconds)
    return _processor(control) - before


def _processor(control: psutil.Process) -> float:
    """Processor seconds that control has used."""
    times = control.cpu_times()
    return float(times.user + times.system)


if __name__ == "__main__":
    main()
