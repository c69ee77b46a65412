"""The Pods of a ReplicaSet. Pure."""

from utsuwa.kit.documents import Document, copy, dig
from utsuwa.model.kinds import POD
from utsuwa.model.meta import name_of, namespace_of, owner_reference


def pod_of(replica_set: Document) -> Document:
    """A new Pod of the template, not yet bound to a node; the cluster completes its name."""
    template = copy(dig(replica_set, "spec", "template", default={}))
    pod = POD.document(namespace_of(replica_set), "", spec=template.get("spec") or {})
    metadata = {
        **(template.get("metadata") or {}),
        "namespace": namespace_of(replica_set),
        "generateName": f"{name_of(replica_set)}-",
        "ownerReferences": [owner_reference(replica_set)],
    }
    metadata.pop("name", None)
    metadata.pop("creationTimestamp", None)
    pod["metadata"] = metadata
    return pod
