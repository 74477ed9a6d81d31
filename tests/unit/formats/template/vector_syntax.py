"""Literals, and templates of which each has one matter of syntax or of calling a function, right or wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

LITERALS = (
    *("0", "7", "-3", "+5", "0x1F", "0X1f", "017", "0o17", "0b101", "1_000", "0x_1", "1e3", "1.5e3", "1.50"),
    *(
        ".5",
        "5.",
        "1e-7",
        "0x1p4",
        "0x1.8p1",
        "1E+2",
        "1__0",
        "1_",
        "08",
        "0x",
        "0b2",
        "1e",
        "1x",
        "--1",
    ),
    *("1e999", "9223372036854775807", "99999999999999999999", "-0", "00", "0_7", "1e21", "123456789.0"),
    *("'a'", "'\\n'", "'\\''", "'\u00e9'", "'\\x41'", "'\\u00e9'", "''", "'ab'", "'\\\"'", "'\\101'"),
    *('""', '"a"', '"\\t|"', '"\\u00e9\\x41\\101"', '"\\q"', '"\\""', '"a\nb"', '"\\U0001f600"', '"\\400"'),
    *("`a`", "`a\\n\nb`", "`", "'", '"', "true", "false", "nil", "(nil)", "(1)", "((`a`))", "True", "null"),
)
SYNTAX = (
    *(
        "",
        "plain",
        "{{}}",
        "{{ }}",
        "{",
        "}}",
        "{{{1}}}",
        "{ {1}}",
        "{{1}}}",
        "{{1}",
        "{{1",
        "a {{- 1 -}} b",
        "{{-1}}",
    ),
    *("{{- 1}}", "{{1 -}} x", "{{1-}}", "a\n\n{{- 1 -}}\n\nb", "{{/**/}}", "{{/* a */ }}", "{{ /* a */}}"),
    *(
        "{{- /* a */ -}} b",
        "{{/* a",
        "{{-/* a */}}",
        "{{1 2}}",
        "{{1|print}}",
        "{{1 | print 2 | print 3}}",
        "{{|}}",
    ),
    *(
        "{{1 |}}",
        "{{| 1}}",
        "{{1 | 2}}",
        "{{1 | .}}",
        "{{()}}",
        "{{(1)}}",
        "{{(1}}",
        "{{1)}}",
        "{{if}}{{end}}",
    ),
    *(
        "{{if 1}}",
        "{{end}}",
        "{{else}}",
        "{{if 1}}a{{else}}b{{else}}c{{end}}",
        "{{if 0}}a{{else if 1}}b{{end}}",
    ),
    *(
        "{{if 0}}a{{else if 0}}b{{else}}c{{end}}",
        "{{with 0}}a{{else with 1}}{{.}}{{end}}",
        "{{range 1 2}}{{end}}",
    ),
    *("{{if 0}}a{{else with 1}}b{{end}}", "{{with 0}}a{{else if 1}}b{{end}}", "{{if 1}}a{{else 1}}{{end}}"),
    *(
        "{{break}}",
        "{{continue}}",
        "{{if 1}}{{break}}{{end}}",
        "{{end 1}}",
        "{{$x := 1}}{{$x}}",
        "{{$x}}",
        "{{$}}",
    ),
    *(
        "{{$x := 1}}{{$x = 2}}{{$x}}",
        "{{$x := 1 | print}}{{$x}}",
        "{{$x, $y := 1}}",
        "{{$x := $x}}",
        "{{$x:=1}}{{$x}}",
    ),
    *(
        "{{$x := 1}}{{if 1}}{{$x = 2}}{{$x := 3}}{{$x}}{{end}}{{$x}}",
        "{{if $x := 1}}{{$x}}{{end}}",
        "{{$x := }}",
    ),
    *(
        "{{.a.b}}",
        "{{. .a}}",
        "{{.a .b}}",
        "{{.a.}}",
        "{{..a}}",
        "{{. a}}",
        "{{nosuch}}",
        "{{nosuch 1}}",
        "{{print}}",
    ),
    *(
        "{{print print}}",
        "{{print (print 1) 2}}",
        "{{len}}",
        "{{len nil}}",
        "{{eq}}",
        "{{eq 1}}",
        "{{and}}",
        "{{or}}",
    ),
    *("{{not}}", "{{not 1 2}}", "{{eq 1 2 3 1}}", "{{ne 1 1 1}}", "{{lt 1}}", "{{eq 1 `a`}}", "{{lt 1 `a`}}"),
    *(
        "{{lt true false}}",
        "{{eq true false true}}",
        "{{eq nil nil}}",
        "{{eq nil 1}}",
        "{{lt nil nil}}",
        "{{index}}",
    ),
    *(
        "{{index 1}}",
        "{{index nil}}",
        "{{index nil 1}}",
        "{{index `a`}}",
        "{{slice `abc` 1}}",
        "{{slice `abc` 2 1}}",
    ),
    *(
        "{{slice `abc` 1 9}}",
        "{{slice `abc` -1}}",
        "{{slice 1}}",
        "{{slice nil}}",
        "{{printf}}",
        "{{printf 1}}",
    ),
    *("{{printf nil}}", "{{join}}", "{{upper}}", "{{upper 1}}", "{{upper nil}}", "{{split `a`}}", "{{html}}"),
    *(
        "{{and 0 (index nil 1)}}",
        "{{or 1 (index nil 1)}}",
        "{{and 1 2 3}}",
        "{{or 0 `` 3}}",
        "{{true}}",
        "{{nil}}",
    ),
    *(
        "{{true | not}}",
        "{{nil | not}}",
        "{{1 | or 0}}",
        "{{0 | and 1}}",
        "{{`a`.b}}",
        "{{1.b}}",
        "{{(print 1).b}}",
    ),
    *(
        "{{`a``b`}}",
        "{{print`a`}}",
        "{{print(1)}}",
        "{{1(2)}}",
        "{{.a(1)}}",
        "{{ if 1 }}a{{ end }}",
        "{{if1}}{{end}}",
    ),
    *(
        "{{\n1\n}}",
        "{{print\n1}}",
        "{{print\t1}}",
        "{{`a\nb`}}",
        "{{if 1}}\n{{nosuch}}{{end}}",
        "\n\n{{print (\n1}}",
    ),
    *(
        "{{range $i, $e := .}}{{$i}}={{$e}} {{end}}",
        "{{range .}}{{.}} {{end}}",
        "{{range $e := .}}{{$e}}{{end}}",
    ),
    *(
        "{{range $i, $e, $f := .}}{{end}}",
        "{{range $i, .}}{{end}}",
        "{{range nil}}a{{else}}b{{end}}",
        "{{.?}}",
        "{{a-b}}",
    ),
    *(
        "{{range .}}a{{break}}b{{end}}",
        "{{range .}}a{{continue}}b{{end}}",
        "{{range .}}{{else}}{{break}}{{end}}",
    ),
    *(
        "{{$i := 0}}{{range $i, $e := .}}{{$i}}{{end}}{{$i}}",
        "{{$i := 0}}{{range $i = .}}{{end}}{{$i}}",
        "{{#}}",
    ),
)
"""Rendered on {"a": "x", "b": "y"}."""


def literal() -> Iterator[str]:
    """Each literal, as it is printed and of which type it is."""
    for text in LITERALS:
        yield "{{" + text + "}}"
        yield "{{printf `%T %v` " + text + "}}"
