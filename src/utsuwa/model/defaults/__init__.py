"""Defaulting: what an object means when it does not say (`spec/resources.md` §4).

Pure and idempotent; runs in admission on every write, and in the reconcilers on Revisions that
they create and on children before they compare.
"""

from utsuwa.model.defaults.entry import Operation, default, default_over
from utsuwa.model.defaults.revision_spec import default_revision_spec

__all__ = ["Operation", "default", "default_over", "default_revision_spec"]
