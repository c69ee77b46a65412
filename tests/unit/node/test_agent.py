"""The node agent: binding, statuses, restarts, probes, the end of a Pod."""

import signal

import pytest
from tests.unit.node.conftest import NodeMaker

from utsuwa.cluster.port import Key
from utsuwa.kit.documents import Document
from utsuwa.model.draining import Remaining
from utsuwa.model.kinds import CONFIG_MAP, NODE, POD
from utsuwa.testing.node import a_pod

pytestmark = pytest.mark.looptime

AGGRESSIVE = {"tcpSocket": {"port": 0}, "periodSeconds": 0}


async def test_a_pod_is_bound_with_a_port_of_its_own(a_node: NodeMaker) -> None:
    """hostPort and nodeName are published; the process gets the same port as PORT."""
    async with a_node() as node:
        await node.create(a_pod("one", env=[{"name": "PORT", "value": "8080"}]))
        await node.create(a_pod("two"))
        ports = set()
        for instance, name in zip(node.runtime.instances, ("one", "two"), strict=True):
            pod = await node.pod(name)
            port = pod["spec"]["containers"][0]["ports"][0]["hostPort"]
            assert pod["spec"]["nodeName"] == "here"
            assert instance.launch.env["PORT"] == str(port)
            ports.add(port)
        assert len(ports) == 2


async def test_the_port_is_known_before_the_pod_runs(a_node: NodeMaker) -> None:
    """The first write that others see carries hostPort: the gateway may start to probe."""
    async with a_node() as node:
        before = (await node.cluster.list(POD)).resource_version
        await node.create(a_pod())
        seen = []
        async for event in node.cluster.watch(POD, since=before):
            seen.append(event.object)
            if event.object.get("status", {}).get("phase") == "Running":
                break
        bound = [pod for pod in seen if "nodeName" in pod["spec"]]
        assert "hostPort" in bound[0]["spec"]["containers"][0]["ports"][0]
        assert len(seen) <= 3


async def test_the_process_knows_its_pod(a_node: NodeMaker) -> None:
    """HOSTNAME is the Pod's name; declared variables and references arrive."""
    env = [
        {"name": "K_REVISION", "value": "hello-00001"},
        {"name": "WHO", "value": "$(K_REVISION)!"},
        {"name": "UID", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "COLOUR", "valueFrom": {"configMapKeyRef": {"name": "cm", "key": "colour"}}},
    ]
    async with a_node() as node:
        await node.cluster.create(CONFIG_MAP.document("default", "cm", data={"colour": "red"}))
        await node.create(a_pod(env=env, args=["--of", "$(COLOUR)"]))
        launch = node.runtime.instances[0].launch
        assert launch.env["HOSTNAME"] == "web"
        assert launch.env["WHO"] == "hello-00001!"
        assert launch.env["UID"] == "web"
        assert launch.command == ("app", "--of", "red")


async def test_without_a_readiness_probe_a_running_pod_is_ready(a_node: NodeMaker) -> None:
    """As Kubernetes has it."""
    async with a_node() as node:
        await node.create(a_pod())
        assert (await node.condition())["status"] == "True"
        status = (await node.pod())["status"]
        assert status["phase"] == "Running"
        assert status["podIP"] == "127.0.0.1"
        assert [c["type"] for c in status["conditions"]] == [
            "PodScheduled",
            "Initialized",
            "ContainersReady",
            "Ready",
        ]


async def test_a_failing_probe_says_what_it_saw(a_node: NodeMaker) -> None:
    """Reason ReadinessProbeFailed, with the last answer and how long it has been so."""
    async with a_node() as node:
        node.checks.answers["tcp"] = "connection refused"
        await node.create(a_pod(readinessProbe=AGGRESSIVE))
        await node.settle(5)
        ready = await node.condition()
        assert (ready["status"], ready["reason"]) == ("False", "ReadinessProbeFailed")
        assert "tcp connect to 127.0.0.1:20000: connection refused" in ready["message"]
        assert "attempts in" in ready["message"]


