"""From a container's manifest to a launch: its image, its environment, its volumes.

What is missing is not there at present: an image may yet be built, a Secret yet be made. So it is
told as Kubernetes tells it, and asked for again.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from utsuwa.cluster.errors import NotFoundError
from utsuwa.cluster.port import Cluster, Key
from utsuwa.cluster.pull_secrets import logins
from utsuwa.kit.clock import Clock
from utsuwa.kit.documents import Document, dig
from utsuwa.model import labels
from utsuwa.model.images import ImageNotFoundError, parse_reference
from utsuwa.model.kinds import Kind
from utsuwa.node import isolation
from utsuwa.node.environment import (
    ConfigError,
    Sources,
    environment_of,
    expand,
    sources_of,
)
from utsuwa.node.images import Bundle
from utsuwa.node.logs import PodLogs
from utsuwa.node.names import ServiceNames
from utsuwa.node.packages import Images, Package, Pull
from utsuwa.node.pods import limits_of, revision_of, shares_network
from utsuwa.node.probes import Checks
from utsuwa.node.pulling import Events
from utsuwa.node.runtime import Box, Isolation, Launch, Runtime, Warmth
from utsuwa.node.volumes import Volumes


@dataclass(frozen=True, slots=True)
class Services:
    """What containers need of the world."""

    cluster: Cluster
    clock: Clock
    images: Images
    runtime: Runtime
    checks: Checks
    logs: PodLogs
    volumes: Volumes
    names: ServiceNames
    events: Events | None = None


@dataclass(frozen=True, slots=True)
class Home:
    """The Pod in which a container lives. `port` is the one it must listen on, 0 for a container
    that does not serve; `own_address`: on an address of its own."""

    pod: Document
    port: int
    scratch: Path
    own_address: bool = False

    @property
    def key(self) -> Key:
        """The Pod's."""
        metadata = self.pod["metadata"]
        return Key(metadata["namespace"], metadata["name"])


