"""The real gcloud against the real `utsuwa up`, in the environment that `utsuwa env` prints."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.conftest import SAMPLES, Up, running

from utsuwa.testing.kubectl import Ran

BIN = Path(sys.executable).parent
IMAGE = "dev.local/hello:1"
_PORT_BY_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))


@dataclass(frozen=True, slots=True)
class Cloud:
    """A cluster, and a shell that `utsuwa env` has prepared."""

    up: Up
    environment: dict[str, str]

    def run(self, *command: str) -> Ran:
        """Run a command in that shell."""
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=90, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        return Ran(done.returncode, done.stdout, done.stderr)

    def gcloud(self, *arguments: str) -> Ran:
        """`gcloud …`, however it ends."""
        return self.run("gcloud", *arguments)

    def ok(self, *arguments: str) -> Ran:
        """`gcloud …`, which must succeed."""
        ran = self.gcloud(*arguments)
        assert ran.code == 0, f"gcloud {' '.join(arguments)}: {ran.code}\n{ran.out}\n{ran.err}"
        return ran

    def data(self, *arguments: str) -> Any:
        """What `gcloud … --format=json` says."""
        return json.loads(self.ok(*arguments, "--format=json").out)

    def get(self, *arguments: str) -> Any:
        """What kubectl finds."""
        return self.up.get(*arguments)

    def service(self, name: str) -> Any:
        """A service as it is stored."""
        return self.get("ksvc", name)

    def deploy(self, name: str, *flags: str) -> Ran:
        """Deploy the sample, and wait until it serves."""
        return self.ok("run", "deploy", name, f"--image={IMAGE}", *flags)


@contextmanager
def cloud(
    directory: Path, *, platform: str, host: int, domain: str = "localhost"
) -> Iterator[Cloud]:
    """A cluster on an address of its own, `127.0.0.HOST`, with the sample built.

    Skips, visibly, where gcloud is missing or its port cannot be had.
    """
    if shutil.which("gcloud") is None:
        pytest.skip("gcloud is not installed: nothing here says how it gets on with us")
    address = f"127.0.0.{host + _PORT_BY_WORKER}"
    with running(directory / "data", "--address", address, "--domain", domain) as up:
        if f"https://{address}" not in "\n".join(up.lines):
            pytest.skip(f"gcloud calls port 443 alone, and {address}:443 could not be bound")
        up.run("build", str(SAMPLES / "hello"), "-t", IMAGE)
        yield Cloud(up, prepared(up, platform))


def prepared(up: Up, platform: str) -> dict[str, str]:
    """The environment of a shell that has typed `eval "$(utsuwa env --platform …)"`."""
    path = f"{BIN}:{os.environ['PATH']}"
    typed = f'eval "$(utsuwa env --shell bash --platform {platform})" && env -0'
    done = subprocess.run(
        ["bash", "-c", typed], env={**up.environment, "PATH": path}, capture_output=True,
        text=True, check=True,
    )  # fmt: skip
    found = dict(line.split("=", 1) for line in done.stdout.split("\0") if "=" in line)
    return {**found, "CLOUDSDK_CORE_DISABLE_PROMPTS": "1"}
