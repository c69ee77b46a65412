"""Containers of an engine that speaks Docker's API: Docker or Podman, over its socket.

Only :mod:`utsuwa.node.engine.door` may be imported without the extra `container`; it loads the
rest when an image needs it.
"""
