"""The small parts of the node: environment, probes, ports, control groups, logs."""

import asyncio
import socket
import zlib
from pathlib import Path

import pytest

from utsuwa.kit.clock import LoopClock
from utsuwa.kit.documents import Document
from utsuwa.model.kinds import CONFIG_MAP, SECRET
from utsuwa.node.cgroups import Cgroups
from utsuwa.node.checks import NetworkChecks
from utsuwa.node.environment import ConfigError, Source, environment_of, expand, resource_of
from utsuwa.node.logs import tail
from utsuwa.node.pods import limits_of, quality_class
from utsuwa.node.ports import NoPortError, Ports
from utsuwa.node.probes import Outcome, Probe, Prober, parse_probe
from utsuwa.node.runtime import Instance, Launch, Limits
from utsuwa.testing.node import FakeInstance, FakeRuntime, a_pod

# --- environment --------------------------------------------------------------------------------


def test_references_are_expanded_as_kubernetes_does() -> None:
    """Known ones are replaced, unknown ones stay, a doubled dollar is one."""
    assert expand("$(A)-$(B)-$$(A)-$A", {"A": "1"}) == "1-$(B)-$(A)-$A"


def test_variables_come_from_maps_secrets_and_fields() -> None:
    """envFrom first, with its prefix; env overrides; secrets are decoded."""
    container: Document = {
        "envFrom": [{"prefix": "P_", "configMapRef": {"name": "cm"}}],
        "env": [
            {"name": "P_A", "value": "own"},
            {"name": "S", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
            {"name": "L", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['x/y']"}}},
            {"name": "M", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory"}}},
            {"name": "E"},
        ],
        "resources": {"limits": {"memory": "64Mi"}},
    }
    sources = {
        Source(CONFIG_MAP, "cm"): CONFIG_MAP.document("default", "cm", data={"A": "1", "B": "2"}),
        Source(SECRET, "s"): SECRET.document("default", "s", data={"k": "aGk="}),
    }
    pod = a_pod()
    pod["metadata"]["labels"]["x/y"] = "z"
    assert environment_of(pod, container, sources) == {
        "P_A": "own",
        "P_B": "2",
        "S": "hi",
        "L": "z",
        "M": "67108864",
        "E": "",
    }


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"configMapKeyRef": {"name": "no", "key": "k"}}, 'configmap "no" not found'),
        ({"secretKeyRef": {"name": "s", "key": "no"}}, "couldn't find key no in Secret default/s"),
    ],
)
def test_what_is_missing_is_named(entry: Document, message: str) -> None:
    """The words of Kubernetes."""
    container = {"env": [{"name": "X", "valueFrom": entry}]}
    sources = {Source(SECRET, "s"): SECRET.document("default", "s", data={})}
    with pytest.raises(ConfigError) as caught:
        environment_of(a_pod(), container, sources)
    assert str(caught.value) == message


def test_what_is_optional_may_be_missing() -> None:
    """No variable then."""
    reference = {"name": "no", "key": "k", "optional": True}
    container = {
        "env": [{"name": "X", "valueFrom": {"configMapKeyRef": reference}}],
        "envFrom": [{"secretRef": {"name": "no", "optional": True}}],
    }
    assert environment_of(a_pod(), container, {}) == {}


@pytest.mark.parametrize(
    ("resource", "divisor", "value"),
    [
        ("limits.memory", None, "67108864"),
        ("limits.memory", "1Mi", "64"),
        ("limits.memory", "0", "67108864"),
        ("requests.cpu", None, "1"),
        ("requests.cpu", "1m", "250"),
        ("limits.cpu", None, "0"),
    ],
)
def test_a_resource_is_told_in_units_of_its_divisor(
    resource: str, divisor: str | None, value: str
) -> None:
    """As whole numbers, rounded up: programs read bytes, not `64Mi`."""
    container: Document = {
        "resources": {"limits": {"memory": "64Mi"}, "requests": {"cpu": "250m"}},
    }
    reference = {"resource": resource} | ({"divisor": divisor} if divisor else {})
    assert resource_of(container, reference) == value


# --- probes -------------------------------------------------------------------------------------

CONTAINER: Document = {"name": "c", "ports": [{"name": "http1", "containerPort": 8080}]}


