from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dinv.engine.wire.streams import Demultiplexer, JSONLines, Plain
from dinv.errors import ServerError


def _frame(number: int, payload: bytes) -> bytes:
    return bytes([number, 0, 0, 0]) + len(payload).to_bytes(4, "big") + payload


def _split(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[a:b] for a, b in pairwise(places)]


frames = st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=40)), max_size=8)


@given(frames, st.lists(st.integers(0, 1000)))
def test_demultiplexer_gives_the_same_however_it_is_cut(
    sent: list[tuple[int, bytes]], cuts: list[int]
) -> None:
    data = b"".join(_frame(number, payload) for number, payload in sent)
    decoder = Demultiplexer()
    got = [frame for piece in _split(data, cuts) for frame in decoder.feed(piece)]
    decoder.end()
    assert got == [("stdout" if number == 1 else "stderr", payload) for number, payload in sent if payload]


@given(st.binary(min_size=1, max_size=20), st.integers(1, 27))
def test_demultiplexer_cut_short(payload: bytes, at: int) -> None:
    data = _frame(1, payload)
    decoder = Demultiplexer()
    decoder.feed(data[: min(at, len(data) - 1)])
    with pytest.raises(ValueError, match="within a frame"):
        decoder.end()


@pytest.mark.parametrize(
    "data", [b"hello world", b"\x01\x00\x01\x00\x00\x00\x00\x01x", b"\x01\0\0\0\xff\0\0\0"]
)
def test_demultiplexer_refuses_what_is_not_multiplexed(data: bytes) -> None:
    with pytest.raises(ValueError, match="not a frame"):
        Demultiplexer().feed(data)


def test_daemons_own_error() -> None:
    with pytest.raises(ServerError, match="log driver broke"):
        Demultiplexer().feed(_frame(3, b"log driver broke\n"))


def test_plain() -> None:
    decoder = Plain()
    assert decoder.feed(b"a\r\nb") == [("stdout", b"a\r\nb")]
    decoder.end()


objects = st.lists(
    st.dictionaries(
        st.text(max_size=5), st.one_of(st.integers(), st.text(max_size=10), st.none()), max_size=3
    ),
    max_size=6,
)


@given(
    objects, st.lists(st.integers(0, 1000)), st.sampled_from(["\n", "\r\n", ""]), st.sampled_from(["", "\n"])
)
def test_json_lines_give_the_same_however_they_are_cut(
    sent: list[dict[str, Any]], cuts: list[int], separator: str, last: str
) -> None:
    text = separator.join(json.dumps(one, ensure_ascii=False) for one in sent) + last
    decoder = JSONLines()
    got = [found for piece in _split(text.encode(), cuts) for found in decoder.feed(piece)]
    got += decoder.end()
    assert got == sent


@pytest.mark.parametrize("data", [b"nonsense\n", b'{"a": \n', b"[1]\n"])
def test_json_lines_refuse(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"Expecting|not an object"):
        JSONLines().feed(data)


def test_json_lines_cut_short() -> None:
    decoder = JSONLines()
    assert decoder.feed(b'{"a": 1}\n{"b"') == [{"a": 1}]
    with pytest.raises(ValueError, match="Expecting"):
        decoder.end()
