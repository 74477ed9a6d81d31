"""JSON: that of others, read with a bound to how deep it goes and one kind of error; and our own."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

_SPACE = " \t\n\r"
DEEPEST = 200
"""How deep values may nest. Docker's answers have about ten levels; Python's recursion ends at 1000."""


_REFUSED = (ValueError, StopIteration, SystemError)
"""What CPython's scanner raises. SystemError: before json.decoder is imported, it has no error to raise
(CPython 3.11: Modules/_json.c, raise_errmsg)."""


def parse(data: bytes | str) -> Any:
    """Return the value in `data`. Raises ValueError if it is not JSON, or is nested too deep."""
    try:
        value = _loads(data)
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    # Counting is quick, and text with so few brackets cannot be nested too deep.
    if isinstance(data, bytes):
        opening = data.count(b"[") + data.count(b"{")
    else:
        opening = data.count("[") + data.count("{")
    if opening > DEEPEST:
        check_depth(value)
    return value


def _loads(data: bytes | str) -> Any:
    """Parse like json.loads, but with CPython's scanner alone where that is enough.

    The package json takes 5 ms to import. It is only loaded for what is not UTF-8 or not JSON.
    """
    scan = _scanner(_Strict)
    if scan is not None:
        try:
            text = data if isinstance(data, str) else data.decode()
            value, end = scan(text, len(text) - len(text.lstrip(_SPACE)))
        except _REFUSED:
            pass  # json says what is wrong
        else:
            if not text[end:].strip(_SPACE):
                return value
    import json

    return json.loads(data)


def first(text: str) -> Any:
    """Return the first value in `text`, ignoring what follows it, as Go's decoder reads one at a time.

    Control characters in strings are accepted. Raises ValueError, RecursionError.
    """
    scan = _scanner(_Lenient)
    if scan is not None:
        try:
            return scan(text, 0)[0]
        except _REFUSED:
            pass  # json says what is wrong
    import json

    return json.JSONDecoder(strict=False).raw_decode(text)[0]


def _scanner(context: type[_Strict]) -> Callable[[str, int], tuple[Any, int]] | None:
    """Return the scanner of a json.JSONDecoder like `context`; None if this Python has none in C."""
    try:
        from _json import make_scanner
    except ImportError:
        return None
    made: Callable[[str, int], tuple[Any, int]] = make_scanner(context)  # type: ignore[arg-type]
    return made


class _Strict:
    """The attributes that the scanner reads from a JSONDecoder (CPython: Modules/_json.c, scanner_new)."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int

    @staticmethod
    def parse_constant(name: str) -> float:
        """NaN and the infinities, as json reads them."""
        return float(name)


class _Lenient(_Strict):
    strict = False


def text(value: object) -> str:
    """Return `value` as json.dumps writes it, without loading that for texts in lists and objects.

    Raises TypeError for what JSON does not have.
    """
    quoted = _quoted()
    if quoted is not None:
        if isinstance(value, str):
            return quoted(value)
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, list):
            return "[" + ", ".join(map(text, value)) + "]"
        if isinstance(value, dict) and all(isinstance(key, str) for key in value):
            return "{" + ", ".join(f"{quoted(key)}: {text(item)}" for key, item in value.items()) + "}"
    import json

    return json.dumps(value)


def _quoted() -> Callable[[str], str] | None:
    """What json.dumps writes a text with; None where this Python has it not in C."""
    try:
        from _json import encode_basestring_ascii
    except ImportError:
        return None
    return encode_basestring_ascii


def check_depth(value: object) -> None:
    """Raise ValueError for text that is nested too deep."""
    level: list[object] = [value]
    for _ in range(DEEPEST + 1):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return
    raise ValueError("nested too deep")


def _inside(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()
