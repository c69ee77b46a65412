"""Killed while it writes, the store has every write that it acknowledged, and no half of one."""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from utsuwa.store import Store

WRITER = """
import asyncio, sys
from pathlib import Path
from utsuwa.store import ObjectKey, Store

async def writer(store, name):
    for number in range(1_000_000):
        key = ObjectKey("things", "default", name)
        document = {"metadata": {"name": name, "namespace": "default"}, "number": number}
        await store.put(key, document)
        version = document["metadata"]["resourceVersion"]
        sys.stdout.write(f"{name} {number} {version}\\n")
        sys.stdout.flush()

async def main():
    store = Store(Path(sys.argv[1]))
    await store.open()
    await asyncio.gather(*(writer(store, f"t{n}") for n in range(8)))

asyncio.run(main())
"""


@pytest.mark.slow
@pytest.mark.parametrize("lines", [1, 200, 1500])
async def test_every_acknowledged_write_survives_sigkill(tmp_path: Path, lines: int) -> None:
    """Eight writers at once; killed after `lines` acknowledgements, at an arbitrary point."""
    path = tmp_path / "state.db"
    acknowledged: dict[str, int] = {}
    newest = 0
    source = str(Path(__file__).parents[3] / "src")
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": source},
    ) as process:
        assert process.stdout is not None
        count = lines + random.Random(lines).randrange(50)
        for number, line in enumerate(process.stdout):
            if not line.endswith("\n"):
                break  # killed in the middle of saying so
            name, value, version = line.split()
            acknowledged[name] = int(value)
            newest = max(newest, int(version))
            if number == count:
                process.send_signal(signal.SIGKILL)
    store = Store(path)
    await store.open()
    stored = {d["metadata"]["name"]: d["number"] for d in store.list("things")}
    await store.close()
    assert all(stored[name] >= value for name, value in acknowledged.items())
    assert store.version >= newest
