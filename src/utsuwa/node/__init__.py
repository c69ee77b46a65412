"""The node: runs Pods as processes, probes and watches them, keeps their logs and images.

The names are fetched when first used: the command line builds images and wants no event loop.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from utsuwa.node.adoption import AdoptionReport
    from utsuwa.node.agent import NodeAgent, default_node_name
    from utsuwa.node.drains import Drains
    from utsuwa.node.images import BuildError, Built, Bundle, ImageStore, Tagged
    from utsuwa.node.process_runtime import ProcessRuntime
    from utsuwa.node.runtime import Runtime

__all__ = [
    "AdoptionReport",
    "BuildError",
    "Built",
    "Bundle",
    "Drains",
    "ImageStore",
    "NodeAgent",
    "ProcessRuntime",
    "Runtime",
    "Tagged",
    "default_node_name",
]

_HOMES = {
    "AdoptionReport": "adoption",
    "BuildError": "images",
    "Built": "images",
    "Bundle": "images",
    "Drains": "worker",
    "ImageStore": "images",
    "NodeAgent": "agent",
    "ProcessRuntime": "process_runtime",
    "Runtime": "runtime",
    "Tagged": "images",
    "default_node_name": "agent",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
