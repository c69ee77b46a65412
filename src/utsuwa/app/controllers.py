"""Every controller of a cluster, with what each is given."""

from collections.abc import Sequence

from utsuwa.apiserver import Authority
from utsuwa.app.options import LOOPBACK, ControlOptions, Layout
from utsuwa.controllers import (
    aggregation,
    certificate,
    configuration,
    domainmapping,
    garbage,
    labeler,
    podautoscaler,
    revision,
    revision_gc,
    route,
    serverlessservice,
    service,
    serviceaccounts,
    workloads,
)
from utsuwa.controllers.framework import Context, Controller
from utsuwa.controllers.podautoscaler import HorizontalHistory, Scaler
from utsuwa.node import NodeAgent
from utsuwa.node.packages import NodeImages
from utsuwa.routing.guard import Figures


def build_controllers(
    context: Context,
    *,
    options: ControlOptions,
    layout: Layout,
    images: NodeImages,
    node: NodeAgent,
    scaler: Scaler,
    horizontal: HorizontalHistory,
    figures: Figures,
) -> list[Controller]:
    """All of them, in the order in which they hear of a change."""
    port = _url_port(options)
    made = [
        *workloads.build(context, node.ahead.create, scaler.leave_zero_by),
        service.build(context),
        configuration.build(context),
        revision.build(context, images),
        route.build(
            context,
            port=port,
            https_port=options.https_port,
            figures=figures,
            budget=scaler.budget,
        ),
        domainmapping.build(context, port=port, https_port=options.https_port),
        certificate.build(context, _issuer(context, layout)),
        labeler.build(context),
        serviceaccounts.build(context),
        revision_gc.build(context),
        podautoscaler.build(context, scaler),
        podautoscaler.build_hpa(context, node, horizontal),
        serverlessservice.build(context, address=LOOPBACK, port=options.gateway_port),
        aggregation.build(context),
        *garbage.build(context),
    ]
    _check_unique(made)
    return made


def _issuer(context: Context, layout: Layout) -> Authority:
    """The authority for services: another than the API's own, whose word would make one
    service's certificate good for the API server's name."""
    return Authority.open(layout.services_pki, context.clock, name="utsuwa-services-ca")


def _url_port(options: ControlOptions) -> int:
    """The port in URLs: none (80) where the address serves it for names that are not loopback's
    own."""
    local = options.domain == "localhost" or options.domain.endswith(".localhost")
    return 80 if options.address_has_gateway and not local else options.gateway_port


def _check_unique(controllers: Sequence[Controller]) -> None:
    """Two controllers of one kind would each do everything, and make twice the Pods."""
    names = [controller.name for controller in controllers]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise RuntimeError(f"wired twice: {', '.join(twice)}")
