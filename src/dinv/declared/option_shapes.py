"""The options of `create` in a file, from their declarations: `memory: 4g`, `label: {team: red}`."""

from __future__ import annotations

import os

from dinv import authorities, drivers, images, plugins, provisioners
from dinv.declaration import (
    CHOICE,
    DURATION,
    INTEGER,
    NUMBER,
    PAIRS,
    PATH,
    SECONDS,
    SIZE,
    SWITCH,
)
from dinv.declared.shapes import (
    ABSENT,
    REFERENCE,
    VARIABLE,
    Reading,
    Shape,
    below,
    not_a_text,
    or_null,
    read_number,
    read_switch,
    unknown_key,
)
from dinv.errors import InputError, OptionError
from dinv.errors.plugin import PluginNotFound
from dinv.formats import strict_yaml, variables
from dinv.formats.strict_yaml import BOOLEAN, FLOAT, MAPPING, NULL, SEQUENCE
from dinv.options import CHOICES, COMMON, CONTRACT, Table, elsewhere
from dinv.timeouts import LONGEST_SECONDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from dinv.declaration import Option
    from dinv.declared.shapes import Scalar
    from dinv.formats.strict_yaml import Node
    from dinv.store.settings import Defaults

_SIZE = r"^ *[0-9]+(?:\.[0-9]+)? ?[kmgtpKMGTP]?[iI]?[bB]? *$"
_DURATION = r"^(?:[0-9]+[wW])?(?:[0-9]+[dD])?(?:[0-9]+[hH])?(?:[0-9]+[mM])?(?:[0-9]+[sS])?$"
_PAIR = r"^[^=]+="
_DUE = {
    SWITCH: "true or false",
    NUMBER: "a number",
    INTEGER: "a whole number",
    SECONDS: "a number of seconds",
    SIZE: "a size, such as 4g",
    DURATION: "a duration, such as 8h",
    PATH: "a path",
}


