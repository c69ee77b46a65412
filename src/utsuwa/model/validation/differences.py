"""How two specifications differ, as details of a refusal (the text is free)."""

from typing import Any

from utsuwa.kit.documents import encode


def differences(old: Any, new: Any, path: str) -> str:
    """One block a difference: its path, then the old and the new value. Empty when equal."""
    return "\n".join(_differences(old, new, path))


def _differences(old: Any, new: Any, path: str) -> list[str]:
    if old == new:
        return []
    if isinstance(old, dict) and isinstance(new, dict):
        keys = [*old, *(key for key in new if key not in old)]
        return [
            line
            for key in keys
            for line in _differences(old.get(key), new.get(key), f"{path}.{key}")
        ]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [
            line
            for index, (one, other) in enumerate(zip(old, new, strict=True))
            for line in _differences(one, other, f"{path}[{index}]")
        ]
    return [f"{path}:", f"\t-: {_shown(old)}", f"\t+: {_shown(new)}"]


def _shown(value: Any) -> str:
    return "<unset>" if value is None else encode(value).decode()
