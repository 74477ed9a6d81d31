"""Go's fmt.Sprintf, Sprint and Sprintln (Go: fmt/print.go, fmt/format.go).

More lenient than Go in one way: a float verb takes an int, and an int verb a float without a fraction. Go's
template reads every number of a JSON document as float64, and scripts have been written for that.
"""

from __future__ import annotations

from dinv.formats.template.values import format_float, format_value, sorted_items, type_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

_TOO_LARGE = 1_000_000
"""The limit of widths, precisions and argument numbers (Go: fmt/print.go, tooLarge)."""

_LAST_CODE_POINT = 0x10FFFF
_REPLACEMENT = "\ufffd"
_BASES = {"b": "b", "o": "o", "O": "o", "d": "d", "x": "x", "X": "X"}
_PREFIXES = {"b": "0b", "x": "0x", "X": "0X"}


def sprintf(form: str, arguments: Sequence[Any]) -> str:
    """Format as Go does; errors are reported in the text, as `%!d(string=x)`. Never raises."""
    return _Printf(form, arguments).run()


def sprint(arguments: Sequence[Any]) -> str:
    """Print all values, with a space between two if neither is a string."""
    out = ""
    for index, value in enumerate(arguments):
        if index and not isinstance(value, str) and not isinstance(arguments[index - 1], str):
            out += " "
        out += format_value(value)
    return out


def sprintln(arguments: Sequence[Any]) -> str:
    """Print all values, separated by spaces and followed by a newline."""
    return " ".join(map(format_value, arguments)) + "\n"


class _Flags:
    """One verb's flags, width and precision."""

    __slots__ = ("minus", "plus", "precision", "sharp", "space", "width", "zero")

    def __init__(self) -> None:
        self.minus = self.plus = self.sharp = self.space = self.zero = False
        self.width: int | None = None
        self.precision: int | None = None

    def pad(self, text: str) -> str:
        width = self.width or 0
        if self.minus:
            return text.ljust(width)
        return text.rjust(width, "0" if self.zero else " ")

    def pad_number(self, sign: str, digits: str) -> str:
        """Pad with zeros, between the sign and the digits."""
        if self.zero and not self.minus:
            return sign + digits.rjust((self.width or 0) - len(sign), "0")
        text = sign + digits
        return text.ljust(self.width or 0) if self.minus else text.rjust(self.width or 0)


