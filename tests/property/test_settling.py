"""Whatever users do and whatever goes wrong, the cluster settles where a fresh run would arrive.

Random histories of what users do (Services, Routes, traffic, tags, names of their own, labels,
settings) and of faults (control restarts, watches break off or lag, writes fail or their answers
are lost, the link breaks, pods crash, images come late), on virtual time, with the real
controllers. When all is quiet again:

1. nothing is unknown, left over, or waits to be deleted;
2. control that is started anew changes nothing;
3. with everything derived and every status taken away, a fresh run arrives at the same.

`UTSUWA_HISTORIES=1000` runs that many. A history that fails is printed as the actions to replay.
"""

import os
from dataclasses import dataclass

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from utsuwa.cluster.errors import ApiError
from utsuwa.cluster.informer import key_of
from utsuwa.cluster.port import Key, Propagation
from utsuwa.kit.clock import parse_rfc3339
from utsuwa.kit.documents import Document, copy
from utsuwa.model.kinds import CORE_SERVICE, REVISION, ROUTE, SERVICE
from utsuwa.testing import builders
from utsuwa.testing.pods import Fate
from utsuwa.testing.settled import begin_anew, differences, faults, picture
from utsuwa.testing.virtual import run_virtually
from utsuwa.testing.whole import World, whole

HISTORIES = int(os.environ.get("UTSUWA_HISTORIES", "25"))
PATIENCE = 60.0
"""Seconds for which a history may leave alone what does not work."""
QUIET = 4000.0
"""Seconds after which nothing is under way: more than any deadline, window or back-off."""

NAMES = ("a", "b")
GOOD = ("ex.io/one", "ex.io/two")
BAD = {"ex.io/crash": Fate.CRASHES, "ex.io/stuck": Fate.NEVER_READY, "ex.io/gone": Fate.GONE}
ABSENT = "ex.io/absent"
IMAGES = (*GOOD, *GOOD, *BAD, ABSENT)


@dataclass(frozen=True)
class Deploy:
    """A Service with this template."""

    name: str
    image: str
    own_name: str = ""
    min_scale: bool = False

    async def act(self, world: World) -> None:
        old = await current(world, self.name)
        annotations = {"autoscaling.knative.dev/min-scale": "1"} if self.min_scale else None
        fresh = builders.service(self.name, image=f"{self.image}:1", annotations=annotations)
        if self.own_name:
            fresh["spec"]["template"]["metadata"]["name"] = f"{self.name}-{self.own_name}"
        if old is not None:
            fresh["metadata"]["labels"] = copy(old["metadata"].get("labels") or {})
            fresh["metadata"]["annotations"] = copy(old["metadata"].get("annotations") or {})
            fresh["spec"]["traffic"] = copy(old["spec"]["traffic"])
        await world.user.apply(fresh)


@dataclass(frozen=True)
class Shift:
    """Traffic of a Service: to the latest, or to an old Revision, perhaps with a tag."""

    name: str
    pinned: int
    percent: int
    tag: str
    latest_tag: str
    foreign: bool = False

    async def act(self, world: World) -> None:
        old = await current(world, self.name)
        if old is None:
            return
        revision = await named(world, self.name, self.pinned, foreign=self.foreign)
        first: Document = {"latestRevision": True, "percent": 100 - self.percent}
        if self.latest_tag:
            first["tag"] = self.latest_tag
        second: Document = {"revisionName": revision, "percent": self.percent}
        if self.tag:
            second["tag"] = self.tag
        fresh = copy(old)
        fresh["spec"]["traffic"] = [first, second] if self.percent or self.tag else [first]
        await world.user.apply(fresh)


@dataclass(frozen=True)
class Label:
    """A label of a Service set, or taken away."""

    name: str
    label: str
    value: str

    async def act(self, world: World) -> None:
        old = await current(world, self.name)
        if old is None:
            return
        fresh = copy(old)
        labels = fresh["metadata"].setdefault("labels", {})
        labels.pop(self.label, None)
        if self.value:
            labels[self.label] = self.value
        await world.user.apply(fresh)