class NotNowError(Exception):
    """The container cannot start at present: reason and message of its waiting state. `backoff`:
    the reason from the second time on."""

    def __init__(self, reason: str, message: str, backoff: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        self.backoff = backoff or reason


@dataclass(slots=True)
class Prepared:
    """A launch, and the digest and size of its image."""

    launch: Launch
    image_id: str
    size: int = 0


async def prepare(
    services: Services,
    home: Home,
    container: Document,
    log: Path,
    progress: Callable[[str], None],
) -> Prepared:
    """Everything that the next life of `container` needs. `progress` is told how far the image
    has come.

    Raises:
        NotNowError: something is missing.
    """
    if home.own_address:
        return await _boxed(services, home, container, log, progress)
    return await _process(services, home, container, log)


async def _process(services: Services, home: Home, container: Document, log: Path) -> Prepared:
    try:
        resolved = await services.images.resolve(str(container.get("image", "")))
        bundle = services.images.bundle(resolved.partition("@")[2])
    except ImageNotFoundError as error:
        raise NotNowError("ErrImagePull", str(error), "ImagePullBackOff") from error
    scratch = str(home.scratch)
    base = {**bundle.env, "HOME": scratch, "TMPDIR": scratch, "LANG": "C.UTF-8"}
    launch = await _configured(services, home, container, log)
    variables = {**base, **launch.env, "HOSTNAME": home.pod["metadata"]["name"]}
    launch = replace(
        launch,
        command=_command(container, bundle, variables),
        env=variables,
        directory=bundle.root / (container.get("workingDir") or ""),
        tree=bundle.root,
        warmth=_warmth(home, bundle),
        hosts=services.names.of_processes(home.key.namespace),
        isolation=_isolation(home, launch, bundle),
    )
    return Prepared(launch, resolved)


def _isolation(home: Home, launch: Launch, bundle: Bundle) -> Isolation | None:
    """None where it is not wanted, and for what is forked from a parent that others share."""
    if _warmth(home, bundle) is not None or isolation.unwanted(home.pod):
        return None
    own = isolation.user_of(home.key.namespace)
    user = own if launch.user is None else launch.user
    group = user if launch.group is None else launch.group
    return Isolation(user, group, _groups(home.pod), bundle.shared)


def _warmth(home: Home, bundle: Bundle) -> Warmth | None:
    """What the Pod's annotation asks for, for the container that serves."""
    metadata = home.pod["metadata"]
    wanted = dig(metadata, "annotations", labels.WARM_PARENT, default="false")
    uid = dig(metadata, "labels", labels.REVISION_UID)
    if wanted == "false" or uid is None or bundle.kind != "python" or not home.port:
        return None
    return Warmth(revision_of(home.pod), uid, everything=wanted == "app")


async def _boxed(
    services: Services,
    home: Home,
    container: Document,
    log: Path,
    progress: Callable[[str], None],
) -> Prepared:
    package = await _package(services, home, container, progress)
    launch = await _configured(services, home, container, log)
    _check_user(launch, package, home, container)
    box = Box(
        image=package.id,
        hostname=home.pod["metadata"]["name"],
        entrypoint=_expanded(container, "command", launch.env),
        arguments=_expanded(container, "args", launch.env),
        directory=container.get("workingDir") or "",
        stop_signal=package.stop_signal,
        read_only=bool(dig(container, "securityContext", "readOnlyRootFilesystem")),
        unconfined=_unconfined(home.pod, container),
        no_new_privileges=dig(container, "securityContext", "allowPrivilegeEscalation") is False,
        add=tuple(dig(container, "securityContext", "capabilities", "add", default=())),
        drop=tuple(dig(container, "securityContext", "capabilities", "drop", default=())),
        groups=_groups(home.pod),
        shared=shares_network(home.pod),
        hosts=services.names.entries(home.key.namespace),
    )
    return Prepared(replace(launch, box=box), package.pinned, package.size)


async def _package(
    services: Services, home: Home, container: Document, progress: Callable[[str], None]
) -> Package:
    image = str(container.get("image", ""))
    try:
        tag = parse_reference(image)
    except ValueError as error:
        raise NotNowError("InvalidImageName", str(error)) from error
    latest = tag.tag == "latest" and not tag.digest
    policy = container.get("imagePullPolicy") or ("Always" if latest else "IfNotPresent")
    known = await logins(services.cluster, home.key.namespace, home.pod["spec"])
    pull = Pull(policy, known.auths, progress)
    try:
        return await services.images.obtain(image, pull)
    except ImageNotFoundError as error:
        if policy == "Never":
            raise NotNowError("ErrImageNeverPull", str(error)) from error
        message = known.explain(str(error))
        raise NotNowError("ErrImagePull", message, "ImagePullBackOff") from error


async def _configured(services: Services, home: Home, container: Document, log: Path) -> Launch:
    """What a process and a container have in common; the environment is what the manifest says."""
    pod = home.pod
    with_port = _with_port(home, container)
    try:
        sources = await _sources(services.cluster, home.key.namespace, container)
        variables = environment_of(pod, with_port, sources)
        limits = limits_of(container)
        mounts = await services.volumes.mounts(pod, container, home.scratch)
    except (ConfigError, ValueError) as error:
        raise NotNowError("CreateContainerConfigError", str(error)) from error
    return Launch(
        uid=pod["metadata"]["uid"],
        container=container["name"],
        command=(),
        env=variables,
        directory=Path("/"),
        log=log,
        scratch=home.scratch / container["name"],
        limits=limits,
        user=_security(pod, container, "runAsUser"),
        group=_security(pod, container, "runAsGroup"),
        mounts=mounts,
    )


def _with_port(home: Home, container: Document) -> Document:
    """The container with the port that it really has in `PORT`."""
    if not home.port:
        return container
    others = [entry for entry in container.get("env") or () if entry["name"] != "PORT"]
    return {**container, "env": [{"name": "PORT", "value": str(home.port)}, *others]}


async def _sources(cluster: Cluster, namespace: str, container: Document) -> Sources:
    return {
        source: await _find(cluster, source.kind, Key(namespace, source.name))
        for source in sources_of(container)
    }


async def _find(cluster: Cluster, kind: Kind, key: Key) -> Document | None:
    try:
        return await cluster.get(kind, key)
    except NotFoundError:
        return None


def _command(container: Document, bundle: Bundle, variables: Mapping[str, str]) -> tuple[str, ...]:
    """`command` replaces the bundle's, `args` replaces what follows it."""
    given = _expanded(container, "command", variables)
    arguments = _expanded(container, "args", variables)
    return (*given, *arguments) if given else (*bundle.command, *arguments)


def _expanded(container: Document, member: str, variables: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(expand(word, variables) for word in container.get(member) or ())


def _security(pod: Document, container: Document, member: str) -> int | None:
    own: int | None = dig(container, "securityContext", member)
    shared: int | None = dig(pod, "spec", "securityContext", member)
    return own if own is not None else shared


def _unconfined(pod: Document, container: Document) -> bool:
    """Whether it asks for no filter of system calls; the engine's own is the default."""
    own = dig(container, "securityContext", "seccompProfile", default={})
    profile = own or dig(pod, "spec", "securityContext", "seccompProfile", default={})
    if profile.get("type") == "Localhost":
        raise NotNowError(
            "CreateContainerConfigError",
            "securityContext.seccompProfile.type: expected RuntimeDefault or Unconfined, found "
            "Localhost: profiles of files are not known here",
        )
    return bool(profile.get("type") == "Unconfined")


def _groups(pod: Document) -> tuple[int, ...]:
    shared = dig(pod, "spec", "securityContext", default={})
    groups = [*(shared.get("supplementalGroups") or ()), shared.get("fsGroup")]
    return tuple(int(group) for group in groups if group is not None)


def _check_user(launch: Launch, package: Package, home: Home, container: Document) -> None:
    """`runAsNonRoot`, in the words of Kubernetes."""
    if not _security(home.pod, container, "runAsNonRoot"):
        return
    reason = "CreateContainerConfigError"
    if launch.user is not None:
        if launch.user == 0:
            message = "container's runAsUser breaks non-root policy"
            raise NotNowError(reason, message)
        return
    user = package.user.partition(":")[0]
    if not user or user in {"0", "root"}:
        raise NotNowError(reason, "container has runAsNonRoot and image will run as root")
    if not user.isdigit():
        raise NotNowError(
            reason,
            f"container has runAsNonRoot and image has non-numeric user ({user}), cannot verify "
            "user is non-root",
        )
