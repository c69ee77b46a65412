"""Files that pages need: scripts and styles, served from memory under a name that changes with
their content, so that a browser asks for each of them once."""

import gzip
import hashlib
import mimetypes
import re
from pathlib import Path
from typing import NamedTuple

_STATIC = Path(__file__).parent / "static"
_SERVED = frozenset({".js", ".css", ".svg"})


class Asset(NamedTuple):
    """One file."""

    body: bytes
    packed: bytes
    content_type: str


class Assets:
    """All of them, read at the start."""

    def __init__(self, directory: Path = _STATIC) -> None:
        self._by_url: dict[str, Asset] = {}
        self._urls: dict[str, str] = {}
        for path in sorted(directory.rglob("*")):
            if path.suffix in _SERVED:
                self._add(path, path.relative_to(directory).as_posix())

    def __repr__(self) -> str:
        return f"<Assets {len(self._urls)} files>"

    def url(self, name: str) -> str:
        """Where `name` is served. Raises KeyError."""
        return self._urls[name]

    def get(self, url: str) -> Asset | None:
        """What is served there."""
        return self._by_url.get(url)

    def _add(self, path: Path, name: str) -> None:
        body = path.read_bytes()
        if not name.startswith("vendor/"):
            body = slim(body.decode(), path.suffix).encode()
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        url = f"/static/{hashlib.sha256(body).hexdigest()[:12]}/{name}"
        self._urls[name] = url
        self._by_url[url] = Asset(body, gzip.compress(body, 9, mtime=0), kind)


def slim(text: str, kind: str) -> str:
    """Our own scripts and styles without comments and indentation. No line of ours goes on inside a
    string, and none has a comment mark in one but at its end.

    >>> slim("/* why */\\n.a, .b { top: 0; }\\n", ".css")
    '.a,.b{top: 0;}\\n'
    >>> slim("  // why\\n  go();  // now\\n", ".js")
    'go();\\n'
    """
    if kind == ".css":
        text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
        text = re.sub(r" ?([{};,]) ", r"\1", text)
    lines = (re.sub(r"(^|\s)//\s.*$", "", line).strip() for line in text.splitlines())
    return "".join(f"{line}\n" for line in lines if line)
