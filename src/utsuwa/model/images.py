"""Image references: `repository[:tag][@sha256:digest]`, and on which terms images are had."""

import re
from dataclasses import dataclass

from utsuwa.kit.documents import Document

DEFAULT_TAG = "latest"
PULLING = "pulling image "
"""How the message of a waiting container begins while its image comes."""
_DIGEST = re.compile(r"^sha256:[0-9a-f]{64}$")
_REPOSITORY = re.compile(
    r"^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::\d+)?/)?"
    r"[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*$"
)
_TAG = re.compile(r"^\w[\w.-]{0,127}$", re.ASCII)


class ImageNotFoundError(Exception):
    """No image of that reference is to be had; the message says what was looked for and where,
    and what to do next."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How an image may be looked for. `policy`: the container's imagePullPolicy, "" where it names
    none. `auths`: credentials by registry, as `docker login` writes them; the first that fit count."""

    policy: str = ""
    auths: tuple[Document, ...] = ()


TERMS = Terms()
"""None in particular."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A parsed image reference. With a digest the tag is only decoration."""

    repository: str
    tag: str = DEFAULT_TAG
    digest: str = ""

    def __str__(self) -> str:
        return (
            f"{self.repository}@{self.digest}" if self.digest else f"{self.repository}:{self.tag}"
        )

    def pinned(self, digest: str) -> str:
        """`repository@sha256:…`, as a Revision's status shows it."""
        return f"{self.repository}@{digest}"


def parse_reference(image: str) -> Reference:
    """The parts of `image`.

    Raises:
        ValueError: `image` is not a reference.
    """
    rest, _, digest = image.partition("@")
    if digest and not _DIGEST.match(digest):
        raise ValueError(f"image {image!r}: expected @sha256: and 64 hex digits after the name")
    head, slash, last = rest.rpartition("/")
    name, colon, tag = last.partition(":")
    repository = head + slash + name
    if not _REPOSITORY.match(repository) or (colon and not _TAG.match(tag)):
        raise ValueError(f"image {image!r}: expected REPOSITORY[:TAG][@sha256:DIGEST]")
    return Reference(repository, tag or DEFAULT_TAG, digest)
