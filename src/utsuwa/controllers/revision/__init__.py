"""The controller of Revisions: images, Deployment, PodAutoscaler, and how they fare."""

from utsuwa.controllers.revision.controller import build
from utsuwa.controllers.revision.digests import ImageResolver

__all__ = ["ImageResolver", "build"]
