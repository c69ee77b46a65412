"""The controller of Routes: traffic, names, and what the gateway is to serve."""

from utsuwa.controllers.route.controller import build

__all__ = ["build"]
