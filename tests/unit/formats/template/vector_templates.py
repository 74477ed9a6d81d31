"""Templates as users of `ls --format` and `inspect -f` write them, and what goes beyond that.

The same ones in each run. What docs/formats.md lists under "Where dinv is not Go" is not among them.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from vector_data import FLAG, LIST, MAP, NUMBER, PATHS, ROW, TEXT

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

STRINGS = ('"running"', '"docker"', '""', '"dev-1"', '"a b"', '","', '"="', '"-"', '"."', "`x<y>`", '"a\\tb"')
BETWEEN = {
    ROW: (r"\t", r"\t", r"\n", " ", ": ", "|", "-", ""),
    "inspect": (" ", ": ", "\n", "\t", "  a\n  ", "|", ", ", "}", ""),
}
LEFT = ("{{", "{{", "{{", "{{", "{{ ", "{{- ")
RIGHT = ("}}", "}}", "}}", "}}", " }}", " -}}")
COMMENTS = ("{{/* a comment */}}", "{{- /* one\nmore */ -}}", "{{/* {{.Name}} */ -}}")


class Writer:
    """Writes templates for one set of data: whatever it writes, Go takes."""

    def __init__(self, chance: random.Random, name: str) -> None:
        self.chance = chance
        self.between = BETWEEN[name]
        self.known = {kind: list(paths) for kind, paths in PATHS[name].items()}
        self.root = ""
        self.variables = 0
        self.loops = 0

    def pick(self, *choices: str) -> str:
        return self.chance.choice(choices)

    # Values

    def operand(self, kind: str, depth: int) -> str:
        if depth > 0 and self.chance.random() < 0.3:
            return f"({self.pipeline(kind, depth - 1)})"
        if kind == TEXT and self.chance.random() < 0.15:
            return self.pick(*STRINGS)
        return self.pick(*self.known[kind]).replace("@", self.root)

    def pipeline(self, kind: str, depth: int) -> str:
        if depth <= 0 or self.chance.random() < 0.25:
            return self.pick(*self.known[kind]).replace("@", self.root)
        if kind == MAP:
            return f"{self.pick('or', 'and')} {self.operands(MAP, depth, 1, 2)}"
        write = {TEXT: self.text, NUMBER: self.number, FLAG: self.flag, LIST: self.list}[kind]
        return write(depth)

    def operands(self, kind: str, depth: int, least: int, most: int) -> str:
        return " ".join(self.operand(kind, depth) for _ in range(self.chance.randint(least, most)))

    def text(self, depth: int) -> str:
        text, number, texts = (self.operand(kind, depth) for kind in (TEXT, NUMBER, LIST))
        any_kind = self.operand(self.pick(TEXT, NUMBER, FLAG, LIST, MAP), depth)
        changed = self.pick("upper", "lower", "title", "trim", "html", "urlquery", "json", "print", "printf")
        return self.pick(
            f"{self.pick('upper', 'lower', 'title', 'trim', 'html', 'urlquery', 'print', 'json')} {text}",
            f"{self.pipeline(TEXT, depth - 1)} | {changed}",
            f"{self.pick('json', 'prettyjson', 'print', 'html')} {any_kind}",
            f"{any_kind} | {self.pick('json', 'prettyjson', 'printf `%v`', 'print', 'println', 'html')}",
            f"join {texts} {self.pick(*STRINGS)}",
            f"pad {text} {self.pick('0', '1', '3')} {self.pick('0', '2')}",
            f"truncate {text} {self.pick('0', '3', '12')}",
            f"slice {text} 0 0",
            f"{self.pick('or', 'and')} {self.operands(TEXT, depth, 1, 3)}",
            f"{self.pick('print', 'println', 'html')} {self.operands(TEXT, depth, 1, 2)} {number}",
            f'printf "{self.pick("%s", "%q", "%-12s|", "%5s", "%.3s", "%v", "%x", "%T")}" {text}',
            f'printf "{self.pick("%d", "%5d", "%05d", "%x", "%v", "%+d", "%c")}" {number}',
            f'printf "{self.pick("%s=%d", "%[1]s:%[2]v", "%s", "%q, %q", "%-*[2]s|")}" {text} {number}',
            f'{text} | printf "{self.pick("%s is %s", "%20s|%s", "%v %q")}" {self.operand(TEXT, depth)}',
        )

    def number(self, depth: int) -> str:
        kind = self.pick(TEXT, LIST, MAP)
        return self.pick(
            f"len {self.operand(kind, depth)}",
            f"{self.operand(kind, depth)} | len",
            f"{self.pick('or', 'and')} {self.operands(NUMBER, depth, 1, 3)}",
        )

    def flag(self, depth: int) -> str:
        kind = self.pick(TEXT, TEXT, NUMBER)
        first, second = self.operand(kind, depth), self.operand(kind, depth)
        others = self.operands(self.pick(TEXT, FLAG, LIST, MAP, NUMBER), depth, 1, 2)
        return self.pick(
            f"{self.pick('eq', 'ne', 'lt', 'le', 'gt', 'ge')} {first} {second}",
            f"eq {first} {self.operands(kind, depth, 1, 3)}",
            f"{first} | {self.pick('eq', 'ne', 'lt', 'ge')} {second}",
            f"{self.pick('eq', 'ne')} {self.operand(FLAG, depth)} {self.operand(FLAG, depth)}",
            f"not {self.operand(self.pick(TEXT, FLAG, LIST, MAP, NUMBER), depth)}",
            f"{self.pick('and', 'or')} {others} {self.operand(FLAG, depth)}",
            f"{self.pipeline(FLAG, depth - 1)} | not",
        )

    def list(self, depth: int) -> str:
        return self.pick(
            f"split {self.operand(TEXT, depth)} {self.pick(*STRINGS)}",
            f"slice {self.operand(LIST, depth)} {self.pick('0', '0 0')}",
            f"{self.pick('or', 'and')} {self.operands(LIST, depth, 1, 2)}",
        )

    # Actions

    def braces(self, inside: str) -> str:
        return f"{self.pick(*LEFT)}{inside}{self.pick(*RIGHT)}"

    def template(self, depth: int) -> str:
        known = {kind: list(paths) for kind, paths in self.known.items()}
        parts = []
        for _ in range(self.chance.randint(1, 2)):
            parts.append(self.part(depth))
            parts.append(self.pick(*self.between))
        self.known = known
        return "".join(parts[:-1] if self.chance.random() < 0.6 else parts)

    def part(self, depth: int) -> str:
        chosen = self.chance.random()
        if chosen < 0.03:
            return self.pick(*COMMENTS)
        if chosen < 0.1:
            return self.declaration(depth)
        if depth <= 0 or chosen < 0.45:
            return self.braces(self.pipeline(self.pick(TEXT, TEXT, TEXT, NUMBER, FLAG, LIST, MAP), 2))
        return self.branch(self.pick("if", "if", "range", "with"), depth - 1)

    def declaration(self, depth: int) -> str:
        kind = self.pick(TEXT, NUMBER, FLAG, LIST)
        value = self.pipeline(kind, 1)
        variable = self.variable(kind)
        said = self.braces(f"{variable} := {value}")
        if self.chance.random() < 0.4:
            said += self.braces(f"{variable} = {self.pipeline(kind, depth)}")
        return said + self.braces(variable)

    def variable(self, kind: str) -> str:
        self.variables += 1
        name = f"$v{self.variables}"
        self.known[kind] += [name, name]
        return name

    def branch(self, word: str, depth: int) -> str:
        known, root = {kind: list(paths) for kind, paths in self.known.items()}, self.root
        kind = LIST if word == "range" else self.pick(TEXT, NUMBER, FLAG, LIST, MAP)
        item = TEXT if word == "range" else kind
        said = self.pipeline(kind, 1)
        if word == "range" and self.chance.random() < 0.5:
            said = f"{self.variable(NUMBER)}, {self.variable(TEXT)} := {said}"
        elif self.chance.random() < 0.2:
            said = f"{self.variable(item)} := {said}"
        said = self.braces(f"{word} {said}")
        if word != "if":
            self.root = "$"
            self.known[item] += [".", "."]
        if word == "range" and self.chance.random() < 0.2:
            jump = self.braces(self.pick("break", "continue"))
            said += self.braces(f"if {self.pipeline(FLAG, 1)}") + jump + self.braces("end")
        said += self.template(depth)
        self.known, self.root = known, root
        if word != "range" and self.chance.random() < 0.2:
            said += self.braces(f"else {word} {self.pipeline(FLAG, 1)}") + self.pick("a", " b ")
        if self.chance.random() < 0.4:
            said += self.braces("else") + self.template(0)
        return said + self.braces("end")


def written(chance: random.Random, name: str, count: int) -> Iterator[str]:
    """Templates that Go takes, one action or a few, and branches in branches."""
    for number in range(count):
        yield Writer(chance, name).template((0, 1, 0, 1, 0, 1, 2)[number % 7])


DAMAGE = (
    *(
        ("}}", "}"),
        ("{{end}}", ""),
        ("{{", "{{ )"),
        (" .", " "),
        ("(", ""),
        (")", ""),
        ('"', ""),
        ("if ", "if"),
    ),
    *(
        ("eq ", "eq 1 "),
        ("len ", "length "),
        ("join ", "join 1 "),
        (".Name", ".Name.First"),
        ("json ", "json 1 "),
    ),
    *(
        ("$v1", "$w"),
        (" | ", " || "),
        ("{{else}}", "{{else}}{{else}}"),
        (".Driver", ".Driver-a"),
        ("$.", "$.."),
    ),
    *(
        ("index ", "index 1 "),
        ("range ", "range $i, "),
        ("upper ", "upper 1 "),
        (":= ", ": "),
        ("-}}", "--}}"),
    ),
    *(
        ("printf ", "printf 1 "),
        ("{{", "{{/* "),
        ("slice ", "slice 9 "),
        ("not ", "not nil "),
        ("lower", "lowr"),
    ),
    *(
        (" 0", " 99"),
        ("Port", "Port.Number"),
        ("with ", "with end "),
        ("{{", "\n{{"),
        ("split ", "split true "),
    ),
)


def damaged(chance: random.Random, name: str, count: int) -> Iterator[str]:
    """Templates with one or two mistakes. Go is to say what it makes of them: some it takes."""
    while count:
        template = Writer(chance, name).template(1)
        able = [(old, new) for old, new in DAMAGE if old in template]
        if not able:
            continue
        for old, new in chance.sample(able, min(len(able), chance.randint(1, 2))):
            places = template.count(old)
            if places:
                before = chance.randrange(places)
                pieces = template.split(old)
                template = old.join(pieces[: before + 1]) + new + old.join(pieces[before + 1 :])
        count -= 1
        yield template


def printed(chance: random.Random, values: dict[str, Any], count: int) -> Iterator[str]:
    """Formats of printf, for one value each: any verb with any flags, any width and any precision."""
    forms = list(
        itertools.product(
            ("", "", "-", "+", "#", " ", "0", "+0", "-#", "+ "),
            ("", "", "8", "2"),
            ("", "", ".0", ".2", ".6", "."),
            "vvdsqxXtTboOcUeEfFgG%y",
            sorted(values),
        )
    )
    for *form, verb, name in chance.sample(forms, count):
        if not _prints_differently(verb, values[name]):
            yield f'{{{{printf "%{"".join(form)}{verb}|" .{name}}}}}'


def _prints_differently(verb: str, value: Any) -> bool:
    """docs/formats.md: integer verbs take floats, float verbs take integers, some do not take floats."""
    match value:
        case dict():
            return any(_prints_differently(verb, item) for item in value.values())
        case list():
            return any(_prints_differently(verb, item) for item in value)
        case float():
            return verb in "xXb" or (value.is_integer() and verb in "doO")
        case int():
            return verb in "eEfFgG" and not isinstance(value, bool)
    return False


def numbered(chance: random.Random, names: list[str], count: int) -> Iterator[str]:
    """Formats of printf for several values, too many or too few, by number, as width or as precision."""
    verbs = (
        "%d",
        "%s",
        "%v",
        "%*d",
        "%.*s",
        "%[2]v",
        "%[1]*d",
        "%[3]d",
        "%[x]d",
        "%-*d",
        "%%",
        "%",
        "a",
        "%!",
        "%[1]",
    )
    for _ in range(count):
        form = " ".join(chance.choices(verbs, k=chance.randint(1, 3)))
        values = chance.choices([*(f".{name}" for name in names), "3", '"w"', "-2"], k=chance.randint(0, 3))
        yield f'{{{{printf "{form}" {" ".join(values)}}}}}'.replace(" }}", "}}")


CALLS = (
    *("{{ %s }}", "{{json %s}}", "{{prettyjson %s}}", "{{print %s}}", "{{println %s %s}}", "{{html %s}}"),
    *("{{urlquery %s}}", "{{upper %s}}", "{{lower %s}}", "{{title %s}}", "{{trim %s | printf `%%q`}}"),
    *("{{not %s}}", "{{if %s}}a{{else}}b{{end}}", "{{with %s}}{{.}}{{else}}b{{end}}", "{{len %s | len}}"),
    *("{{split %s ` ` | json}}", "{{pad %s 1 2}}|", "{{or %s 1}}", "{{and %s 1}}", "{{eq %s nil}}"),
    "{{print 1 %s %s `x` %s}}",
)
"""A pattern with a place or several for a value."""


def called(names: list[str]) -> Iterator[str]:
    """Each function with each value."""
    for call, name in itertools.product(CALLS, names):
        yield call.replace("%s", f".{name}").replace("%%", "%")
