"""The Revision of a Configuration (`spec/reconcilers.md` §3.1)."""

from utsuwa.kit.documents import Document, copy, dig
from utsuwa.model import labels, names
from utsuwa.model.children.parts import child
from utsuwa.model.defaults import default
from utsuwa.model.kinds import REVISION
from utsuwa.model.meta import (
    annotations_of,
    generation_of,
    is_controlled_by,
    labels_of,
    name_of,
    uid_of,
)
from utsuwa.model.settings import Settings


def byo_name(configuration: Document) -> str:
    """The name that the template gives its Revision, or ""."""
    name: str = dig(configuration, "spec", "template", "metadata", "name", default="")
    return name


def revision_name_of(configuration: Document) -> str:
    """The name of the Revision of the present generation."""
    generated = names.revision_name(name_of(configuration), generation_of(configuration))
    return byo_name(configuration) or generated


def generation_label_of(revision: Document) -> int:
    """The generation of the Configuration that `revision` was made from; 0 if it does not say."""
    label = labels_of(revision).get(labels.CONFIGURATION_GENERATION, "")
    return int(label) if label.isascii() and label.isdigit() else 0


def conflicts(revision: Document, configuration: Document, settings: Settings) -> bool:
    """Whether `revision` bears the name that the template asks for, but is not what it asks for:
    another's, or of another generation and another spec. The same spec at an old generation is a
    rollback and fine."""
    if not is_controlled_by(revision, configuration):
        return True
    if generation_label_of(revision) == generation_of(configuration):
        return False
    wanted = default(revision_of(configuration, now=""), settings)
    return bool(revision.get("spec") != wanted["spec"])


def revision_of(configuration: Document, now: str) -> Document:
    """The Revision of the present generation, not defaulted yet; `now` is an RFC 3339 time.

    It starts `active` where a Route is known to look at the Configuration (always so below a
    Service), else `pending` until the labeler says more.
    """
    template = dig(configuration, "spec", "template", default={})
    routes = annotations_of(configuration).get(labels.ROUTES)
    annotations = {
        **annotations_of(template),
        labels.ROUTING_STATE_MODIFIED: now,
    }
    if modifier := annotations_of(configuration).get(labels.LAST_MODIFIER):
        annotations[labels.CREATOR] = modifier
    if routes is not None:
        annotations[labels.ROUTES] = routes
    return child(
        configuration,
        REVISION,
        revision_name_of(configuration),
        labels={
            **labels_of(template),
            **_service_labels(configuration),
            labels.CONFIGURATION: name_of(configuration),
            labels.CONFIGURATION_UID: uid_of(configuration),
            labels.CONFIGURATION_GENERATION: str(generation_of(configuration)),
            labels.ROUTING_STATE: labels.ROUTING_ACTIVE if routes else labels.ROUTING_PENDING,
        },
        annotations=annotations,
        spec=copy(template.get("spec") or {}),
    )


def _service_labels(configuration: Document) -> dict[str, str]:
    own = labels_of(configuration)
    return {key: own[key] for key in (labels.SERVICE, labels.SERVICE_UID) if key in own}
