"""A small client of the API server, for the command line and the demo.

Standard library only (`http.client`, `ssl`): it loads in the time that a command has before its
user notices.
"""

from utsuwa.app.api.client import Client, Resource
from utsuwa.app.api.errors import ApiRefusedError, NoServerError
from utsuwa.app.api.kubeconfig import Access, KubeconfigError, read

__all__ = [
    "Access",
    "ApiRefusedError",
    "Client",
    "KubeconfigError",
    "NoServerError",
    "Resource",
    "read",
]
