"""The autoscalers: class KPA (reconciler and running scaler) and class HPA."""

from collections.abc import Iterable

from utsuwa.autoscale.parameters import scaler_class
from utsuwa.cluster.informer import key_of
from utsuwa.cluster.port import Key
from utsuwa.controllers.framework import Context, Controller, owner_key
from utsuwa.controllers.podautoscaler.history import Entry
from utsuwa.controllers.podautoscaler.hpa import HorizontalHistory, UsageSource, build_hpa
from utsuwa.controllers.podautoscaler.memory import Memory
from utsuwa.controllers.podautoscaler.reconciler import PodAutoscalerReconciler
from utsuwa.controllers.podautoscaler.scaler import Scaler
from utsuwa.controllers.podautoscaler.told import Decisions
from utsuwa.kit.documents import Document
from utsuwa.model.config_autoscaler import KPA_CLASS
from utsuwa.model.kinds import DEPLOYMENT, POD_AUTOSCALER, SERVERLESS_SERVICE
from utsuwa.model.meta import annotations_of
from utsuwa.model.usage import PodUse

__all__ = [
    "Decisions",
    "Entry",
    "HorizontalHistory",
    "Memory",
    "PodUse",
    "Scaler",
    "UsageSource",
    "build",
    "build_hpa",
]


def build(context: Context, scaler: Scaler) -> Controller:
    """The controller; `scaler` must be started beside it, and given to the link as its sink."""
    controller = Controller("podautoscaler", PodAutoscalerReconciler(context, scaler))
    autoscalers = context.informers.of(POD_AUTOSCALER)

    def known(keys: Iterable[Key]) -> None:
        for key in keys:
            document = autoscalers.get(key)
            if document is not None and _is_kpa(document):
                controller.queue.add(key)

    controller.watch(autoscalers, _own_key_of_kpa)
    context.informers.of(SERVERLESS_SERVICE).on_change(
        lambda old, new: known(owner_key(POD_AUTOSCALER.name)(new or old or {"metadata": {}}))
    )
    # A Deployment bears its revision's name in its owner, and so does the PodAutoscaler.
    context.informers.of(DEPLOYMENT).on_change(
        lambda old, new: known(owner_key("Revision")(new or old or {"metadata": {}}))
    )
    scaler.on_change(lambda key: known((key,)))
    context.settings.on_change(lambda: known(key_of(one) for one in autoscalers.list()))
    return controller


def _own_key_of_kpa(document: Document) -> Iterable[Key]:
    return (key_of(document),) if _is_kpa(document) else ()


def _is_kpa(document: Document) -> bool:
    return scaler_class(annotations_of(document)) == KPA_CLASS