async def test_failing_probes_are_written_sparsely(a_node: NodeMaker) -> None:
    """A minute of failed attempts makes a handful of writes, not a thousand."""
    async with a_node() as node:
        node.checks.answers["tcp"] = "connection refused"
        await node.create(a_pod(readinessProbe=AGGRESSIVE))
        before = (await node.cluster.list(POD)).resource_version
        await node.settle(60)
        assert len(node.checks.asked) > 1000
        assert (await node.cluster.list(POD)).resource_version - before < 15


async def test_a_pod_becomes_ready_when_its_probe_succeeds_and_is_left_alone(
    a_node: NodeMaker,
) -> None:
    """periodSeconds 0: asked every 25 to 50 ms until it answers, then never again."""
    async with a_node() as node:
        node.checks.answers["tcp"] = "connection refused"
        await node.create(a_pod(readinessProbe=AGGRESSIVE))
        await node.settle(1)
        assert (await node.condition())["status"] == "False"
        del node.checks.answers["tcp"]
        await node.settle(0.1)
        assert (await node.condition())["status"] == "True"
        asked = len(node.checks.asked)
        await node.settle(60)
        assert len(node.checks.asked) == asked


async def test_a_crash_restarts_at_once_then_ever_later(a_node: NodeMaker) -> None:
    """First at once, then 10 s, 20 s, …; CrashLoopBackOff in between; the cause is kept."""
    async with a_node() as node:
        await node.create(a_pod())
        node.runtime.instances[0].exit(3, output="hello\nno database\n")
        await node.settle()
        container = await node.container()
        assert len(node.runtime.instances) == 2
        assert container["restartCount"] == 1
        last = container["lastState"]["terminated"]
        assert (last["exitCode"], last["reason"]) == (3, "Error")
        assert last["message"] == "hello\nno database"

        node.runtime.instances[1].exit(3, output="still no database\n")
        await node.settle(5)
        container = await node.container()
        assert container["state"]["waiting"]["reason"] == "CrashLoopBackOff"
        assert "still no database" in container["state"]["waiting"]["message"]
        assert [reason for reason, _ in node.events.told] == ["BackOff"]
        assert "still no database" in node.events.told[0][1]
        assert len(node.runtime.instances) == 2
        await node.settle(6)
        assert len(node.runtime.instances) == 3

        node.runtime.instances[2].exit(3)
        await node.settle(15)
        assert len(node.runtime.instances) == 3
        await node.settle(6)
        assert len(node.runtime.instances) == 4


async def test_a_container_that_ran_long_is_forgiven(a_node: NodeMaker) -> None:
    """After ten good minutes the next crash is restarted at once again."""
    async with a_node() as node:
        await node.create(a_pod())
        for _ in range(2):
            node.runtime.running[0].exit(1)
            await node.settle(11)
        await node.settle(700)
        node.runtime.running[0].exit(1)
        await node.settle()
        assert len(node.runtime.running) == 1


async def test_out_of_memory_has_a_name(a_node: NodeMaker) -> None:
    """reason OOMKilled, exit code 137."""
    async with a_node() as node:
        await node.create(a_pod())
        node.runtime.instances[0].exit(137, oom=True)
        await node.settle()
        last = (await node.container())["lastState"]["terminated"]
        assert (last["exitCode"], last["reason"]) == (137, "OOMKilled")


async def test_each_life_has_its_own_log(a_node: NodeMaker) -> None:
    """`kubectl logs` and `kubectl logs -p`."""
    async with a_node() as node:
        await node.create(a_pod())
        node.runtime.instances[0].exit(1, output="first life\n")
        await node.settle()
        node.runtime.instances[1].write("second life\n")
        pod = await node.pod()
        now = node.agent.log_path(pod, "user-container", previous=False)
        before = node.agent.log_path(pod, "user-container", previous=True)
        assert now is not None
        assert before is not None
        assert (now.read_text(), before.read_text()) == ("second life\n", "first life\n")
        assert node.agent.log_path(pod, "nobody", previous=False) is None


async def test_an_image_that_does_not_exist_is_waited_for(a_node: NodeMaker) -> None:
    """ErrImagePull, then ImagePullBackOff with the store's own words; it starts once it is
    there."""
    async with a_node() as node:
        await node.create(a_pod(image="nope:1"))
        waiting = (await node.container())["state"]["waiting"]
        assert waiting["reason"] == "ErrImagePull"
        assert "utsuwa build DIR -t nope:1" in waiting["message"]
        assert node.events.told == [("Failed", waiting["message"])]
        await node.settle(2)
        assert (await node.container())["state"]["waiting"]["reason"] == "ImagePullBackOff"
        assert (await node.pod())["status"]["phase"] == "Pending"
        node.images.known.add("nope:1")
        await node.settle(40)
        assert "running" in (await node.container())["state"]


