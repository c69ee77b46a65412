"""The controller of DomainMappings: names of one's own for what a Route serves."""

from utsuwa.controllers.domainmapping.controller import build

__all__ = ["build"]
