"""Deploying: a new service, or another revision of one."""

from dataclasses import replace

from utsuwa.cluster.errors import AlreadyExistsError, ApiError, ForbiddenError
from utsuwa.cluster.port import Key
from utsuwa.console.pages import deploy as pages
from utsuwa.console.pages.service import Head
from utsuwa.console.views.service import head_of, service_of
from utsuwa.console.visit import Flow, Page, Redirect, Visit
from utsuwa.kit.documents import Document, dig
from utsuwa.model import deployment
from utsuwa.model.kinds import NAMESPACE, NODE, REVISION, SERVICE
from utsuwa.model.meta import name_of

_SYSTEM = frozenset({"knative-serving", "kube-system", "kube-public", "istio-system"})


async def page(visit: Visit) -> Page:
    """The form of a new service."""
    return _page(visit, pages.DeployForm())


async def of_service(visit: Visit) -> Page:
    """The form of another revision."""
    key, service = service_of(visit)
    return _page(visit, pages.filled(service), head_of(visit, service, key))


async def create(visit: Visit) -> Page | Redirect:
    """A new service."""
    form = pages.posted(visit.form)
    try:
        change = await _change(visit, form, None)
        wanted = deployment.created(form.namespace, form.name, change)
        done = await visit.api.create(SERVICE, wanted)
    except ForbiddenError:
        raise
    except AlreadyExistsError:
        return _page(visit, form, wrong={"name": f"There is a service {form.name} already."})
    except (pages.FormError, deployment.ChangeError, ApiError) as error:
        return _page(visit, form, wrong=_wrong(error))
    return _deployed(done.document, done.warnings)


async def update(visit: Visit) -> Page | Redirect:
    """Another revision."""
    key, service = service_of(visit)
    form = replace(pages.posted(visit.form), namespace=key.namespace, name=key.name)
    try:
        change = await _change(visit, form, pages.filled(service))
        wanted = deployment.updated(service, change)
        done = await visit.api.replace(SERVICE, _pinned(visit, key, service, wanted, change))
    except ForbiddenError:
        raise
    except (pages.FormError, deployment.ChangeError, ApiError) as error:
        return _page(visit, form, head_of(visit, service, key), wrong=_wrong(error))
    return _deployed(done.document, done.warnings)


async def progress(visit: Visit) -> Flow:
    """What the build that a form has started says, as it says it."""
    if not _may_build(visit):
        raise ForbiddenError(f"The role of {visit.user.name} lacks update nodes.")
    return Flow(visit.tools.building.follow(visit.parts["build"]))


async def _change(
    visit: Visit, form: pages.DeployForm, before: pages.DeployForm | None
) -> deployment.Change:
    """What the form asks for; a folder is built first. Raises FormError."""
    change = pages.change(form, before, visit.tools.ids.suffix(10))
    if form.source != "folder":
        return change
    if not _may_build(visit):
        raise ForbiddenError(
            "Only who may change the machine may have directories of it built: the role of "
            f"{visit.user.name} lacks update nodes."
        )
    try:
        with visit.tools.building.run(visit.form.get("build", "")) as tell:
            built = await visit.tools.builder.build(form.folder, form.name, tell)
    except ValueError as error:
        raise pages.FormError({"folder": str(error)}) from error
    return replace(change, image=built.pinned, user_image=built.ref)


def _pinned(
    visit: Visit, key: Key, service: Document, wanted: Document, change: deployment.Change
) -> Document:
    """Another setting must not pick up another build of the same image."""
    latest = dig(service, "status", "latestCreatedRevisionName", default="")
    revision = visit.sight.one(REVISION, Key(key.namespace, latest)) if latest else None
    if change.image or revision is None:
        return wanted
    return deployment.with_image(wanted, deployment.pinned_image(service, revision))


def _deployed(document: Document, warnings: tuple[str, ...]) -> Redirect:
    metadata = document["metadata"]
    told = f"Deploying {metadata['name']}: its state below tells when it is ready."
    return Redirect(
        f"/services/{metadata['namespace']}/{metadata['name']}",
        notice=told + "".join(f" Warning: {one}" for one in warnings),
    )


def _wrong(error: Exception) -> dict[str, str]:
    if isinstance(error, pages.FormError):
        return error.wrong
    return pages.beside(error) if isinstance(error, ApiError) else {"": str(error)}


def _may_build(visit: Visit) -> bool:
    return visit.sight.may("update", NODE)


def _page(
    visit: Visit,
    form: pages.DeployForm,
    head: Head | None = None,
    wrong: dict[str, str] | None = None,
) -> Page:
    namespaces = sorted({name_of(one) for one in visit.sight.all(NAMESPACE)} - _SYSTEM)
    allowed = [one for one in namespaces if visit.sight.may("create", SERVICE, Key(one, ""))]
    model = pages.DeployPage(
        form=form,
        head=head,
        wrong=wrong or {},
        namespaces=tuple(allowed or ["default"]),
        may=head.may_change if head else bool(allowed) or _may_create(visit),
        may_build=_may_build(visit),
        build=visit.tools.ids.uid(),
    )
    title = f"{head.name}: deploy" if head else "Deploy"
    return Page("deploy.html", model, title=title, here="services")


def _may_create(visit: Visit) -> bool:
    return visit.sight.may("create", SERVICE, Key("default", ""))
