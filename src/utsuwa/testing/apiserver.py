"""A running API server over a cluster in memory, for tests and for trying things out."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from utsuwa.apiserver.authentication import Authentication
from utsuwa.apiserver.authorization import Rbac
from utsuwa.apiserver.issued_tokens import IssuedTokens
from utsuwa.apiserver.pki import Authority, write_kubeconfig
from utsuwa.apiserver.ports import (
    Admission,
    AlertSource,
    Containers,
    HistorySource,
    LinkSource,
    Review,
)
from utsuwa.apiserver.server import ApiServer
from utsuwa.apiserver.service_tokens import ServiceTokens
from utsuwa.cluster.embedded import Embedded
from utsuwa.cluster.informer import Informers
from utsuwa.cluster.port import Key
from utsuwa.kit.clock import Clock, SystemClock
from utsuwa.kit.documents import Document
from utsuwa.kit.ids import Ids
from utsuwa.kit.tasks import TaskSet
from utsuwa.logs.reading import ServiceLogs
from utsuwa.model import builtin_roles
from utsuwa.model.kinds import RIGHTS_KINDS, SECRET, SERVICE_ACCOUNT
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

    def present(self, autoscaler: Key) -> Document:
        """As the port: the newest that was decided."""
        return {"current": next(reversed(self.decisions(autoscaler)), None)}


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
    informers: Informers
    rights: Rbac
    authentication: Authentication
    http: aiohttp.ClientSession
    """A session of the administrator; paths are relative to `url`."""

    def session(self, user: str = "", *groups: str, token: str = "") -> aiohttp.ClientSession:
        """A session of somebody else: with a client certificate, a token, or neither."""
        context = ssl.create_default_context(cadata=self.authority.ca.certificate.decode())
        if user:
            pair = self.authority.client(user, groups)
            path = self.kubeconfig.with_name(f"{user}.pem")
            path.write_bytes(pair.certificate + pair.key)
            context.load_cert_chain(path)
        return aiohttp.ClientSession(
            self.url,
            connector=aiohttp.TCPConnector(ssl=context, limit=0),
            headers={"Authorization": f"Bearer {token}"} if token else {},
        )

    def admit(self, admission: Admission) -> None:
        """From now on, let `admission` decide about writes."""
        self._admissions.append(admission)


@asynccontextmanager
async def serving(  # noqa: PLR0913  (each is a port of the API server, by name)
    directory: Path,
    *,
    clock: Clock | None = None,
    admission: Admission = admit_everything,
    address: tuple[str, int] = ("127.0.0.1", 0),
    containers: Containers | None = None,
    anonymous: bool = False,
    history: HistorySource | None = None,
    links: LinkSource | None = None,
    alerts: AlertSource | None = None,
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

        informers, tasks = Informers(cluster), TaskSet()
        for kind in (*RIGHTS_KINDS, SECRET, SERVICE_ACCOUNT):
            informers.of(kind)
        for role in (*builtin_roles.cluster_roles(), *builtin_roles.cluster_role_bindings()):
            await cluster.create(role)
        authentication = Authentication(
            ServiceTokens(authority.signer(), informers, used, Ids()),
            IssuedTokens(informers, used),
            anonymous=anonymous,
        )
        rights = Rbac(informers)
        server = ApiServer(
            cluster,
            authorizer=rights,
            authentication=authentication,
            admission=latest,
            clock=used,
            ids=Ids(),
            logs=logs,
            version="test",
            usage=told,
            decisions=told,
            containers=containers,
            history=history,
            console=links,
            service_logs=ServiceLogs(directory / "logs", used, tuple),
            alerts=alerts,
        )
        informers.start(tasks)
        await informers.synced()
        await server.serve([listening], authority.server_context([address[0]]))
        async with aiohttp.ClientSession(
            url, connector=aiohttp.TCPConnector(ssl=_trusting(authority), limit=0)
        ) as http:
            yield Serving(
                admissions, server, cluster, logs, told, authority, url, kubeconfig,
                informers, rights, authentication, http,
            )  # fmt: skip
        await server.close()
        await tasks.close()


def _trusting(authority: Authority) -> ssl.SSLContext:
    return authority.client_context()
