"""Commands run in a container, as `kubectl exec` and exec probes do."""

import asyncio
import contextlib

from aiodocker import DockerError
from aiodocker.execs import Exec

from utsuwa.kit.caller import Caller
from utsuwa.node.commands import NOT_EXECUTABLE, NOT_FOUND
from utsuwa.node.engine.wire import STDERR, Line, Wire
from utsuwa.node.runtime import LaunchError

OUTPUT_LIMIT = 4096
_MISSING = ("not found", "no such file")


async def _begin(
    wire: Wire, container: str, command: tuple[str, ...], *, stdin: bool, tty: bool
) -> Exec:
    place = wire.client.containers.container(container)
    environment = ["TERM=xterm"] if tty else None
    try:
        return await place.exec(list(command), stdin=stdin, tty=tty, environment=environment)
    except DockerError as error:
        raise LaunchError(f"the container has just ended: {error.message}") from error


async def execute(wire: Wire, container: str, command: tuple[str, ...]) -> tuple[int, str]:
    """Exit code and the last of the output. Raises LaunchError."""
    begun = await _begin(wire, container, command, stdin=False, tty=False)
    line = await wire.start_exec(begun.id, tty=False)
    output = bytearray()
    try:
        while (found := await line.read()) is not None:
            output += found[1]
            del output[:-OUTPUT_LIMIT]
    finally:
        line.hang_up()
    return await _code(begun), output.decode(errors="replace")


async def converse(wire: Wire, container: str, command: tuple[str, ...], caller: Caller) -> int:
    """Run `command` for `caller`; its exit code. Raises LaunchError."""
    begun = await _begin(wire, container, command, stdin=caller.stdin, tty=caller.tty)
    try:
        line = await wire.start_exec(begun.id, tty=caller.tty)
    except LaunchError as error:
        code = _refused(str(error))
        if not code:
            raise
        await caller.write_error(f"{error}\n".encode())
        return code
    others = [asyncio.create_task(_feed(line, caller), name="input of a command")]
    if caller.tty:
        others.append(asyncio.create_task(_resize(begun, caller), name="size of a terminal"))
    try:
        while (found := await line.read()) is not None:
            number, data = found
            await (caller.write_error if number == STDERR else caller.write)(data)
        return await _code(begun)
    finally:
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        line.hang_up()


def _refused(message: str) -> int:
    """The exit code that shells give where the engine says that a command cannot be started."""
    text = message.lower()
    if any(words in text for words in _MISSING):
        return NOT_FOUND
    return NOT_EXECUTABLE if "permission denied" in text or "exec" in text else 0


async def _code(begun: Exec) -> int:
    shown = await begun.inspect()
    code = shown.get("ExitCode")
    return 0 if code is None else int(code)


async def _feed(line: Line, caller: Caller) -> None:
    if not caller.stdin:
        return
    with contextlib.suppress(OSError):  # it does not read any more
        while data := await caller.read():
            await line.write(data)
        line.end_input()


async def _resize(begun: Exec, caller: Caller) -> None:
    while True:
        columns, rows = await caller.resized()
        with contextlib.suppress(DockerError):  # it has just ended
            await begun.resize(h=rows, w=columns)