class OptionValue(Shape):
    """The value of one declared option."""

    def __init__(self, option: Option) -> None:
        self._option = option
        self.text = option.text

    def read(self, reading: Reading, node: Node, path: str) -> Any:
        option = self._option
        if option.secret and not (node.kind == strict_yaml.SCALAR and variables.is_reference(node.text)):
            said = "is a secret, which is not kept in a file: name a variable that has it, "
            return reading.problem(node, path, said + f"${{{option.env or 'NAME'}}}")
        if option.type == PAIRS:
            found = self._pairs(reading, node, path)
        elif option.repeatable:
            found = self._several(reading, node, path)
        else:
            found = self._one(reading, node, path)
        if found is ABSENT:
            return ABSENT
        try:
            option.value(found, {})
        except OptionError as error:
            shown = "" if error.value is None or option.secret else f"= {error.value!r} "
            return reading.problem(node, path, f"{shown}{error.reason}".replace(" :", ":"))
        return found

    def _one(self, reading: Reading, node: Node, path: str) -> Any:  # noqa: PLR0911  (one for each kind)
        option = self._option
        scalar = reading.scalar(node, path, _DUE.get(option.type, "a text"))
        if scalar is None:
            return ABSENT
        if option.type == SWITCH:
            return read_switch(reading, node, path, scalar)
        if option.type in (NUMBER, INTEGER, SECONDS):
            return read_number(reading, node, path, scalar)
        if option.type == SIZE and scalar.meaning in (strict_yaml.INTEGER, FLOAT):
            return self._bytes(reading, node, path, scalar)
        if scalar.meaning in (BOOLEAN, NULL):
            return reading.problem(node, path, not_a_text(scalar))
        if (
            scalar.text == ""
            and scalar.meaning != VARIABLE
            and option.type in (SIZE, DURATION, CHOICE, PAIRS)
        ):
            return reading.problem(node, path, f"is empty, and has to be {_DUE.get(option.type, 'a text')}")
        return self._path(scalar.text, reading) if option.type == PATH else scalar.text

    def _bytes(self, reading: Reading, node: Node, path: str, scalar: Scalar) -> Any:
        found = read_number(reading, node, path, scalar)
        if found is ABSENT or (found >= 0 and found == int(found)):
            return found if found is ABSENT else int(found)
        return reading.problem(node, path, f"= {scalar.text} is not a size; a whole number of bytes, or 1.5g")

    def _several(self, reading: Reading, node: Node, path: str) -> Any:
        if not reading.is_kind(node, path, SEQUENCE):
            return ABSENT
        found = [self._one(reading, each, f"{path}[{place}]") for place, each in enumerate(node.items)]
        return ABSENT if any(each is ABSENT for each in found) else found

    def _pairs(self, reading: Reading, node: Node, path: str) -> Any:
        if node.kind == SEQUENCE:
            texts = self._several(reading, node, path)
            if texts is ABSENT:
                return ABSENT
            keys = [text.partition("=")[0] for text in texts]
            plain = all("=" in text for text in texts) and not any("${" in key for key in keys)
            if len(set(keys)) == len(keys) and plain:
                return dict(text.split("=", 1) for text in texts)
            return texts
        if not reading.is_kind(node, path, MAPPING, due="a mapping or a list"):
            return ABSENT
        found: dict[str, Any] = {}
        for key, value in node.pairs:
            at = below(path, key.text)
            reading.places[at] = key.line, key.column
            if not key.text or "=" in key.text:
                found[key.text] = reading.problem(key, path, f"has {key.text!r}, which cannot be a key")
            elif "${" in key.text:
                said = f"has {key.text!r}: keys have no variables. A list of pairs has: - {key.text}=..."
                found[key.text] = reading.problem(key, path, said)
            elif value.is_null:
                found[key.text] = self._bare(reading, value, at)
            elif (scalar := reading.scalar(value, at, "a text")) is None:
                found[key.text] = ABSENT
            else:
                found[key.text] = scalar.text.lower() if scalar.meaning == BOOLEAN else scalar.text
        return ABSENT if any(each is ABSENT for each in found.values()) else _listed(found)

    def _bare(self, reading: Reading, node: Node, path: str) -> Any:
        if self._option.bare:
            return None
        return reading.problem(node, path, 'is empty: write "" for an empty text')

    @staticmethod
    def _path(text: str, reading: Reading) -> str:
        """Return a path as it is meant from the file."""
        if not text or not reading.directory or text.startswith(("/", "~")):
            return text
        return os.path.join(reading.directory, text)

    def schema(self) -> dict[str, Any]:
        option = self._option
        if option.secret:
            return {"type": "string", "pattern": r"^\$(?:[A-Za-z_][A-Za-z0-9_]*|\{[^{}$]*\})$"}
        own = _values(option)
        if option.type == PAIRS:
            item = {**own, "pattern": _PAIR}
            if option.bare:
                item = {"type": ["string", "number"], "pattern": "^[^=]"}
            value: dict[str, Any] = {"type": ["string", "number", "boolean"]}
            if option.bare:
                value["type"].append("null")
            mapping = {
                "type": "object",
                "propertyNames": {"pattern": r"^(?!.*\$\{)[^=]+$"},
                "additionalProperties": value,
            }
            return {"anyOf": [mapping, {"type": "array", "items": item}]}
        any_text = own.get("type") == ["string", "number"]
        if not any_text:
            own = {"anyOf": [*own.get("anyOf", [own]), REFERENCE]}
        return {"type": "array", "items": own} if option.repeatable else own