async def test_a_missing_config_map_is_named(a_node: NodeMaker) -> None:
    """CreateContainerConfigError."""
    env = [{"name": "X", "valueFrom": {"configMapKeyRef": {"name": "cm", "key": "x"}}}]
    async with a_node() as node:
        await node.create(a_pod(env=env))
        waiting = (await node.container())["state"]["waiting"]
        assert waiting["reason"] == "CreateContainerConfigError"
        assert waiting["message"] == 'configmap "cm" not found'


async def test_a_command_that_does_not_exist_is_an_exit_128(a_node: NodeMaker) -> None:
    """StartError, with the words of the runtime."""
    async with a_node() as node:
        node.runtime.broken["nothing"] = 'exec: "nothing": executable file not found in $PATH'
        await node.create(a_pod(command=["nothing"]))
        last = (await node.container())["lastState"]["terminated"]
        assert (last["exitCode"], last["reason"]) == (128, "StartError")
        assert "not found in $PATH" in last["message"]


async def test_a_failing_liveness_probe_restarts_the_container(a_node: NodeMaker) -> None:
    """SIGTERM, then a new life with restartCount + 1."""
    async with a_node() as node:
        probe = {"httpGet": {"path": "/healthz"}, "periodSeconds": 1}
        await node.create(a_pod(livenessProbe=probe))
        await node.settle(5)
        assert (await node.container())["restartCount"] == 0
        node.checks.answers["http"] = "status 500"
        await node.settle(3.5)
        container = await node.container()
        assert container["restartCount"] == 1
        assert node.runtime.instances[0].signals == [signal.SIGTERM]
        assert "liveness probe" in container["lastState"]["terminated"]["message"]


async def test_the_startup_probe_holds_the_others_back(a_node: NodeMaker) -> None:
    """Not ready, and no liveness probe asked, before the startup probe has succeeded."""
    async with a_node() as node:
        node.checks.answers["exec"] = "exit code 1"
        startup = {"exec": {"command": ["ok"]}, "periodSeconds": 1, "failureThreshold": 60}
        live = {"httpGet": {"path": "/"}, "periodSeconds": 1}
        await node.create(a_pod(startupProbe=startup, livenessProbe=live))
        await node.settle(10)
        assert {probe.kind for probe in node.checks.asked} == {"exec"}
        assert (await node.condition())["status"] == "False"
        del node.checks.answers["exec"]
        await node.settle(3)
        assert (await node.condition())["status"] == "True"
        assert {probe.kind for probe in node.checks.asked} == {"exec", "http"}


async def test_a_deleted_pod_is_drained_before_it_is_told_to_end(a_node: NodeMaker) -> None:
    """No SIGTERM while requests are left on it."""
    async with a_node() as node:
        await node.create(a_pod())
        node.drains.open.clear()
        await node.delete()
        await node.settle(5)
        instance = node.runtime.instances[0]
        assert instance.signals == []
        assert node.drains.asked[0][0] == "default/hello-00001"
        node.drains.open.set()
        await node.settle()
        assert instance.signals == [signal.SIGTERM]
        assert await node.is_gone()


async def test_a_pod_says_what_its_end_waits_for(a_node: NodeMaker) -> None:
    """As a condition that follows, and as an event."""
    async with a_node() as node:
        await node.create(a_pod())
        node.drains.open.clear()
        await node.delete()
        await node.settle(1)
        for count in (2, 1):
            node.drains.told(Remaining(tunnels=count, tunnel_seconds=5))
            await node.settle(1)
        found = await node.condition("utsuwa.dev/Drained")
        assert (found["status"], found["reason"]) == ("False", "RequestsOpen")
        assert found["message"] == "waiting for 1 open WebSocket, at most 5 s"
        assert node.events.said == [("Draining", "waiting for 2 open WebSockets, at most 5 s")]
        node.drains.open.set()
        await node.settle()
        assert await node.is_gone()


