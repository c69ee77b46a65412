"""What the control API says of clusters and operations. Pure.

A record is what was asked for, as it was sent, with when and by what name. What is told of a
cluster is the record laid below the facts: how many nodes there are and of which size is this
machine's business and not the request's.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from utsuwa.gke.errors import invalid
from utsuwa.kit.documents import Document, dig, merge_patch, without

_NAME = re.compile(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?")


class Place(NamedTuple):
    """Where a cluster is said to be."""

    project: str
    location: str

    @property
    def path(self) -> str:
        """`projects/P/locations/L`."""
        return f"projects/{self.project}/locations/{self.location}"


class Name(NamedTuple):
    """The full name of a cluster."""

    place: Place
    cluster: str

    @property
    def path(self) -> str:
        """`projects/P/locations/L/clusters/C`."""
        return f"{self.place.path}/clusters/{self.cluster}"


@dataclass(frozen=True, slots=True)
class Facts:
    """What is true of the one cluster there is, whatever it is called. Certificates and key are
    base64 of PEM."""

    endpoint: str
    authority: str
    certificate: str
    key: str
    version: str
    """As nodes show it, without the leading v."""
    cpus: int
    memory_mib: int

    @property
    def machine_type(self) -> str:
        """`custom-2-7951`: Google's name for a machine of 2 processors and 7951 MiB."""
        return f"custom-{self.cpus}-{self.memory_mib}"


def record(body: object, place: Place, now: str) -> tuple[Name, Document]:
    """The name and the record of the cluster that `body`, sent to create one, asks for.

    Raises:
        GoogleError: it asks for nothing that could be one.
    """
    asked = dig(body, "cluster") if isinstance(body, Mapping) else None
    if not isinstance(asked, Mapping):
        raise invalid("cluster: expected an object that describes it, found none")
    name = asked.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise invalid(
            f"cluster.name {name!r}: expected at most 40 lower-case letters, digits and hyphens "
            "that begin with a letter and do not end with a hyphen"
        )
    return Name(place, name), {"asked": dict(asked), "createTime": now}


def cluster(name: Name, kept: Document, facts: Facts, base: str) -> Document:
    """What is told of the cluster `name`. `base` is where the API is reached, with its version."""
    place = name.place
    truth = {
        "name": name.cluster,
        "location": place.location,
        "zone": place.location,
        "locations": [place.location],
        "selfLink": f"{base}{name.path}",
        "status": "RUNNING",
        "createTime": kept["createTime"],
        "endpoint": facts.endpoint,
        "masterAuth": {
            "clusterCaCertificate": facts.authority,
            "clientCertificate": facts.certificate,
            "clientKey": facts.key,
        },
        "initialClusterVersion": facts.version,
        "currentMasterVersion": facts.version,
        "currentNodeVersion": facts.version,
        "currentNodeCount": 1,
        "addonsConfig": {"cloudRunConfig": {"disabled": False}},
        "nodePools": [_node_pool(name, facts, base)],
    }
    told: Document = merge_patch(kept["asked"], truth)
    return told


def without_key(told: Document) -> Document:
    """A cluster for those who only look around: the administrator's certificate is not theirs."""
    certificate = ["clientCertificate", "clientKey"]
    return {**told, "masterAuth": without(told["masterAuth"], certificate)}


def _node_pool(name: Name, facts: Facts, base: str) -> Document:
    return {
        "name": "this-machine",
        "selfLink": f"{base}{name.path}/nodePools/this-machine",
        "status": "RUNNING",
        "version": facts.version,
        "initialNodeCount": 1,
        "config": {"machineType": facts.machine_type},
        "locations": [name.place.location],
    }


def operation(number: str, kind: str, name: Name, now: str) -> Document:
    """An operation that is done: there is nothing to wait for."""
    return {
        "name": number,
        "operationType": kind,
        "status": "DONE",
        "location": name.place.location,
        "zone": name.place.location,
        "startTime": now,
        "endTime": now,
        "target": name.path,
    }


def told_operation(kept: Document, project: str, base: str) -> Document:
    """An operation as it is told. gcloud crashes without the links."""
    place = Place(project, str(kept["location"]))
    told = {key: value for key, value in kept.items() if key != "target"}
    told["selfLink"] = f"{base}{place.path}/operations/{kept['name']}"
    told["targetLink"] = f"{base}{kept['target']}"
    return told


def server_config(facts: Facts) -> Document:
    """Which versions there are: one."""
    return {
        "defaultClusterVersion": facts.version,
        "validMasterVersions": [facts.version],
        "validNodeVersions": [facts.version],
        "defaultImageType": "NONE",
        "validImageTypes": ["NONE"],
    }