class _Printf:
    """One call of printf: a walk over the format."""

    def __init__(self, form: str, arguments: Sequence[Any]) -> None:
        self.form = form
        self.arguments = arguments
        self.position = 0
        self.argument = 0
        self.numbered = False
        self.good_index = True

    def run(self) -> str:
        out: list[str] = []
        while True:
            percent = self.form.find("%", self.position)
            if percent < 0:
                out.append(self.form[self.position :])
                break
            out.append(self.form[self.position : percent])
            self.position = percent + 1
            out.append(self._verb())
        if not self.numbered and self.argument < len(self.arguments):
            out.append(self._extra())
        return "".join(out)

    def _extra(self) -> str:
        left = self.arguments[self.argument :]
        said = ["<nil>" if value is None else f"{type_name(value)}={format_value(value)}" for value in left]
        return f"%!(EXTRA {', '.join(said)})"

    def _here(self) -> str:
        return self.form[self.position : self.position + 1]

    def _verb(self) -> str:
        """Return the text for one verb; `position` is after its percent sign."""
        flags, complaints = _Flags(), ""
        self.good_index, indexed = True, False
        while self._here() and self._here() in "+-# 0":
            name = {"+": "plus", "-": "minus", "#": "sharp", " ": "space", "0": "zero"}[self._here()]
            setattr(flags, name, True)
            self.position += 1
        indexed = self._index()
        flags.width, complaint = self._number("WIDTH", indexed=indexed)
        complaints += complaint
        if flags.width is not None and flags.width < 0:
            flags.minus, flags.width = True, -flags.width
        if flags.minus:
            flags.zero = False
        if self._here() == ".":
            self.position += 1
            if indexed and self.form[self.position - 2] == "]":
                self.good_index = False
            indexed = self._index()
            flags.precision, complaint = self._number("PREC", indexed=indexed, default=0)
            complaints += complaint
            if flags.precision is not None and flags.precision < 0:
                flags.precision = None
                complaints += "%!(BADPREC)"
        if self.form[self.position - 1 : self.position] != "]":
            self._index()
        return complaints + self._value(flags)

    def _value(self, flags: _Flags) -> str:
        verb = self._here()
        self.position += 1
        if not verb:
            return "%!(NOVERB)"
        if verb == "%":
            return "%"
        if not self.good_index:
            return f"%!{verb}(BADINDEX)"
        if self.argument >= len(self.arguments):
            return f"%!{verb}(MISSING)"
        value = self.arguments[self.argument]
        self.argument += 1
        if verb == "v":
            flags.plus = False  # it asks for field names, which a map prints anyway
        if verb == "T" and value is not None:
            return _string(type_name(value), "s", flags)
        return _format(value, verb, flags)

    def _number(self, what: str, *, indexed: bool, default: int | None = None) -> tuple[int | None, str]:
        """Return a width or precision, written or taken from the arguments, and what is wrong with it."""
        if self._here() == "*":
            self.position += 1
            value = self.arguments[self.argument] if self.argument < len(self.arguments) else None
            self.argument += 1
            if type(value) is int and abs(value) <= _TOO_LARGE and self.good_index:
                return value, ""
            return None, f"%!(BAD{what})"
        start = self.position
        while self._here() and self._here() in "0123456789":
            self.position += 1
        digits = self.form[start : self.position]
        if not digits:
            return default, ""
        if indexed:
            self.good_index = False
        # More than seven digits are too many, whatever they are.
        number = int(digits[:8]) if len(digits.lstrip("0")) <= 7 else _TOO_LARGE + 1
        return (number, "") if number <= _TOO_LARGE else (None, f"%!(BAD{what})")

    def _index(self) -> bool:
        """Parse `[n]`, the number of the next argument."""
        if self._here() != "[":
            return False
        self.numbered = True
        end = self.form.find("]", self.position)
        if end < 0:
            self.good_index = False
            self.position += 1
            return True
        digits = self.form[self.position + 1 : end]
        self.position = end + 1
        fits = digits.isascii() and digits.isdecimal() and len(digits) <= 7
        if fits and 1 <= int(digits) <= len(self.arguments):
            self.argument = int(digits) - 1
        else:
            self.good_index = False
        return True


def _format(value: Any, verb: str, flags: _Flags) -> str:
    match value:
        case None:
            return flags.pad("<nil>") if verb in "vT" else f"%!{verb}(<nil>)"
        case dict() | list() | tuple():
            return _container(value, verb, flags)
        case bool() if verb in "tv":
            return flags.pad("true" if value else "false")
        case int() | float() if not isinstance(value, bool):
            return _numeric(value, verb, flags)
        case str() if verb in "vsxXq":
            return _string(value, verb, flags)
    return _bad(value, verb, flags)


def _bad(value: Any, verb: str, flags: _Flags) -> str:
    if isinstance(value, float):
        said = _float(value, "g", flags)  # with the zeros that %#g keeps
    else:
        sharp, flags.sharp = flags.sharp, False
        said = _format(value, "v", flags)
        flags.sharp = sharp
    return f"%!{verb}({type_name(value)}={said})"


def _container(value: Any, verb: str, flags: _Flags) -> str:
    syntax = verb == "v" and flags.sharp
    between = ", " if syntax else " "

    def one(item: Any) -> str:
        if item is None:
            return "interface {}(nil)" if syntax else "<nil>"
        return _format(item, verb, flags)

    if isinstance(value, dict):
        inside = between.join(f"{_format(key, verb, flags)}:{one(item)}" for key, item in sorted_items(value))
        return f"{type_name(value)}{{{inside}}}" if syntax else f"map[{inside}]"
    inside = between.join(map(one, value))
    return f"{type_name(value)}{{{inside}}}" if syntax else f"[{inside}]"


def _string(value: str, verb: str, flags: _Flags) -> str:
    if flags.precision is not None and verb not in "xX":
        value = value[: flags.precision]
    if verb == "v" and flags.sharp:
        return flags.pad(quote(value, '"'))
    if verb == "q":
        return flags.pad(_quote(value, flags))
    if verb in "xX":
        octets = value.encode("utf-8", "replace")[: flags.precision]
        text = octets.hex(" ") if flags.space and octets else octets.hex()
        if flags.sharp and octets:
            text = "0x" + text.replace(" ", " 0x")
        return flags.pad(text.upper() if verb == "X" else text)
    return flags.pad(value)


