"""Wiring and lifecycle: the only place where concrete classes meet."""