async def test_a_pod_that_drains_for_ever_ends_with_its_grace(a_node: NodeMaker) -> None:
    """The grace bounds the wait; SIGTERM still leaves a few seconds before SIGKILL."""
    async with a_node() as node:
        pod = a_pod()
        pod["spec"]["terminationGracePeriodSeconds"] = 20
        await node.create(pod)
        instance = node.runtime.instances[0]
        instance.ignores.add(signal.SIGTERM)
        node.drains.open.clear()
        await node.delete()
        await node.settle(19)
        assert instance.signals == []
        await node.settle(2)
        assert instance.signals == [signal.SIGTERM]
        assert instance.alive
        await node.settle(3)
        assert not instance.alive
        assert await node.is_gone()


async def test_a_shorter_grace_hurries_the_end(a_node: NodeMaker) -> None:
    """`kubectl delete --grace-period=1` on a pod that drains already."""
    async with a_node() as node:
        await node.create(a_pod())
        node.drains.open.clear()
        await node.delete()
        await node.settle(2)
        await node.delete(grace=1)
        await node.settle(2)
        assert not node.runtime.instances[0].alive
        assert await node.is_gone()


async def test_a_pod_that_never_started_is_removed_at_once(a_node: NodeMaker) -> None:
    """Nothing to drain, nothing to end."""
    async with a_node() as node:
        await node.create(a_pod(image="nope:1"))
        await node.delete()
        await node.settle(0.5)
        assert await node.is_gone()
        assert node.drains.asked == []


async def test_a_pod_removed_by_force_takes_its_process_along(a_node: NodeMaker) -> None:
    """grace 0: the object is gone first; nothing may go on running."""
    async with a_node() as node:
        await node.create(a_pod())
        await node.delete(grace=0)
        await node.settle()
        assert node.runtime.running == []
        assert list((node.data_dir / "pods").iterdir()) == []


async def test_a_new_pod_of_the_same_name_is_another_pod(a_node: NodeMaker) -> None:
    """The uid counts: the old process ends, a new one starts."""
    async with a_node() as node:
        await node.create(a_pod())
        await node.delete(grace=0)
        await node.create(a_pod())
        await node.settle()
        assert [i.alive for i in node.runtime.instances] == [False, True]
        assert (await node.condition())["status"] == "True"


async def test_a_pod_of_another_node_is_not_ours(a_node: NodeMaker) -> None:
    """Bound elsewhere: no process here."""
    async with a_node() as node:
        pod = a_pod()
        pod["spec"]["nodeName"] = "elsewhere"
        await node.create(pod)
        assert node.runtime.instances == []


async def test_a_pod_that_shall_not_restart_ends_with_a_phase(a_node: NodeMaker) -> None:
    """restartPolicy Never: Succeeded or Failed."""
    async with a_node() as node:
        for name, code in (("good", 0), ("bad", 1)):
            pod = a_pod(name)
            pod["spec"]["restartPolicy"] = "Never"
            await node.create(pod)
            node.runtime.instances[-1].exit(code)
        await node.settle()
        assert (await node.pod("good"))["status"]["phase"] == "Succeeded"
        assert (await node.pod("bad"))["status"]["phase"] == "Failed"
        await node.delete("good")
        await node.settle()
        assert await node.is_gone("good")


async def test_the_node_object_tells_the_truth(a_node: NodeMaker) -> None:
    """Every member of nodeInfo is there; the version is that of the API we speak."""
    async with a_node() as node:
        found = await node.cluster.get(NODE, Key("", "here"))
        info = found["status"]["nodeInfo"]
        assert all(info.values())
        assert info["kubeletVersion"].startswith("v1.32.")
        assert int(found["status"]["capacity"]["cpu"]) >= 1


async def test_pods_survive_the_agent(a_node: NodeMaker) -> None:
    """Control dies: the next agent finds the same process, which notices nothing."""
    async with a_node() as node:
        await node.create(a_pod(readinessProbe=AGGRESSIVE))
        before = await node.pod()
        await node.crash()
        report = await node.start()
        await node.settle()
        assert (report.adopted, report.replaced, report.removed) == (1, 0, 0)
        assert len(node.runtime.instances) == 1
        after = await node.pod()
        assert after["status"] == before["status"]
        await node.create(a_pod("other"))
        assert node.runtime.instances[1].launch.env["PORT"] == "20001"
        node.runtime.instances[0].exit(2)
        await node.settle()
        assert (await node.container())["restartCount"] == 1