@pytest.mark.parametrize("given", [0, 8080, "http1", "user-port", None])
def test_the_ports_of_the_container_become_its_real_one(given: int | str | None) -> None:
    """0, the declared number and its names all mean the port that the process was given."""
    socket_action = {} if given is None else {"port": given}
    container = {**CONTAINER, "readinessProbe": {"tcpSocket": socket_action}}
    probe = parse_probe(container, "readinessProbe", 20001)
    assert probe is not None
    assert (probe.kind, probe.port) == ("tcp", 20001)


def test_other_ports_are_left_alone() -> None:
    """A health port of its own."""
    container = {**CONTAINER, "livenessProbe": {"httpGet": {"port": 9000, "path": "up"}}}
    probe = parse_probe(container, "livenessProbe", 20001)
    assert probe is not None
    assert str(probe) == "http GET http://127.0.0.1:9000/up"


def test_defaults_are_those_of_kubernetes() -> None:
    """Every 10 s, 1 s each, one success, three failures."""
    probe = parse_probe({**CONTAINER, "readinessProbe": {"httpGet": {}}}, "readinessProbe", 1)
    assert probe is not None
    assert (probe.period, probe.timeout, probe.successes, probe.failures) == (10, 1, 1, 3)
    assert not probe.aggressive


class Script:
    """Checks that answer one after the other; the last answer stays."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.times: list[float] = []

    async def check(self, probe: Probe, instance: Instance) -> str:
        self.times.append(asyncio.get_running_loop().time())
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def an_instance(tmp_path: Path) -> FakeInstance:
    launch = Launch("u", "c", ("app",), {}, tmp_path, tmp_path / "log")
    return FakeInstance(FakeRuntime(), launch, 0)


@pytest.mark.looptime
async def test_an_aggressive_probe_asks_every_25_to_50_ms(tmp_path: Path) -> None:
    """And ends with the first success."""
    checks = Script(*["refused"] * 40, "")
    outcomes: list[Outcome] = []
    prober = Prober(checks, LoopClock(), an_instance(tmp_path))
    await prober.readiness(Probe("tcp", 1, period=0, once=True), outcomes.append)
    gaps = [b - a for a, b in zip(checks.times, checks.times[1:], strict=False)]
    assert min(gaps) == pytest.approx(0.025)
    assert max(gaps) <= 0.0501
    assert outcomes[-1].ready


@pytest.mark.looptime
async def test_readiness_is_lost_after_the_failure_threshold(tmp_path: Path) -> None:
    """Three failures in a row by default; one success brings it back."""
    checks = Script("", "", "status 503", "status 503", "", "a", "b", "status 500", "")
    outcomes: list[Outcome] = []
    prober = Prober(checks, LoopClock(), an_instance(tmp_path))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(85):
            await prober.readiness(Probe("http", 1), outcomes.append)
    assert [outcome.ready for outcome in outcomes] == [True, False, True]
    assert "status 500 (3 attempts in a row)" in outcomes[1].message


@pytest.mark.looptime
async def test_an_aggressive_probe_that_has_succeeded_is_asked_like_any_other(
    tmp_path: Path,
) -> None:
    """Every 10 s; and every second once it has failed three times."""
    checks = Script("", "", "status 503", "status 503", "status 503", "status 503", "")
    outcomes: list[Outcome] = []
    prober = Prober(checks, LoopClock(), an_instance(tmp_path))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(45):
            await prober.readiness(Probe("http", 1, period=0), outcomes.append)
    gaps = [b - a for a, b in zip(checks.times, checks.times[1:], strict=False)]
    assert gaps[:6] == pytest.approx([10.0, 10.0, 10.0, 10.0, 1.0, 1.0])
    found = [outcome.ready for outcome in outcomes]
    assert (found[:2], found[-1]) == ([True, False], True)


async def test_a_refused_connection_is_called_so(tmp_path: Path) -> None:
    """Nobody listens on the port."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    instance = an_instance(tmp_path)
    assert await NetworkChecks().check(Probe("tcp", port), instance) == "connection refused"
    assert await NetworkChecks().check(Probe("http", port), instance) == "connection refused"


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (b"HTTP/1.1 204 No Content\r\n\r\n", ""),
        (b"HTTP/1.1 302 Found\r\n\r\n", ""),
        (b"HTTP/1.1 404 Not Found\r\n\r\n", "status 404"),
        (b"SSH-2.0-x\r\n", "the answer is not HTTP"),
        (b"", "connection closed without an answer"),
    ],
)
async def test_http_answers_from_200_to_399_are_good(
    tmp_path: Path, answer: bytes, verdict: str
) -> None:
    """Headers and path of the probe are sent."""
    heads: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        probe = Probe("http", port, "/up", headers=(("X-Token", "t"),))
        assert await NetworkChecks().check(probe, an_instance(tmp_path)) == verdict
    assert heads[0].startswith(b"GET /up HTTP/1.1\r\n")
    assert b"X-Token: t\r\n" in heads[0]


