"""The operator's settings as they are now: the ConfigMaps `config-*` of `knative-serving`.

An edit takes effect at once. A map that does not parse is ignored and the last good one kept
(`spec/config.md` §1); admission refuses such a map in the first place.
"""

from collections.abc import Callable

from utsuwa.cluster.informer import Informer
from utsuwa.kit.documents import Document
from utsuwa.kit.log import get_logger
from utsuwa.model.settings import Settings

_log = get_logger(__name__)

SYSTEM_NAMESPACE = "knative-serving"


class LiveSettings:
    """Holds :attr:`current` and tells who asked when it changes.

    Mutable state: `_maps` (name of a ConfigMap to its data) and `current`, always parsed from it.
    """

    def __init__(self, current: Settings | None = None) -> None:
        self.current = current if current is not None else Settings.parse({})
        self._maps: dict[str, dict[str, str]] = {}
        self._callbacks: list[Callable[[], None]] = []

    def on_change(self, callback: Callable[[], None]) -> None:
        """Call `callback` after each change of :attr:`current`."""
        self._callbacks.append(callback)

    def follow(self, informer: Informer) -> None:
        """Keep :attr:`current` equal to the ConfigMaps that `informer` sees."""
        informer.on_change(self._changed)

    def _changed(self, old: Document | None, new: Document | None) -> None:
        metadata = (new or old or {})["metadata"]
        name = metadata["name"]
        if metadata.get("namespace") != SYSTEM_NAMESPACE or not name.startswith("config-"):
            return
        maps = {**self._maps, name: dict((new or {}).get("data") or {})}
        try:
            parsed = Settings.parse(maps)
        except ValueError as error:
            _log.warning("settings ignored, the last good ones stay", map=name, reason=error)
            return
        self._maps = maps
        if parsed != self.current:
            self.current = parsed
            _log.info("settings changed", map=name)
            for callback in self._callbacks:
                callback()