async def test_a_process_that_died_meanwhile_is_restarted(a_node: NodeMaker) -> None:
    """Nobody saw how it ended: exit code 255, and the message says so."""
    async with a_node() as node:
        await node.create(a_pod())
        await node.crash()
        node.runtime.instances[0].exit(255, seen=False)
        report = await node.start()
        await node.settle()
        assert (report.adopted, report.replaced) == (0, 1)
        last = (await node.container())["lastState"]["terminated"]
        assert (last["exitCode"], last["reason"]) == (255, "Error")
        assert "unknown" in last["message"]
        assert len(node.runtime.running) == 1


async def test_a_process_whose_pod_is_gone_is_killed(a_node: NodeMaker) -> None:
    """No orphan: the object was removed while no agent ran."""
    async with a_node() as node:
        await node.create(a_pod())
        await node.crash()
        await node.delete(grace=0)
        report = await node.start()
        assert report.removed == 1
        assert node.runtime.running == []


async def test_a_start_that_was_cut_short_leaves_no_orphan(a_node: NodeMaker) -> None:
    """Control died between the spawn and the record: the process is found by its mark."""
    async with a_node() as node:
        await node.create(a_pod())
        uid = (await node.pod())["metadata"]["uid"]
        await node.crash()
        (node.data_dir / "pods" / f"{uid}.json").unlink()
        report = await node.start()
        await node.settle()
        assert (report.adopted, report.replaced) == (0, 1)
        assert node.runtime.swept == [uid]
        assert [instance.alive for instance in node.runtime.instances] == [False, True]


async def test_after_another_boot_owned_pods_are_made_anew(a_node: NodeMaker) -> None:
    """No pid means anything any more: the owner makes a new Pod, so this one goes."""
    async with a_node() as node:
        pod = a_pod()
        owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "r", "uid": "1"}
        pod["metadata"]["ownerReferences"] = [{**owner, "controller": True}]
        await node.create(pod)
        await node.create(a_pod("bare"))
        await node.crash()
        node.runtime.boot = "boot-2"
        for instance in node.runtime.instances:
            instance.exit(9)
        report = await node.start()
        await node.settle()
        assert report.replaced == 2
        assert await node.is_gone()
        assert (await node.condition(name="bare"))["status"] == "True"


async def test_the_end_of_the_node_ends_its_containers(a_node: NodeMaker) -> None:
    """In order and in time, also where one ignores SIGTERM."""
    async with a_node() as node:
        await node.create(a_pod("one"))
        await node.create(a_pod("two"))
        node.drains.open.clear()
        node.runtime.instances[1].ignores.add(signal.SIGTERM)
        began = node.clock.monotonic()
        await node.agent.stop()
        assert node.clock.monotonic() - began < 4.5
        assert node.runtime.running == []
        assert "0 pods" in repr(node.agent)


@pytest.mark.parametrize(
    ("resources", "lacking"),
    [
        ({"requests": {"cpu": "50000m"}}, "1 Insufficient cpu"),
        ({"limits": {"memory": "900Ti"}}, "1 Insufficient memory"),
        (
            {"requests": {"cpu": "5k", "memory": "900Ti"}},
            "1 Insufficient cpu, 1 Insufficient memory",
        ),
    ],
)
async def test_a_pod_that_the_machine_could_never_hold_is_not_scheduled(
    a_node: NodeMaker, resources: Document, lacking: str
) -> None:
    """In the scheduler's words, which the suite's TestPodScheduleError looks for."""
    async with a_node() as node:
        await node.create(a_pod(resources=resources))
        pod = await node.pod()
        condition = await node.condition("PodScheduled")
        assert (condition["status"], condition["reason"]) == ("False", "Unschedulable")
        assert condition["message"] == f"0/1 nodes are available: {lacking}."
        assert "nodeName" not in pod["spec"]
        assert pod["status"]["phase"] == "Pending"
        assert node.runtime.instances == []
        await node.delete()
        await node.settle()
        assert await node.is_gone()
