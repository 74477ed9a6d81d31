"""NAME:PATH, as scp and mount read it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dinv.access.place import Place
from dinv.errors import InputError
from dinv.formats.visible import one_line

NAMES = st.from_regex(r"[a-z][a-z0-9.-]{0,8}", fullmatch=True)
PATHS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)


@given(NAMES.filter(lambda name: name != "localhost"), PATHS)
def test_a_name_before_a_colon_is_a_machine(name: str, path: str) -> None:
    for text in (f"{name}:{path}", f"root@{name}:{path}"):
        place = Place.parse(text)
        assert (place.machine, place.path) == (name, path)


@given(PATHS.filter(lambda path: path != "" and ":" not in path))
def test_without_a_colon_it_is_here(path: str) -> None:
    assert (Place.parse(path).machine, Place.parse(path).path) == (None, path)


@given(st.sampled_from(["./", "/", "a/", "../", ":"]), PATHS)
def test_a_slash_before_the_colon_or_nothing_is_here(start: str, path: str) -> None:
    place = Place.parse(f"{start}{path}:x")
    assert (place.machine, place.path) == (None, f"{start}{path}:x")


def test_localhost_is_here() -> None:
    assert [Place.parse(text).path for text in ("localhost:", "localhost:a:b")] == [".", "a:b"]
    assert Place.parse("localhost:a").machine is None


@given(PATHS)
def test_any_text_is_a_place_or_an_input_error(text: str) -> None:
    try:
        place = Place.parse(text)
    except InputError:
        assert not text or "@" in text
    else:
        assert str(place) == one_line(str(place))


@pytest.mark.parametrize("text", ["", "a\0b", "m:a\0b"])
def test_what_is_no_place(text: str) -> None:
    with pytest.raises(InputError):
        Place.parse(text)


@given(PATHS)
def test_in_a_machine_a_bare_path_is_that_of_the_one_meant(text: str) -> None:
    try:
        place, plain = Place.of_machine(text), Place.parse(text)
    except InputError:
        assert not text or text.startswith("localhost:") or "@localhost:" in text
        return
    assert (place.machine, place.path, place.user) == (plain.machine, plain.path, plain.user)


@pytest.mark.parametrize("text", ["localhost:", "localhost:/x", "ann@localhost:x"])
def test_what_is_here_is_in_no_machine(text: str) -> None:
    with pytest.raises(InputError, match="is a path here; name a machine: NAME:"):
        Place.of_machine(text)
