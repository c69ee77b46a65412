"""A running API server over a cluster in memory, for tests and for trying things out."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from utsuwa.apiserver.pki import Authority, write_kubeconfig
from utsuwa.apiserver.ports import Admission, Containers, Review
from utsuwa.apiserver.server import ApiServer
from utsuwa.cluster.embedded import Embedded
from utsuwa.cluster.port import Key
from utsuwa.kit.clock import Clock, SystemClock
from utsuwa.kit.documents import Document
from utsuwa.kit.ids import Ids
from utsuwa.model.usage import PodUse
from utsuwa.testing.cluster import memory_cluster


@dataclass
class LogFiles:
    """A LogSource: files by Pod name and container; those of a former life apart."""

    current: dict[tuple[str, str], Path] = field(default_factory=dict)
    former: dict[tuple[str, str], Path] = field(default_factory=dict)

    def path(self, pod: Document, container: str, previous: bool) -> Path | None:
        """As the port."""
        files = self.former if previous else self.current
        return files.get((pod["metadata"]["name"], container))


@dataclass
class Told:
    """A UsageSource and a DecisionSource: what pods (by uid) and machines (by name) use, and what
    was decided, as a test says."""

    pods: dict[str, PodUse] = field(default_factory=dict)
    machines: dict[str, PodUse] = field(default_factory=dict)
    decided: dict[Key, list[Document]] = field(default_factory=dict)

    async def measured(self, uids: Sequence[str]) -> dict[str, PodUse]:
        """As the port."""
        return {uid: self.pods[uid] for uid in uids if uid in self.pods}

    async def machine(self, name: str) -> PodUse | None:
        """As the port."""
        return self.machines.get(name)

    def decisions(self, autoscaler: Key) -> list[Document]:
        """As the port."""
        return self.decided.get(autoscaler, [])


def admit_everything(review: Review) -> tuple[Document, tuple[str, ...]]:
    """An Admission that changes nothing."""
    return review.object, ()


@dataclass
class Serving:
    """A running API server, and what a client of it needs."""

    _admissions: list[Admission]

    server: ApiServer
    cluster: Embedded
    logs: LogFiles
    told: Told
    authority: Authority
    url: str
    kubeconfig: Path
    http: aiohttp.ClientSession
    """A session of the administrator; paths are relative to `url`."""

    def admit(self, admission: Admission) -> None:
        """From now on, let `admission` decide about writes."""
        self._admissions.append(admission)


@asynccontextmanager
async def serving(
    directory: Path,
    *,
    clock: Clock | None = None,
    admission: Admission = admit_everything,
    address: tuple[str, int] = ("127.0.0.1", 0),
    containers: Containers | None = None,
) -> AsyncIterator[Serving]:
    """Serve a cluster in memory on `address`; certificates and kubeconfig go to `directory`."""
    used = clock or SystemClock()
    authority = await asyncio.to_thread(Authority.open, directory / "pki", used)
    listening = socket.create_server(address)
    url = f"https://{address[0]}:{listening.getsockname()[1]}"
    kubeconfig = directory / "kubeconfig"
    write_kubeconfig(kubeconfig, authority.kubeconfig(url))
    async with memory_cluster(used) as cluster:
        logs, told = LogFiles(), Told()
        admissions = [admission]

        def latest(review: Review) -> tuple[Document, tuple[str, ...]]:
            return admissions[-1](review)

        server = ApiServer(
            cluster,
            admission=latest,
            clock=used,
            ids=Ids(),
            logs=logs,
            version="test",
            usage=told,
            decisions=told,
            containers=containers,
        )
        await server.serve([listening], authority.server_context([address[0]]))
        async with aiohttp.ClientSession(
            url, connector=aiohttp.TCPConnector(ssl=_trusting(authority), limit=0)
        ) as http:
            yield Serving(admissions, server, cluster, logs, told, authority, url, kubeconfig, http)
        await server.close()


def _trusting(authority: Authority) -> ssl.SSLContext:
    return authority.client_context()
