"""The node agent and pods that are frozen: shown, ended, restarted, found again."""

import signal

import pytest
from tests.unit.node.conftest import Node, NodeMaker

from utsuwa.testing.node import a_pod

pytestmark = pytest.mark.looptime

FROZEN = "utsuwa.dev/Frozen"


async def frozen(node: Node, **container: object) -> str:
    """A Pod that was frozen; its uid."""
    await node.create(a_pod(**container))  # type: ignore[arg-type]  # members of a container
    uid: str = (await node.pod())["metadata"]["uid"]
    node.agent.rests(uid, 30.0)
    await node.settle()
    return uid


async def test_a_frozen_pod_says_so_and_stays_ready(a_node: NodeMaker) -> None:
    async with a_node() as node:
        uid = await frozen(node)
        assert node.runtime.instances[0].stands.down
        assert (await node.condition(FROZEN))["status"] == "True"
        assert (await node.condition())["status"] == "True"
        node.agent.woken(uid, help=True)
        await node.settle()
        assert not node.runtime.instances[0].stands.down
        assert (await node.condition(FROZEN))["status"] == "False"


async def test_a_pod_that_is_not_ready_is_not_frozen(a_node: NodeMaker) -> None:
    async with a_node() as node:
        node.checks.answers["tcp"] = "connection refused"
        probe = {"tcpSocket": {"port": 0}, "periodSeconds": 1}
        await frozen(node, readinessProbe=probe)
        assert not node.runtime.instances[0].stands.down
        assert await node.condition(FROZEN) == {}


async def test_its_end_thaws_it_before_sigterm(a_node: NodeMaker) -> None:
    async with a_node() as node:
        await frozen(node)
        instance = node.runtime.instances[0]
        at_the_signal: list[bool] = []
        send = instance.signal

        def look_and_send(number: int) -> None:
            at_the_signal.append(instance.stands.down)
            send(number)

        instance.signal = look_and_send  # type: ignore[method-assign]  # looks first
        await node.delete()
        await node.settle(1)
        assert await node.is_gone()
        assert instance.signals == [signal.SIGTERM]
        assert at_the_signal == [False]


async def test_another_agent_finds_it_frozen(a_node: NodeMaker) -> None:
    """And does not believe what was written: it looks."""
    async with a_node() as node:
        uid = await frozen(node)
        await node.crash()
        await node.start()
        await node.settle()
        assert (await node.condition(FROZEN))["status"] == "True"
        node.agent.woken(uid, help=True)
        await node.settle()
        assert not node.runtime.instances[0].stands.down
        await node.crash()
        await node.start()
        await node.settle()
        assert (await node.condition(FROZEN))["status"] == "False"


async def test_another_agent_sees_that_it_was_thawed_meanwhile(a_node: NodeMaker) -> None:
    """A gateway has, while nobody listened."""
    async with a_node() as node:
        await frozen(node)
        await node.crash()
        node.runtime.instances[0].stands.let_go()
        await node.start()
        await node.settle()
        assert (await node.condition(FROZEN))["status"] == "False"


async def test_it_is_not_probed_while_it_stands(a_node: NodeMaker) -> None:
    async with a_node() as node:
        probe = {"tcpSocket": {"port": 0}, "periodSeconds": 1}
        uid = await frozen(node, livenessProbe=probe)
        await node.settle(5)
        asked = len(node.checks.asked)
        await node.settle(30)
        assert len(node.checks.asked) == asked
        node.agent.woken(uid, help=True)
        await node.settle(5)
        assert len(node.checks.asked) > asked


async def test_a_crash_while_it_stands_begins_another_life(a_node: NodeMaker) -> None:
    async with a_node() as node:
        await frozen(node)
        node.runtime.instances[0].exit(1)
        await node.settle()
        assert len(node.runtime.instances) == 2
        assert (await node.condition(FROZEN))["status"] == "False"
        assert not node.runtime.instances[1].stands.down


async def test_words_about_pods_that_are_gone_do_no_harm(a_node: NodeMaker) -> None:
    async with a_node() as node:
        node.agent.rests("nobody", 1.0)
        node.agent.woken("nobody", help=True)
        assert node.agent.rest("nobody") is None
