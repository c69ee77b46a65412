"""Whether a text can be an image reference, in the weak form: tag and registry may be missing.

The original's parser decides what a Service may name, so its quirks count: a repository has at
least two characters, and a first part is a registry only with a dot, a colon, or as `localhost`.
"""

import re

_TAG = re.compile(r"[A-Za-z0-9_.-]{1,128}")
_REPOSITORY = re.compile(r"[a-z0-9_./-]{2,255}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_REGISTRY = re.compile(r"(?:[A-Za-z0-9._~%!$&'()*+,;=-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]*)?")


def is_image_reference(text: str) -> bool:
    """Whether `text` is `[REGISTRY/]REPOSITORY[:TAG]` or `…@sha256:DIGEST`."""
    return _with_tag(text) or _with_digest(text)


def _with_tag(text: str) -> bool:
    base, colon, tag = text.rpartition(":")
    if not colon or "/" in tag:
        return _repository(text)
    return bool(not tag or _TAG.fullmatch(tag)) and _repository(base)


def _with_digest(text: str) -> bool:
    base, at, digest = text.partition("@")
    return bool(at and _DIGEST.fullmatch(digest)) and _with_tag(base)


def _repository(text: str) -> bool:
    registry, slash, rest = text.partition("/")
    if slash and ("." in registry or ":" in registry or registry == "localhost"):
        return bool(_REGISTRY.fullmatch(registry) and _REPOSITORY.fullmatch(rest))
    return bool(_REPOSITORY.fullmatch(text))