def _quote(value: str, flags: _Flags) -> str:
    plain = all(letter.isprintable() or letter == "\t" for letter in value)
    if flags.sharp and plain and "`" not in value:
        return f"`{value}`"
    return quote(value, '"', ascii_only=flags.plus)


_ESCAPES = {"\a": "a", "\b": "b", "\f": "f", "\n": "n", "\r": "r", "\t": "t", "\v": "v", "\\": "\\"}


def quote(value: str, mark: str, *, ascii_only: bool = False) -> str:
    """Go: strconv.Quote, or QuoteRune where `mark` is a single quote."""

    def one(letter: str) -> str:
        if letter == mark:
            return "\\" + letter
        if letter in _ESCAPES:
            return "\\" + _ESCAPES[letter]
        if letter.isprintable() and (letter.isascii() or not ascii_only):
            return letter
        code = ord(letter)
        if 0xD800 <= code < 0xE000:  # half of a surrogate pair: not a character
            return "\\ufffd"
        if code < 0x80:
            return f"\\x{code:02x}"
        return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"

    return mark + "".join(map(one, value)) + mark


def _numeric(value: float, verb: str, flags: _Flags) -> str:
    if isinstance(value, int):
        if verb in "vdboOxX":
            return _integer(value, "d" if verb == "v" else verb, flags)
        if verb in "cqU":
            return _character(value, verb, flags)
        if verb in "eEfFgG" and abs(value) < 1 << 1023:
            return _float(float(value), verb, flags)
    elif verb in "veEfFgG":
        return _float(value, verb, flags)
    elif verb in "dboOxX" and value.is_integer():
        return _integer(int(value), verb, flags)
    return _bad(value, verb, flags)


def _sign(flags: _Flags, *, negative: bool) -> str:
    return "-" if negative else "+" if flags.plus else " " if flags.space else ""


def _integer(value: int, verb: str, flags: _Flags) -> str:
    digits = format(abs(value), _BASES[verb])
    prefix = "0o" if verb == "O" else _PREFIXES.get(verb, "") if flags.sharp else ""
    sign = _sign(flags, negative=value < 0)
    if flags.precision is not None:
        digits = digits.rjust(flags.precision, "0") if value or flags.precision else ""
        if not digits:
            return " " * (flags.width or 0)
    elif flags.zero:
        digits = digits.rjust((flags.width or 0) - len(sign), "0")
    if flags.sharp and verb in "oO" and not digits.startswith("0"):
        digits = f"0{digits}"
    text = sign + prefix + digits
    return text.ljust(flags.width or 0) if flags.minus else text.rjust(flags.width or 0)


def _character(value: int, verb: str, flags: _Flags) -> str:
    valid = 0 <= value <= _LAST_CODE_POINT and not 0xD800 <= value < 0xE000
    letter = chr(value) if valid else _REPLACEMENT
    if verb == "U":
        text = f"U+{value & 0xFFFF_FFFF_FFFF_FFFF:0{max(4, flags.precision or 0)}X}"
        if flags.sharp and valid and letter.isprintable():
            text += f" '{letter}'"
        return text.ljust(flags.width or 0) if flags.minus else text.rjust(flags.width or 0)
    return flags.pad(quote(letter, "'", ascii_only=flags.plus) if verb == "q" else letter)


def _float(value: float, verb: str, flags: _Flags) -> str:
    alternate = flags.sharp and verb != "v"
    text = format_float(value, "g" if verb == "v" else verb, flags.precision, alternate=alternate)
    negative = text.startswith("-")
    digits = text.lstrip("+-")
    sign = _sign(flags, negative=negative)
    if not digits[0].isdigit():
        # Infinite or not a number: no leading zeros.
        text = (sign or ("+" if digits == "Inf" and flags.plus else "")) + digits
        if digits == "Inf" and not sign:
            text = "+Inf"
        return text.ljust(flags.width or 0) if flags.minus else text.rjust(flags.width or 0)
    return flags.pad_number(sign, digits)
