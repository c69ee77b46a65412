"""Identifiers. The source of randomness is a parameter."""

import random
import uuid

_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"  # no vowels, no look-alikes: as Kubernetes does


class Ids:
    """Makes uids and name suffixes from one source of randomness."""

    def __init__(self, source: random.Random | None = None) -> None:
        self._random = source if source is not None else random.SystemRandom()

    def uid(self) -> str:
        """A random (version 4) UUID."""
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def suffix(self, length: int = 5) -> str:
        """Random characters for `generateName`."""
        return "".join(self._random.choice(_ALPHABET) for _ in range(length))
