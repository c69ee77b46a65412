"""Sweeps what builds and saves have left behind, now and then."""

import asyncio
import re
from collections.abc import Sequence
from pathlib import Path

import msgspec

from utsuwa.cluster.informer import Informers
from utsuwa.kit.clock import Clock
from utsuwa.kit.documents import Document
from utsuwa.kit.log import get_logger
from utsuwa.kit.tasks import TaskSet
from utsuwa.model.kinds import CONFIGURATION, DEPLOYMENT, POD, REPLICA_SET, REVISION, SERVICE
from utsuwa.node.images.sweep import Swept, sweep

_log = get_logger(__name__)

EVERY = 600.0
_DIGEST = re.compile(rb"sha256:[0-9a-f]{64}")
_KINDS = (SERVICE, CONFIGURATION, REVISION, DEPLOYMENT, REPLICA_SET, POD)


def start_sweeping(tasks: TaskSet, root: Path, informers: Informers, clock: Clock) -> None:
    """Sweep the images below `root` in the background."""
    tasks.spawn(sweep_images(root, informers, clock), name="sweep of images")


async def sweep_images(root: Path, informers: Informers, clock: Clock) -> None:
    """Sweep the images below `root`, for ever."""
    while True:
        await clock.sleep(EVERY)
        # Gathered here, for the objects belong to the loop; read and swept in a thread.
        documents = [one for kind in _KINDS for one in informers.of(kind).list()]
        swept = await asyncio.to_thread(_sweep, root, documents, clock.now())
        if swept != Swept():
            _log.info("images swept", bundles=swept.bundles, layers=swept.layers)


def _sweep(root: Path, documents: Sequence[Document], now: float) -> Swept:
    return sweep(root, digests(documents), now)


def digests(documents: Sequence[Document]) -> set[str]:
    """Every digest that one of `documents` names, wherever."""
    encode = msgspec.json.encode
    return {found.decode() for document in documents for found in _DIGEST.findall(encode(document))}
