"""How much of logs is kept: keys of config-observability that the original does not have."""

from dataclasses import dataclass
from typing import Self

from utsuwa.kit.units import parse_quantity
from utsuwa.model.settings.reading import Reader

_LEAST = 64 * 1024
_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class LogBounds:
    """Bytes and seconds. The first two are a kubelet's `containerLogMaxSize` and
    `containerLogMaxFiles`."""

    container_size: int = 10 * _MIB
    container_files: int = 5
    service_bytes: int = 256 * _MIB
    gone_bytes: int = 1024 * _MIB
    gone_age: float = 7 * 86400.0

    @property
    def most(self) -> int:
        """The bytes of output at which a container's oldest part is dropped."""
        return self.container_size * self.container_files

    @property
    def least(self) -> int:
        """The bytes that are left then."""
        return self.container_size * (self.container_files - 1)

    @classmethod
    def parse(cls, reader: Reader) -> Self:
        """The bounds among the keys of config-observability.

        Raises:
            ValueError: a value is malformed or out of range.
        """
        usual = cls()
        age = reader.duration("logging.gone-pods-max-age", usual.gone_age)
        if age <= 0:
            raise reader.fault("logging.gone-pods-max-age", "expected a duration above zero")
        return cls(
            container_size=_bytes(reader, "logging.container-max-size", usual.container_size),
            container_files=reader.integer(
                "logging.container-max-files", usual.container_files, low=2
            ),
            service_bytes=_bytes(reader, "logging.service-max-bytes", usual.service_bytes),
            gone_bytes=_bytes(reader, "logging.gone-pods-max-bytes", usual.gone_bytes),
            gone_age=age,
        )


def _bytes(reader: Reader, key: str, default: int) -> int:
    value = int(reader.convert(key, default, lambda text: int(parse_quantity(text))))
    if value < _LEAST:
        raise reader.fault(key, "expected a quantity of bytes of at least 64Ki, such as 10Mi")
    return value
