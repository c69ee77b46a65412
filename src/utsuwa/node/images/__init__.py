"""Bundles: the images of processes. A bundle is a directory, packed, immutable, known by the
sha256 of its content; references (`repository:tag`) point to bundles.

Standard library only: the command line imports this when it builds.
"""

from utsuwa.node.images.bundle import Bundle
from utsuwa.node.images.errors import BuildError
from utsuwa.node.images.store import Built, ImageStore, Tagged

__all__ = ["BuildError", "Built", "Bundle", "ImageStore", "Tagged"]
