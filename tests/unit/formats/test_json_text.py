"""JSON of others: what the package json makes of it, with a bound to its depth, and without loading that."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dinv.formats import json_text

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
NEARLY = st.text(alphabet='{}[]",: \n\t\\u0aef\0\ufeff\ud8001.-+eENaInfitytrulsn/\x1f\u20ac', max_size=30)


@given(VALUES, st.sampled_from([None, 4]), st.booleans(), st.sampled_from(["", " ", "\r\n\t "]))
def test_it_is_read_as_json_reads_it(
    value: object,
    indent: int | None,
    ascii_only: bool,  # noqa: FBT001  (hypothesis passes by place)
    space: str,
) -> None:
    text = space + json.dumps(value, indent=indent, ensure_ascii=ascii_only) + space
    assert json_text.parse(text) == json.loads(text)
    assert json_text.parse(text.encode("utf-8", "surrogatepass")) == json.loads(text)


def outcome(parse: Any, text: str | bytes) -> str:
    try:
        return repr(parse(text))
    except ValueError as error:
        return f"{type(error).__name__}: {error}"


@given(NEARLY)
def test_what_is_nearly_json_is_told_as_json_tells_it(text: str) -> None:
    assert outcome(json_text.parse, text) == outcome(json.loads, text)
    data = text.encode("utf-8", "surrogatepass")
    assert outcome(json_text.parse, data) == outcome(json.loads, data)


@given(st.binary(max_size=20))
def test_any_bytes_are_a_value_or_a_value_error(data: bytes) -> None:
    assert outcome(json_text.parse, data) == outcome(json.loads, data)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32", "utf-16-le"])
def test_other_encodings(encoding: str) -> None:
    assert json_text.parse('{"é": [1]}'.encode(encoding)) == {"é": [1]}


def test_numbers_that_json_does_not_have() -> None:
    assert math.isnan(json_text.parse("NaN"))
    assert json_text.parse("[-Infinity]") == [-math.inf]


@pytest.mark.parametrize("text", ["[" * 300 + "]" * 300, '{"a":' * 100_000 + "1" + "}" * 100_000])
def test_what_is_nested_too_deep(text: str) -> None:
    with pytest.raises(ValueError, match="nested too deep"):
        json_text.parse(text)


def test_the_package_json_is_not_loaded_for_it() -> None:
    program = (
        "from dinv.formats import json_text; import sys; json_text.parse(b'{\"a\": [1.5, true]}')\n"
        "sys.exit('json' in sys.modules or 're' in sys.modules)"
    )
    paths = os.pathsep.join(sys.path)
    subprocess.run([sys.executable, "-S", "-c", program], check=True, timeout=60, env={"PYTHONPATH": paths})


@given(VALUES, st.text(max_size=5))
def test_the_first_value_is_read_whatever_comes_after_it(value: object, rest: str) -> None:
    text = json.dumps([value]) + " " + rest
    assert json_text.first(text) == [value]


@given(NEARLY)
def test_the_first_value_is_refused_as_json_refuses_it(text: str) -> None:
    def reading(text: str | bytes) -> Any:
        return json.JSONDecoder(strict=False).raw_decode(str(text))[0]

    assert outcome(json_text.first, text) == outcome(reading, text)


@pytest.mark.parametrize("name", ["parse", "first"])
def test_what_is_cut_short_is_told_by_a_python_that_has_not_loaded_json_yet(name: str) -> None:
    """There the scanner has no error of its own to raise, and Python calls that a SystemError."""
    program = (
        f"from dinv.formats.json_text import {name} as parse\n"
        "try:\n"
        "    parse('{\"a\": 1')\n"
        "except ValueError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.startswith("Expecting ',' delimiter")


@given(VALUES)
def test_it_is_written_as_json_writes_it(value: object) -> None:
    assert json_text.text(value) == json.dumps(value)


def test_what_json_does_not_have_is_not_written() -> None:
    with pytest.raises(TypeError):
        json_text.text({"a": [b"bytes"]})
    assert json_text.text({1: True}) == '{"1": true}'
