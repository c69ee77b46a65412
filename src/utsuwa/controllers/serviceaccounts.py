"""Each Namespace has a ServiceAccount `default`: pods that name no other run as it."""

import contextlib

from utsuwa.cluster.errors import AlreadyExistsError, ForbiddenError, NotFoundError
from utsuwa.cluster.port import Key
from utsuwa.controllers.framework import Context, Controller, own_key
from utsuwa.kit.documents import Document, dig
from utsuwa.model.kinds import NAMESPACE, SERVICE_ACCOUNT
from utsuwa.model.meta import namespace_of

DEFAULT = "default"


class ServiceAccountReconciler:
    """Makes what is missing in the Namespace of the key."""

    def __init__(self, context: Context) -> None:
        self._cluster = context.cluster

    async def reconcile(self, key: Key) -> float | None:
        """Nothing is made in a Namespace that is on its way out."""
        try:
            namespace = await self._cluster.get(NAMESPACE, key)
        except NotFoundError:
            return None
        if dig(namespace, "metadata", "deletionTimestamp"):
            return None
        try:
            await self._cluster.get(SERVICE_ACCOUNT, Key(key.name, DEFAULT))
        except NotFoundError:
            with contextlib.suppress(AlreadyExistsError, NotFoundError, ForbiddenError):
                await self._cluster.create(SERVICE_ACCOUNT.document(key.name, DEFAULT))
        return None


def build(context: Context) -> Controller:
    """The controller of default ServiceAccounts."""
    controller = Controller("serviceaccounts", ServiceAccountReconciler(context))
    controller.watch(context.informers.of(NAMESPACE), own_key)
    controller.watch(context.informers.of(SERVICE_ACCOUNT), _home)
    return controller


def _home(account: Document) -> list[Key]:
    return [Key("", namespace_of(account))]