async def test_exec_probes_report_code_and_last_line(tmp_path: Path) -> None:
    """Output of a probe that fails is worth a word."""
    instance = an_instance(tmp_path)
    instance.execute_result = (2, "checking\nno route\n")
    probe = Probe("exec", command=("check",))
    assert await NetworkChecks().check(probe, instance) == "exit code 2: no route"


# --- ports --------------------------------------------------------------------------------------


def test_a_port_is_never_given_twice() -> None:
    """Not while a Pod has it, and not at once after it was given back."""
    ports = Ports(first=29_900, last=29_999)
    one, two = ports.take(), ports.take()
    ports.give_back(one)
    assert len({one, two, ports.take()}) == 3


def test_ports_of_other_programs_are_passed_over() -> None:
    """Somebody else listens there."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(NoPortError, match="no free port"):
            Ports(first=port, last=port).take()


# --- control groups -----------------------------------------------------------------------------


def test_limits_become_files_of_version_2(tmp_path: Path) -> None:
    """cpu.max per 100 ms, memory.max in bytes, shares as a weight."""
    base = tmp_path / f"utsuwa-{zlib.crc32(b'x'):08x}"
    group = base / "pod_c"
    group.mkdir(parents=True)
    (tmp_path / "cgroup.controllers").write_text("cpu memory")
    for name in ("memory.max", "cpu.max", "cpu.weight"):
        (group / name).touch()
    for directory in (tmp_path, base):
        (directory / "cgroup.procs").touch()
        (directory / "cgroup.subtree_control").write_text("________ cpu memory")
    cgroups = Cgroups("x", root=tmp_path, own="0::/\n")
    made = cgroups.create("pod_c", Limits(cpu=0.5, cpu_request=0.125, memory=1 << 27))
    assert made.directories == [group]
    assert (group / "memory.max").read_text() == "134217728"
    assert (group / "cpu.max").read_text() == "50000 100000"
    assert (group / "cpu.weight").read_text() == "5"


def test_without_control_groups_all_goes_on(tmp_path: Path) -> None:
    """Nothing is granted: groups are empty, limits are not enforced."""
    cgroups = Cgroups("x", root=tmp_path, own="0::/somewhere\n")
    group = cgroups.create("pod_c", Limits(memory=1))
    assert not cgroups.fenced
    assert group.directories == []
    assert group.kill() == 0
    assert group.remove()


# --- the rest -----------------------------------------------------------------------------------


def test_the_tail_of_a_log_is_short(tmp_path: Path) -> None:
    """At most 2 KiB and 80 lines, whole lines only."""
    path = tmp_path / "log"
    path.write_text("".join(f"line {number:04}\n" for number in range(1000)))
    lines = tail(path).split("\n")
    assert lines[-1] == "line 0999"
    assert len(lines) == 80
    path.write_text("x" * 5000 + "\nlast\n")
    assert tail(path) == "last"
    assert tail(tmp_path / "nothing") == ""


def test_resources_are_read_as_quantities() -> None:
    """Cores and bytes."""
    container = {"resources": {"limits": {"cpu": "500m", "memory": "1Gi"}, "requests": {"cpu": 1}}}
    assert limits_of(container) == Limits(cpu=0.5, cpu_request=1.0, memory=1 << 30)


@pytest.mark.parametrize(
    ("resources", "quality"),
    [
        ({}, "BestEffort"),
        ({"requests": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}}, "Guaranteed"),
    ],
)
def test_the_quality_class_follows_the_resources(resources: Document, quality: str) -> None:
    """As Kubernetes derives it."""
    assert quality_class(a_pod(resources=resources)) == quality