@dataclass(frozen=True)
class Delete:
    """A Service deleted."""

    name: str
    how: Propagation

    async def act(self, world: World) -> None:
        await world.user.delete(SERVICE, Key("default", self.name), self.how)


@dataclass(frozen=True)
class DeleteRevision:
    """A Revision deleted under everybody's hands."""

    name: str
    number: int

    async def act(self, world: World) -> None:
        name = await named(world, self.name, self.number, foreign=False)
        await world.user.delete(REVISION, Key("default", name))


@dataclass(frozen=True)
class OwnRoute:
    """A Route that belongs to no Service."""

    name: str
    leads_to: str
    revision: int

    async def act(self, world: World) -> None:
        if self.revision < 0:
            target = builders.target(configuration=self.leads_to)
        else:
            name = await named(world, self.leads_to, self.revision, foreign=False)
            target = builders.target(revision=name)
        await world.user.apply(builders.route(self.name, target))


@dataclass(frozen=True)
class DeleteRoute:
    """A Route deleted: one of its own, or a Service's."""

    name: str

    async def act(self, world: World) -> None:
        await world.user.delete(ROUTE, Key("default", self.name))


@dataclass(frozen=True)
class Squat:
    """A core Service that takes a name, or gives it back."""

    name: str
    there: bool

    async def act(self, world: World) -> None:
        key = Key("default", self.name)
        if self.there:
            spec = {"type": "ClusterIP", "ports": [{"port": 80}]}
            await world.cluster.create(CORE_SERVICE.document("default", self.name, spec=spec))
            return
        found = await world.cluster.get(CORE_SERVICE, key)
        age = world.clock.now() - parse_rfc3339(found["metadata"]["creationTimestamp"])
        if not found["metadata"].get("ownerReferences") and age < PATIENCE:
            await world.cluster.delete(CORE_SERVICE, key)


@dataclass(frozen=True)
class Configure:
    """A setting of the operator."""

    map: str
    key: str
    value: str

    async def act(self, world: World) -> None:
        data = {self.key: self.value} if self.key else {}
        await world.user.apply(builders.config_map(self.map, data))


@dataclass(frozen=True)
class Request:
    """A request for each Revision of a Service that the gateway knows."""

    name: str

    async def act(self, world: World) -> None:
        for name in list(world.gateway.revisions):
            if name.startswith(f"default/{self.name}-"):
                world.gateway.wake(name)


@dataclass(frozen=True)
class Wait:
    """Time passes."""

    seconds: float

    async def act(self, world: World) -> None:
        if self.seconds > PATIENCE:
            mend(world)
        await world.settle(self.seconds)


@dataclass(frozen=True)
class Ail:
    """What an image that works fares like, until it is mended."""

    image: str
    fate: Fate

    async def act(self, world: World) -> None:
        world.node.set_fate(self.image, self.fate)


@dataclass(frozen=True)
class Missing:
    """Whether an image is there to be found."""

    image: str
    missing: bool

    async def act(self, world: World) -> None:
        (world.images.missing.add if self.missing else world.images.missing.discard)(self.image)


@dataclass(frozen=True)
class Storm:
    """Half of so many writes fail."""

    writes: int

    async def act(self, world: World) -> None:
        world.line.storm(self.writes)


@dataclass(frozen=True)
class Fault:
    """A fault of what lies between."""

    what: str

    async def act(self, world: World) -> None:
        if self.what == "restart":
            await world.restart()
        elif self.what == "reconnect":
            await world.reconnect()
        elif self.what == "watches":
            world.line.lose_watches()
        else:
            world.line.lagging = self.what == "lag"


Action = (
    Deploy | Shift | Label | Delete | DeleteRevision | OwnRoute | DeleteRoute | Squat | Configure
    | Request | Wait | Ail | Missing | Storm | Fault
)  # fmt: skip


async def current(world: World, name: str) -> Document | None:
    found = (await world.cluster.list(SERVICE, "default")).items
    return next(
        (
            one
            for one in found
            if key_of(one).name == name and "deletionTimestamp" not in one["metadata"]
        ),
        None,
    )


