"""Checks of volumes and of where they are mounted (`spec/resources.md` §6.4)."""

import posixpath
from collections.abc import Callable, Mapping
from typing import Any

from utsuwa.kit.units import parse_quantity
from utsuwa.model.problems import Problem, under
from utsuwa.model.settings import Features, Flag
from utsuwa.model.validation.names import dns_1123_label
from utsuwa.model.validation.wording import both, invalid, missing, neither, not_among, quoted

_RESERVED_PATHS = frozenset(("/", "/dev", "/dev/log"))
_ALWAYS = ("secret", "configMap", "projected")
_WRITABLE = ("emptyDir", "persistentVolumeClaim", "ephemeral")
_PULL_POLICIES = frozenset(("", "IfNotPresent", "Always", "Never"))

Volume = Mapping[str, Any]


def _flags(features: Features) -> dict[str, Flag]:
    """Sources that need a feature, in the order in which the original lists them."""
    return {
        "emptyDir": features.volumes_empty_dir,
        "persistentVolumeClaim": features.persistent_volume_claim,
        "hostPath": features.volumes_host_path,
        "csi": features.volumes_csi,
        "ephemeral": features.volumes_ephemeral,
        "image": features.volumes_image,
    }


def volume_problems(
    volumes: list[Volume], mounted: frozenset[str], features: Features
) -> list[Problem]:
    """Problems of a pod's volumes, paths below `volumes`; each must be among those `mounted`."""
    problems: list[Problem] = []
    seen: set[str] = set()
    for index, volume in enumerate(volumes):
        name = volume.get("name") or ""
        found: list[Problem] = []
        if name in seen:
            found.append(Problem(f"duplicate volume name {quoted(name)}", ("name",)))
        if name not in mounted:
            found.append(Problem(f"volume with name {quoted(name)} not mounted", ("name",)))
        seen.add(name)
        problems += under(f"[{index}]", [*found, *_volume_problems(volume, features)])
    return problems


def _volume_problems(volume: Volume, features: Features) -> list[Problem]:
    flags = _flags(features)
    name = volume.get("name") or ""
    # A bad name hides what the features would say, as in the original.
    if not name:
        problems = [missing("name")]
    elif dns_1123_label(name):
        problems = [invalid(name, "name")]
    else:
        problems = _feature_problems(volume, features)
    open_ = [source for source, flag in flags.items() if flag is not Flag.DISABLED]
    problems += not_among(volume, ("name", *_ALWAYS, *open_))
    used = [source for source in (*_ALWAYS, *flags) if volume.get(source) is not None]
    for source in used:
        check = _SOURCES.get(source)
        if check is not None:
            problems += check(volume[source])
    if not used:
        enabled = [source for source, flag in flags.items() if flag is Flag.ENABLED]
        problems.append(neither(*_ALWAYS, *enabled))
    elif len(used) > 1:
        problems.append(both(*used))
    return problems


def _feature_problems(volume: Volume, features: Features) -> list[Problem]:
    """What the original says of each source whose feature is off, without a path."""
    name = volume.get("name")
    texts: list[str] = []
    claim = volume.get("persistentVolumeClaim")
    if claim is not None:
        found = f"but found persistent volume claim {claim.get('claimName') or ''}"
        if features.persistent_volume_claim is not Flag.ENABLED:
            texts.append(f"Persistent volume claim support is disabled, {found}")
        if features.persistent_volume_write is not Flag.ENABLED and not claim.get("readOnly"):
            texts.append(
                f"Persistent volume write support is disabled, {found} that is not read-only"
            )
    for source, what in (
        ("image", "Image"),
        ("emptyDir", "EmptyDir"),
        ("hostPath", "HostPath"),
        ("csi", "CSI"),
        ("ephemeral", "Ephemeral"),
    ):
        if volume.get(source) is not None and _flags(features)[source] is not Flag.ENABLED:
            texts.append(f"{what} volume support is disabled, but found {what} volume {name}")
    return [Problem(text) for text in texts]


def _item_problems(source: Volume) -> list[Problem]:
    problems: list[Problem] = []
    for index, item in enumerate(source.get("items") or []):
        found = [
            *not_among(item, ("key", "path", "mode")),
            *(missing(field) for field in ("key", "path") if not item.get(field)),
        ]
        problems += under(f"items[{index}]", found)
    return problems


def _projected_problems(projected: Volume) -> list[Problem]:
    problems: list[Problem] = []
    for index, source in enumerate(projected.get("sources") or []):
        problems += under(f"projected[{index}]", _projection_problems(source))
    return problems


def _projection_problems(source: Volume) -> list[Problem]:
    problems = not_among(source, _PROJECTIONS)
    used = [name for name in _PROJECTIONS if source.get(name) is not None]
    for name in used:
        problems += under(name, _PROJECTIONS[name](source[name]))
    if not used:
        problems.append(neither(*_PROJECTIONS))
    elif len(used) > 1:
        problems.append(both(*used))
    return problems