_VALUES: dict[str, dict[str, Any]] = {
    SWITCH: {"type": "boolean"},
    NUMBER: {"type": "number"},
    INTEGER: {"type": "integer"},
    SECONDS: {"type": "number", "exclusiveMinimum": 0, "maximum": LONGEST_SECONDS},
    SIZE: {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": _SIZE}]},
    DURATION: {"type": "string", "pattern": _DURATION},
    PAIRS: {"type": "string"},
}


def _values(option: Option) -> dict[str, Any]:
    """Return the schema of one value without variables."""
    if option.type == CHOICE:
        return {"type": "string", "enum": list(option.values)}
    found = _VALUES.get(option.type) or {"type": ["string", "number"]}
    return {**found, "examples": list(option.values)} if option.values else dict(found)


def _listed(found: Mapping[str, Any]) -> dict[str, Any] | list[str]:
    """Return pairs as a mapping; as a list if one of them stands alone, which a mapping cannot say."""
    if all(value is not None for value in found.values()):
        return dict(found)
    return [key if value is None else f"{key}={value}" for key, value in found.items()]


class CreateOptions(Shape):
    """A mapping of options of `create`, and of `extra` ones that stand beside them.

    Which there are depends on the driver and so on that the mapping names; where it names none, on the
    variables in `environ` and on the store's `defaults`, as for `create` itself. What the document has for
    all (`Reading.inherited`) holds where the mapping has nothing under the same key.
    """

    def __init__(
        self,
        text: str = "",
        *,
        extra: Iterable[Option] = (),
        environ: Mapping[str, str] | None = None,
        defaults: Defaults | None = None,
        without: Iterable[str] = (),
    ) -> None:
        self.text = text
        self._extra = tuple(extra)
        self._environ = environ or {}
        self._defaults = defaults
        self._without = tuple(without)

    def read(self, reading: Reading, node: Node, path: str) -> Any:
        if not reading.is_kind(node, path, MAPPING):
            return ABSENT
        own = {key.text for key, _ in node.pairs}
        extra = {option.name: option for option in self._extra}
        inherited = [(key, value) for key, value in reading.inherited if key.text not in own]
        pairs = [*node.pairs, *inherited]
        table = self._table(reading, pairs, path)
        if table is None:
            return ABSENT
        known = {option.name: option for option in table if option.name not in self._without} | extra
        found: dict[str, Any] = {}
        for key, value in pairs:
            at = below(path, key.text)
            reading.places[at] = key.line, key.column
            option = known.get(key.text)
            if option is None:
                elsewhere_known = (key, value) in inherited and (
                    key.text in self._without or elsewhere(key.text.replace("-", "_"))
                )
                if not elsewhere_known and key.text in self._without:
                    reading.problem(
                        key,
                        path,
                        f'has no key "{key.text}": create has that option, but it cannot be given here',
                    )
                elif not elsewhere_known:
                    reading.problem(key, path, _unknown(key.text, known))
            elif not value.is_null:
                found[key.text] = OptionValue(option).read(reading, value, at)
        if any(value is ABSENT for value in found.values()):
            return ABSENT
        given = {known[name].key: value for name, value in found.items() if name not in extra}
        try:
            table.values(given, self._environ)
        except InputError as error:
            return reading.problem(node, path, f"cannot be used: {error.text}")
        return found

    def _read_common(self, reading: Reading, node: Node, path: str) -> Any:
        """Read options that are for whatever takes them: each is of the driver and so on, or of another."""
        if not reading.is_kind(node, path, MAPPING):
            return ABSENT
        table = self._table(reading, node.pairs, path)
        if table is None:
            return ABSENT
        known, others = {option.name: option for option in table}, _all(())
        found: dict[str, Any] = {}
        for key, value in node.pairs:
            at = below(path, key.text)
            reading.places[at] = key.line, key.column
            option = known.get(key.text) or next(iter(others.get(key.text, ())), None)
            if option is None:
                reading.problem(key, path, _unknown(key.text, known))
            elif not value.is_null:
                found[key.text] = OptionValue(option).read(reading, value, at)
        return ABSENT if any(value is ABSENT for value in found.values()) else found

    def _table(self, reading: Reading, pairs: list[tuple[Node, Node]], path: str) -> Table | None:
        """Return the options for what the mapping names; None if that is not there, which is noted."""
        named = {option.name: option.key for option in CHOICES} | {CONTRACT.replace("_", "-"): CONTRACT}
        implied = [option for target in authorities.IMPLIED.values() for option in plugins.load(target)]
        named |= {option.name: option.key for option in implied}
        named |= {"swarm": "swarm", "swarm-master": "swarm_master"}
        given: dict[str, Any] = {}
        for key, value in pairs:
            if key.text in named and not value.is_null:
                # Whatever is wrong with the value is noted when it is read.
                scalar = Quiet(reading).scalar(value, path, "")
                if scalar is not None:
                    given[named[key.text]] = scalar.text
        while True:
            try:
                return Table.chosen(given, self._environ, self._defaults)
            except PluginNotFound as error:
                name = error.what.replace(" ", "-")
                at = next((value for key, value in pairs if key.text == name), None)
                if at is None or given.pop(named[name], None) is None:
                    raise
                reading.problem(at, below(path, name), f"= {error.name!r} is not one. {error.hint}")
            except InputError as error:
                if not pairs:
                    raise
                reading.problem(pairs[0][0], path, f"cannot be used: {error.text}")
                return None

    def schema(self) -> dict[str, Any]:
        properties = {
            name: or_null(_either(shapes))
            for name, shapes in sorted(_all(self._extra).items())
            if name not in self._without
        }
        return {"type": "object", "properties": properties, "additionalProperties": False}


class CommonOptions(CreateOptions):
    """Options of `create` for all that have them: those of other drivers than the usual one among them."""

    def read(self, reading: Reading, node: Node, path: str) -> Any:
        return self._read_common(reading, node, path)


class Quiet:
    """Reads scalars as a Reading does, and notes nothing."""

    def __init__(self, reading: Reading) -> None:
        self._variables = reading.variables

    def scalar(self, node: Node, path: str, due: str) -> Scalar | None:
        """Return a single value; None if it cannot be had."""
        return Reading(self._variables).scalar(node, path, due)


def _all(extra: Iterable[Option]) -> dict[str, list[Option]]:
    """Return the options of all that is installed, by name: a name may be several seams' own."""
    found: dict[str, list[Option]] = {}
    groups: list[Iterable[Option]] = [COMMON, tuple(extra)]
    for seam in (drivers.SEAM, provisioners.SEAM, authorities.SEAM, images.SEAM):
        for name in seam.known():
            try:
                groups.append(seam.find(name).create_flags())
            except Exception:  # noqa: BLE001, S112  (somebody else's package: `dinv plugins` says what is wrong)
                continue
    for options in groups:
        for option in options:
            there = found.setdefault(option.name, [])
            if option not in there:
                there.append(option)
    return found


def _either(options: list[Option]) -> dict[str, Any]:
    shapes: list[dict[str, Any]] = []
    for option in options:
        schema = OptionValue(option).schema()
        if schema not in shapes:
            shapes.append(schema)
    texts = list(dict.fromkeys(option.text for option in options))
    described: dict[str, Any] = {"description": "; or: ".join(texts)}
    return described | (shapes[0] if len(shapes) == 1 else {"anyOf": shapes})


def _unknown(key: str, known: Mapping[str, Option]) -> str:
    """Say that there is no such option: whose it is, how it is written, or which was meant."""
    if key.replace("_", "-") in known:
        return f'has no key "{key}". Write it as the flag: {key.replace("_", "-")}'
    switched = next((option.name for option in known.values() if option.off == key), "")
    if switched:
        return f'has no key "{key}". Write "{switched}: false"'
    if (secret := key.lstrip("-")) != key:
        return f'has no key "{key}". Write it without dashes before it: {secret}'
    whose = elsewhere(key.replace("-", "_"))
    if whose:
        return f'has no key "{key}" here. It is an option of {whose}'
    return unknown_key(key, known)
