"""The traffic of a service: split, tagged, taken back."""

from utsuwa.cluster.errors import NotFoundError
from utsuwa.cluster.port import Key
from utsuwa.console.pages import traffic as pages
from utsuwa.console.views.service import head_of, revisions_of, service_of
from utsuwa.console.visit import Page, Redirect, Visit
from utsuwa.kit.documents import Document
from utsuwa.model.kinds import SERVICE
from utsuwa.model.meta import name_of
from utsuwa.model.splitting import Plan, SplitError, plan_of, previous, traffic_of


async def page(visit: Visit) -> Page:
    """Who gets what, with bars that can be drawn."""
    return _page(visit, *service_of(visit))


async def split(visit: Visit) -> Page | Redirect:
    """Other percents."""
    key, service = service_of(visit)
    plan = plan_of(service)
    shares = None
    try:
        shares = pages.percents_of(visit.form)
        wanted = pages.shares_of(visit.form)
        _check_still(visit, plan)
    except SplitError as error:
        return _page(visit, key, service, shares=shares, wrong=str(error))
    told = ", ".join(f"{percent} % {name}" for name, percent in wanted.items())
    return await _write(visit, key, Plan(wanted, plan.tags), f"Traffic of {key.name}: {told}.")


async def tag(visit: Visit) -> Page | Redirect:
    """One more tag, or the same on another revision."""
    key, service = service_of(visit)
    name, revision = visit.form.get("tag", "").strip(), visit.form.get("revision", "")
    try:
        known = map(name_of, revisions_of(visit, key))
        plan = pages.tagged(plan_of(service), name, revision, known)
    except SplitError as error:
        return _page(visit, key, service, wrong_tag=str(error))
    return await _write(visit, key, plan, f"Tag {name} leads to {revision}.")


async def untag(visit: Visit) -> Redirect:
    """One tag less."""
    key, service = service_of(visit)
    name, plan = visit.form.get("tag", ""), plan_of(service)
    if name not in plan.tags:
        raise NotFoundError(f"Service {key.name} has no tag {name}: somebody was faster.")
    tags = {one: revision for one, revision in plan.tags.items() if one != name}
    return await _write(visit, key, Plan(plan.shares, tags), f"Tag {name} is gone.")


async def rollback(visit: Visit) -> Page | Redirect:
    """Everything to the newest ready revision before the one that has traffic now."""
    key, service = service_of(visit)
    try:
        back = previous(service, revisions_of(visit, key))
    except SplitError as error:
        return _page(visit, key, service, wrong=str(error))
    told = f"All traffic of {key.name} goes to {back}, and stays there until you say otherwise."
    return await _write(visit, key, Plan({back: 100}, plan_of(service).tags), told)


def _check_still(visit: Visit, plan: Plan) -> None:
    if visit.form.get("asked", "") != pages.fingerprint(plan):
        raise SplitError(
            "Somebody else changed the traffic since you opened this page: nothing was written. "
            "The bars show what you asked for; apply again to have it so."
        )


async def _write(visit: Visit, key: Key, plan: Plan, told: str) -> Redirect:
    await visit.api.patch(SERVICE, key, {"spec": {"traffic": traffic_of(plan)}})
    return Redirect(f"/services/{key.namespace}/{key.name}/traffic", notice=told)


def _page(
    visit: Visit,
    key: Key,
    service: Document,
    *,
    shares: dict[str, int] | None = None,
    wrong: str = "",
    wrong_tag: str = "",
) -> Page:
    model = pages.page(
        service,
        revisions_of(visit, key),
        head_of(visit, service, key),
        now=visit.now,
        shares=shares,
        wrong=wrong,
        wrong_tag=wrong_tag,
    )
    return Page("traffic.html", model, title=f"{key.name}: traffic", here="services")