def _named_projection_problems(source: Volume) -> list[Problem]:
    return [
        *not_among(source, ("name", "items", "optional")),
        *([] if source.get("name") else [missing("name")]),
        *_item_problems(source),
    ]


def _token_problems(source: Volume) -> list[Problem]:
    return [
        *not_among(source, ("audience", "expirationSeconds", "path")),
        *([] if source.get("path") else [missing("path")]),
    ]


def _downward_problems(source: Volume) -> list[Problem]:
    problems = not_among(source, ("items",))
    for index, item in enumerate(source.get("items") or []):
        found = not_among(item, ("fieldRef", "resourceFieldRef", "path", "mode"))
        used = [field for field in ("resourceFieldRef", "fieldRef") if item.get(field) is not None]
        if not used:
            found.append(neither("fieldRef", "resourceFieldRef"))
        elif len(used) > 1:
            found.append(Problem("Within a single item, cannot set both", tuple(used)))
        if not item.get("path"):
            found.append(missing("path"))
        problems += under(f"items[{index}]", found)
    return problems


_PROJECTIONS: dict[str, Callable[[Volume], list[Problem]]] = {
    "secret": _named_projection_problems,
    "configMap": _named_projection_problems,
    "serviceAccountToken": _token_problems,
    "downwardAPI": _downward_problems,
}


def _empty_dir_problems(source: Volume) -> list[Problem]:
    problems: list[Problem] = []
    medium, limit = source.get("medium") or "", source.get("sizeLimit")
    if medium not in {"", "Memory"}:
        problems.append(invalid(medium, "medium"))
    try:
        negative = limit is not None and parse_quantity(str(limit)) < 0
    except ValueError:
        negative = True
    if negative:
        problems.append(invalid(limit, "sizeLimit"))
    return under("emptyDir", problems)


def _image_problems(source: Volume) -> list[Problem]:
    problems = not_among(source, ("reference", "pullPolicy"))
    if not source.get("reference"):
        problems.append(missing("reference"))
    policy = source.get("pullPolicy") or ""
    if policy not in _PULL_POLICIES:
        problems.append(invalid(policy, "pullPolicy"))
    return under("image", problems)


_SOURCES: dict[str, Callable[[Volume], list[Problem]]] = {
    "secret": _item_problems,
    "configMap": _item_problems,
    "projected": _projected_problems,
    "emptyDir": _empty_dir_problems,
    "image": _image_problems,
}


def mount_problems(
    mounts: list[Volume], volumes: Mapping[str, Volume], features: Features
) -> list[Problem]:
    """Problems of one container's mounts, paths below `volumeMounts`."""
    problems: list[Problem] = []
    seen: set[str] = set()
    for index, mount in enumerate(mounts):
        found = _mount_problems(mount, volumes.get(mount.get("name") or ""), features)
        found += _path_problems(mount.get("mountPath") or "", seen)
        problems += under(f"[{index}]", found)
    return problems


def _mount_problems(mount: Volume, volume: Volume | None, features: Features) -> list[Problem]:
    allowed = ["name", "readOnly", "mountPath", "subPath"]
    if features.volumes_mount_propagation is not Flag.DISABLED:
        allowed.append("mountPropagation")
    problems = not_among(mount, allowed)
    if volume is None:
        problems.append(Problem("volumeMount has no matching volume", ("name",)))
    source = volume or {}
    read_only = bool(mount.get("readOnly"))
    if not read_only and not any(source.get(kind) is not None for kind in _WRITABLE):
        text = "volume mount should be readOnly for this type of volume"
        problems.append(Problem(text, ("readOnly",)))
    if not read_only and (source.get("persistentVolumeClaim") or {}).get("readOnly"):
        problems.append(Problem("volume is readOnly but volume mount is not", ("readOnly",)))
    propagation = mount.get("mountPropagation")
    if propagation is not None:
        problems += _propagation_problems(mount, propagation, features)
    return problems


def _propagation_problems(mount: Volume, value: str, features: Features) -> list[Problem]:
    problems: list[Problem] = []
    if features.volumes_mount_propagation is not Flag.ENABLED:
        found = f"but found volume mount {mount.get('name') or ''} with mount propagation"
        problems.append(Problem(f"Volume Mount Propagation support is disabled, {found}"))
    if value not in {"None", "HostToContainer"}:
        text = "mount propagation should be set to None or HostToContainer"
        problems.append(Problem(text, ("mountPropagation",)))
    return problems


def _path_problems(path: str, seen: set[str]) -> list[Problem]:
    """Problems of one mount path; adds it to those `seen` in this container."""
    clean = posixpath.normpath(path) if path else "."
    clean = "/" + clean.lstrip("/") if clean.startswith("//") else clean
    taken = clean in seen
    seen.add(clean)
    if not path:
        return [missing("mountPath")]
    if clean in _RESERVED_PATHS:
        return [Problem(f"mountPath {quoted(clean)} is a reserved path", ("mountPath",))]
    if not path.startswith("/"):
        return [invalid(path, "mountPath")]
    return [invalid(f"{quoted(path)} must be unique", "mountPath")] if taken else []
