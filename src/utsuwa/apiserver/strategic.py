"""Strategic merge: a merge patch that knows which lists are maps (`spec/kubernetes-api.md` §7).

Directives: `$patch: delete|replace` (in maps and list items), `$setElementOrder/LIST`,
`$deleteFromPrimitiveList/LIST`, `$retainKeys`. Pure; no argument is changed.

>>> from utsuwa.model.kinds import POD
>>> pod = {"spec": {"containers": [{"name": "a", "image": "x"}, {"name": "b", "image": "y"}]}}
>>> strategic_merge(POD, pod, {"spec": {"containers": [{"name": "b", "image": "z"}]}})
{'spec': {'containers': [{'name': 'a', 'image': 'x'}, {'name': 'b', 'image': 'z'}]}}
"""

from typing import Any

from utsuwa.apiserver.lists import identity, is_set, map_keys
from utsuwa.apiserver.status import bad_request
from utsuwa.kit.documents import Document
from utsuwa.model.kinds import Kind

_DIRECTIVE = "$patch"
_RETAIN = "$retainKeys"
_ORDER = "$setElementOrder/"
_DELETE = "$deleteFromPrimitiveList/"


def strategic_merge(kind: Kind, target: Document, patch: Document) -> Document:
    """`patch` laid over `target`, an object of `kind`.

    Raises:
        BadRequestError: a list item without its key, or an unknown directive.
    """
    merged = _merge_map(kind, "", target, patch)
    return merged if merged is not None else {}


def _merge_map(kind: Kind, path: str, target: Document, patch: Document) -> Document | None:
    directive = patch.get(_DIRECTIVE)
    if directive == "delete":
        return None
    if directive == "replace":
        whole: Document = _clean({key: v for key, v in patch.items() if key != _DIRECTIVE})
        return whole
    if directive not in (None, "merge"):
        raise bad_request(f"{path or 'patch'}: unknown directive $patch: {directive!r}")
    result = dict(target)
    retained = patch.get(_RETAIN)
    if isinstance(retained, list):
        result = {key: value for key, value in result.items() if key in retained}
    for key, value in patch.items():
        if not key.startswith("$"):
            _merge_member(kind, f"{path}.{key}" if path else key, key, result, value)
    _apply_list_directives(kind, path, result, patch)
    return result


def _merge_member(kind: Kind, path: str, key: str, result: Document, value: Any) -> None:
    if value is None:
        result.pop(key, None)
    elif isinstance(value, dict):
        old = result.get(key)
        merged = _merge_map(kind, path, old if isinstance(old, dict) else {}, value)
        if merged is None:
            result.pop(key, None)
        else:
            result[key] = merged
    elif isinstance(value, list):
        old = result.get(key)
        result[key] = _merge_list(kind, path, old if isinstance(old, list) else [], value)
    else:
        result[key] = value


def _merge_list(kind: Kind, path: str, target: list[Any], patch: list[Any]) -> list[Any]:
    keys = map_keys(kind, path)
    if keys:
        return _merge_items(kind, path, keys, target, patch)
    if is_set(path):
        return [*target, *(item for item in patch if item not in target)]
    return [_clean(item) for item in patch]


def _merge_items(
    kind: Kind, path: str, keys: tuple[str, ...], target: list[Any], patch: list[Any]
) -> list[Any]:
    if any(isinstance(item, dict) and item.get(_DIRECTIVE) == "replace" for item in patch):
        return [_clean(item) for item in patch if item.get(_DIRECTIVE) != "replace"]
    result = list(target)
    for item in patch:
        wanted = _item_identity(path, keys, item, target)
        places = [i for i, old in enumerate(result) if _same(old, keys, wanted)]
        if item.get(_DIRECTIVE) == "delete":
            result = [old for i, old in enumerate(result) if i not in places]
        elif places:
            merged = _merge_map(kind, path, result[places[0]], item)
            result[places[0]] = merged
        else:
            result.append(_merge_map(kind, path, {}, item))
    return result


def _item_identity(
    path: str, keys: tuple[str, ...], item: Any, target: list[Any]
) -> tuple[Any, ...]:
    """The item's identity; a key that the patch leaves out is matched by the first one alone, as
    kubectl writes items of ports (`containerPort` without `protocol`)."""
    found = identity(item, keys)
    if found is None:
        raise bad_request(f"{path}: each item of the patch needs its key {keys[0]!r}")
    if len(keys) > 1 and keys[1] not in item:
        alike = [old for old in target if isinstance(old, dict) and old.get(keys[0]) == found[0]]
        if len(alike) == 1:
            return identity(alike[0], keys) or found
    return found


def _same(old: Any, keys: tuple[str, ...], wanted: tuple[Any, ...]) -> bool:
    return identity(old, keys) == wanted


def _apply_list_directives(kind: Kind, path: str, result: Document, patch: Document) -> None:
    for directive, value in patch.items():
        if not isinstance(value, list):
            continue
        if directive.startswith(_DELETE):
            name = directive.removeprefix(_DELETE)
            if isinstance(result.get(name), list):
                result[name] = [item for item in result[name] if item not in value]
        elif directive.startswith(_ORDER):
            name = directive.removeprefix(_ORDER)
            if isinstance(result.get(name), list):
                inner = f"{path}.{name}" if path else name
                result[name] = _ordered(result[name], value, map_keys(kind, inner))


def _ordered(items: list[Any], order: list[Any], keys: tuple[str, ...]) -> list[Any]:
    """`items` in the order asked for; those it does not name stay where they follow."""
    first = keys[:1]

    def mark(item: Any) -> Any:
        return identity(item, first) if first else item

    places = {_hashable(mark(item)): index for index, item in enumerate(order)}
    named = sorted(
        (item for item in items if _hashable(mark(item)) in places),
        key=lambda item: places[_hashable(mark(item))],
    )
    upcoming = iter(named)
    return [next(upcoming) if _hashable(mark(item)) in places else item for item in items]


def _hashable(value: Any) -> Any:
    return value if isinstance(value, tuple) else str(value)


def _clean(value: Any) -> Any:
    """`value` without directives and nulls, as it is stored where nothing was before."""
    if isinstance(value, dict):
        return {
            key: _clean(item)
            for key, item in value.items()
            if item is not None and not key.startswith("$")
        }
    if isinstance(value, list):
        return [_clean(item) for item in value]
    return value
