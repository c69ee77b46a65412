"""Kubernetes quantities in canonical form (`spec/kubernetes-api.md` §3.2: served as strings).

The format of a quantity is kept (powers of ten, powers of two, or an exponent), the largest suffix
that needs no fraction is taken: `0.5` is `500m`, `1000m` is `1`, `1024Mi` is `1Gi`.
"""

from decimal import ROUND_UP, Context, Decimal
from typing import Any

from utsuwa.kit.units import parse_quantity

_DECIMAL = {-9: "n", -6: "u", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T", 15: "P", 18: "E"}
_BINARY = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_NANO = Decimal("1e-9")
_CONTEXT = Context(prec=60, rounding=ROUND_UP)


def canonical(value: Any) -> str | None:
    """The canonical text of a quantity given as text or number; None when it is not one.

    >>> canonical(0.5), canonical("1024Mi"), canonical("1e3"), canonical("100Ki")
    ('500m', '1Gi', '1e3', '100Ki')
    """
    text = str(value).strip()
    try:
        number = parse_quantity(text)
    except ValueError:
        return None
    number = number.quantize(_NANO, context=_CONTEXT)
    if number == 0:
        return "0"
    if text.endswith("i") and abs(number) >= 1024 and number == number.to_integral_value():
        return _binary(int(number))
    exponential = isinstance(value, str) and text[-1].isdigit() and ("e" in text or "E" in text)
    return _decimal(number, exponential=exponential)


def _binary(number: int) -> str:
    power = 0
    while number % 1024 == 0 and power < len(_BINARY) - 1:
        number //= 1024
        power += 1
    return f"{number}{_BINARY[power]}"


def _decimal(number: Decimal, *, exponential: bool) -> str:
    for exponent in sorted(_DECIMAL, reverse=True):
        mantissa = number.scaleb(-exponent, _CONTEXT)
        if mantissa == mantissa.to_integral_value():
            suffix = (f"e{exponent}" if exponent else "") if exponential else _DECIMAL[exponent]
            return f"{int(mantissa)}{suffix}"
    raise AssertionError(f"quantity {number}: finer than a billionth after rounding")
