"""Values as Go sees them: their type names, truth, comparison and printing."""

from __future__ import annotations

import math

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Record(dict[str, "Any"]):
    """A struct: its fields are fixed, and any other field is an error, not `<no value>`."""


class Heading(str):
    """A column's heading in place of a value: whatever is done to the value, the heading stays."""

    __slots__ = ()


_TYPE_NAMES = (
    (bool, "bool"),
    (int, "int"),
    (float, "float64"),
    (str, "string"),
    (Record, "struct"),
    (dict, "map[string]interface {}"),
    ((list, tuple), "[]interface {}"),
    (object, "<nil>"),
)


def type_name(value: Any) -> str:
    """Return Go's name for the type of a value read by encoding/json."""
    return next(name for kind, name in _TYPE_NAMES if isinstance(value, kind))


def is_true(value: Any) -> bool:
    """Go's text/template.IsTrue: not the zero value, nor empty; a struct is always true."""
    return isinstance(value, Record) or bool(value)


def sorted_items(value: dict[str, Any]) -> list[tuple[str, Any]]:
    """Return a struct's fields in their order, or a map's keys in alphabetical order."""
    return list(value.items()) if isinstance(value, Record) else sorted(value.items())


def format_float(value: float, verb: str, precision: int | None, *, alternate: bool = False) -> str:
    """Go's strconv.FormatFloat for the verbs e, f and g, as fmt uses it; no sign if positive.

    A `precision` of None means, for g, as many digits as are needed to read the same number back.
    """
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
    if verb in "gG" and precision is None and not alternate:
        shortest = _shortest(value)
        return shortest.upper() if verb == "G" else shortest
    mark = "#" if alternate else ""
    return f"%{mark}.{6 if precision is None else precision}{verb}" % value


_LEAST_EXPONENT = -4
_EXPONENT_LIMIT = 6
"""Whether the shortest form has an exponent, as in 1e+06: below the first bound, or from the second."""


def _shortest(value: float) -> str:
    sign = "-" if math.copysign(1, value) < 0 else ""
    if not value:
        return f"{sign}0"
    # The digits are repr's: the shortest %e that gives the same number may have one more.
    mantissa, _, exponent = repr(abs(value)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    power = int(exponent or 0) + len(whole) - 1 - (len(whole + fraction) - len(digits))
    digits = digits.rstrip("0")
    if not _LEAST_EXPONENT <= power < _EXPONENT_LIMIT:
        return f"{sign}{_pointed(digits, 1)}e{power:+03d}"
    if power < 0:
        return f"{sign}0.{'0' * (-power - 1)}{digits}"
    return sign + _pointed(digits.ljust(power + 1, "0"), power + 1)


def _pointed(digits: str, place: int) -> str:
    """Put a decimal point before index `place`, if digits follow it."""
    return f"{digits[:place]}.{digits[place:]}" if digits[place:] else digits


def format_value(value: Any) -> str:
    """Format as `%v` of Go's fmt."""
    match value:
        case None:
            text = "<nil>"
        case bool():
            text = "true" if value else "false"
        case float():
            text = format_float(value, "g", None)
        case Record():
            text = "{" + " ".join(map(format_value, value.values())) + "}"
        case dict():
            text = "map[" + " ".join(f"{key}:{format_value(item)}" for key, item in sorted_items(value)) + "]"
        case list() | tuple():
            text = "[" + " ".join(map(format_value, value)) + "]"
        case _:
            text = str(value)
    return text
