"""The refusals of a cluster in the words of Kubernetes (`spec/kubernetes-api.md` §5, §6)."""

from collections.abc import Sequence

from utsuwa.cluster.errors import (
    AlreadyExistsError,
    BadRequestError,
    Cause,
    ConflictError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
)
from utsuwa.model.kinds import NAMESPACE, Kind

MODIFIED = (
    "the object has been modified; please apply your changes to the latest version and try again"
)


def not_found(kind: Kind, name: str) -> NotFoundError:
    """`services.serving.knative.dev "x" not found`."""
    message = f'{kind.resource} "{name}" not found'
    return NotFoundError(message, name=name, group=kind.group, kind=kind.plural)


def already_exists(kind: Kind, name: str) -> AlreadyExistsError:
    """`services.serving.knative.dev "x" already exists`."""
    message = f'{kind.resource} "{name}" already exists'
    return AlreadyExistsError(message, name=name, group=kind.group, kind=kind.plural)


def conflict(kind: Kind, name: str, why: str = MODIFIED) -> ConflictError:
    """`Operation cannot be fulfilled on services.serving.knative.dev "x": …`."""
    message = f'Operation cannot be fulfilled on {kind.resource} "{name}": {why}'
    return ConflictError(message, name=name, group=kind.group, kind=kind.plural)


def invalid(kind: Kind, name: str, field: str, problem: str, reason: str) -> InvalidError:
    """`Service.serving.knative.dev "x" is invalid: metadata.name: Required value: …`."""
    return invalid_causes(kind, name, [Cause(problem, field, reason)])


def invalid_causes(kind: Kind, name: str, causes: Sequence[Cause]) -> InvalidError:
    """The same for several fields at once: `… is invalid: [FIELD: …, FIELD: …]`."""
    told = [f"{cause.field}: {cause.message}" for cause in causes]
    joined = told[0] if len(told) == 1 else f"[{', '.join(told)}]"
    message = f'{kind} "{name}" is invalid: {joined}'
    return InvalidError(
        message, name=name, group=kind.group, kind=kind.plural, causes=tuple(causes)
    )


def bad_request(message: str) -> BadRequestError:
    """A request that makes no sense as it is."""
    return BadRequestError(message)


def terminating(kind: Kind, name: str, namespace: str) -> ForbiddenError:
    """Nothing new may be made in a namespace that is being deleted."""
    cause = Cause(
        f"namespace {namespace} is being terminated", "metadata.namespace", "NamespaceTerminating"
    )
    message = (
        f'{kind.resource} "{name}" is forbidden: unable to create new content in namespace '
        f"{namespace} because it is being terminated"
    )
    return ForbiddenError(message, name=name, group=kind.group, kind=kind.plural, causes=(cause,))


def immortal(namespace: str) -> ForbiddenError:
    """`namespaces "default" is forbidden: this namespace may not be deleted`."""
    message = f'namespaces "{namespace}" is forbidden: this namespace may not be deleted'
    return ForbiddenError(message, name=namespace, kind=NAMESPACE.plural)


def no_namespace(namespace: str) -> NotFoundError:
    """`namespaces "x" not found`."""
    return not_found(NAMESPACE, namespace)
