"""The console: pages in a browser over the very same API, rights and admission as kubectl.

Pages are made on the server (Jinja2), parts of them are exchanged by htmx, what is live comes over
one stream of events a page. Nothing is decided here: view models (`pages/`) are pure functions of
documents and figures; handlers (`views/`) ask as the user who is signed in and may no more than he.
"""

from utsuwa.console.building import Building
from utsuwa.console.hub import Hub
from utsuwa.console.ports import Builder, Image, Live, PodsNow, Tools
from utsuwa.console.server import Console
from utsuwa.console.sessions import Sessions

__all__ = ["Builder", "Building", "Console", "Hub", "Image", "Live", "PodsNow", "Sessions", "Tools"]
