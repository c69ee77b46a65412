"""The GKE control API, as far as gcloud needs it to find this cluster (`spec/kubernetes-api.md`
§3.4): clusters, their operations, switching services on, and the project they are in.

The cluster that it creates, lists and deletes is the one that runs: creating gives it a name and
notes what was asked for, deleting takes the name away. Nothing here starts or stops a process.
"""

from utsuwa.gke.clusters import Facts
from utsuwa.gke.errors import GoogleError
from utsuwa.gke.records import Records
from utsuwa.gke.server import GkeApi, Rights

__all__ = ["Facts", "GkeApi", "GoogleError", "Records", "Rights"]
