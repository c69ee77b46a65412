"""The labeler: Revisions and Configurations know the Routes that lead to them."""

from utsuwa.controllers.labeler.controller import build

__all__ = ["build"]
