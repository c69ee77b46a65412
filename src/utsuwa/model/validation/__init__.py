"""Validation: what keeps an object from being stored, in the original's words and paths."""

from utsuwa.model.validation.objects import validate

__all__ = ["validate"]
