"""The real gcloud, run against a server of ours, with settings of its own."""

import asyncio
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from utsuwa.testing.kubectl import Ran

GCLOUD = shutil.which("gcloud")

_OVERRIDES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE")
"""What would beat the kubeconfig's authority (`spec/kubernetes-api.md` §1.2)."""


@dataclass(frozen=True, slots=True)
class Gcloud:
    """Runs `gcloud … --platform=kubernetes` with a kubeconfig and scratch settings."""

    kubeconfig: Path
    home: Path
    seconds: float = 60.0

    async def __call__(self, *arguments: str) -> Ran:
        """Run to its end. Raises TimeoutError after `seconds`; the process is killed then."""
        if GCLOUD is None:
            raise FileNotFoundError("gcloud: not found in PATH; install it, or skip these tests")
        inherited = {key: value for key, value in os.environ.items() if key not in _OVERRIDES}
        process = await asyncio.create_subprocess_exec(
            GCLOUD,
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={
                **inherited,
                "HOME": str(self.home),
                "KUBECONFIG": str(self.kubeconfig),
                "CLOUDSDK_CONFIG": str(self.home / "gcloud"),
                "CLOUDSDK_RUN_PLATFORM": "kubernetes",
                "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true",
                "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
                "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "true",
                "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "true",
            },
        )
        try:
            async with asyncio.timeout(self.seconds):
                out, err = await process.communicate()
        except TimeoutError:
            process.kill()
            out, err = await process.communicate()
            raise TimeoutError(f"gcloud {arguments}: {out.decode()} {err.decode()}") from None
        return Ran(process.returncode or 0, out.decode(), err.decode())

    async def ok(self, *arguments: str) -> Ran:
        """Run, and expect success. Raises AssertionError with what it said instead."""
        ran = await self(*arguments)
        assert ran.code == 0, f"gcloud {' '.join(arguments)}: exit {ran.code}: {ran.err}{ran.out}"
        return ran
