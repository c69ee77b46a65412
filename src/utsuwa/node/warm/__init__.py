"""Warm parents: a Python bundle's modules are imported once, its pods are forked from there.

Opt-in by annotation. A warm parent is a process like a pod's, started by the same launching code,
one for each container of a revision; it holds what the app's libraries are after their import, and
nothing that may not be shared. Whatever stands in the way of it, the pod is started as ever, and
an event of the pod says what it was. Pods do not depend on their parent: it may end, they go on.
"""

from utsuwa.node.warm.runtime import WarmRuntime

__all__ = ["WarmRuntime"]