async def named(world: World, service: str, number: int, *, foreign: bool) -> str:
    """The name of a Revision of the Service (of any other: `foreign`), or one that is not there."""
    found = (await world.cluster.list(REVISION, "default")).items
    names = sorted(
        key_of(one).name
        for one in found
        if (one["metadata"]["labels"].get("serving.knative.dev/service") == service) != foreign
    )
    return names[number % len(names)] if names else "nobody"


names = st.sampled_from(NAMES)
small = st.integers(0, 3)
tags = st.sampled_from(("", "", "old", "new"))
deploys = st.builds(
    Deploy, names, st.sampled_from(IMAGES), st.sampled_from(("", "", "", "x", "y")), st.booleans()
)
users = st.one_of(
    deploys,
    deploys,
    st.builds(Shift, names, small, st.sampled_from((0, 40, 100)), tags, tags, st.booleans()),
    st.builds(Shift, names, small, st.sampled_from((0, 40, 100)), tags, tags),
    st.builds(Label, names, st.just("team"), st.sampled_from(("", "red", "blue"))),
    st.builds(
        Label,
        names,
        st.just("networking.knative.dev/visibility"),
        st.sampled_from(("", "cluster-local")),
    ),
    st.builds(Delete, names, st.sampled_from((Propagation.BACKGROUND, Propagation.FOREGROUND))),
    st.builds(DeleteRevision, names, small),
    st.builds(OwnRoute, st.sampled_from(("r", "a")), names, st.integers(-1, 2)),
    st.builds(DeleteRoute, st.sampled_from(("r", "a", "b"))),
    st.builds(Squat, st.sampled_from(("a", "old-a", "a-00001", "r")), st.booleans()),
    st.sampled_from(
        (
            Configure("config-domain", "example.org", ""),
            Configure("config-domain", "", ""),
            Configure("config-network", "rollout-duration", "30"),
            Configure("config-network", "tag-template", "{{.Name}}--{{.Tag}}"),
            Configure("config-network", "", ""),
            Configure("config-autoscaler", "enable-scale-to-zero", "true"),
            Configure("config-deployment", "progress-deadline", "300s"),
            Configure("config-deployment", "", ""),
        )
    ),
    st.builds(Request, names),
)
faulty = st.one_of(
    st.builds(Ail, st.sampled_from(GOOD), st.sampled_from(Fate)),
    st.builds(Missing, st.sampled_from(GOOD), st.booleans()),
    st.builds(Storm, st.sampled_from((3, 20))),
    st.builds(
        Fault, st.sampled_from(("restart", "restart", "reconnect", "watches", "lag", "calm"))
    ),
)
waits = st.builds(Wait, st.sampled_from((0.0, 0.004, 0.02, 0.3, 3.0, 70.0, 700.0)))
histories = st.lists(st.one_of(users, users, faulty, waits), max_size=20)


async def replay(history: list[Action]) -> None:
    async with whole() as world:
        for image, fate in BAD.items():
            world.node.set_fate(image, fate)
        world.images.missing.add(ABSENT)
        await world.user.apply(builders.config_map("config-domain", {"example.com": ""}))
        for action in history:
            try:
                await action.act(world)
            except ApiError:
                continue  # a client that is refused goes on
        world.line.calm()
        mend(world)
        await world.settle(QUIET)
        settled = await picture(world)
        none(await faults(world), "settled")
        await world.restart()
        await world.settle(QUIET)
        none(differences(settled, await picture(world)), "control started anew")
        await begin_anew(world)
        await world.settle(QUIET)
        none(differences(settled, await picture(world)), "a fresh run")


def none(lines: list[str], when: str) -> None:
    if lines:
        raise AssertionError("\n  ".join((f"{when}:", *lines)))


def mend(world: World) -> None:
    """What fails for longer than the progress deadline has failed for good: that is history."""
    for image in GOOD:
        world.node.set_fate(image, Fate.WORKS)
        world.images.missing.discard(image)


@settings(max_examples=HISTORIES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(histories)
def test_every_history_settles_where_a_fresh_run_arrives(history: list[Action]) -> None:
    run_virtually(replay(history))
