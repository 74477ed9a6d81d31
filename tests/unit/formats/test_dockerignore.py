"""Which files a `.dockerignore` keeps out of a build."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dinv.formats.dockerignore import excluded


# From moby/patternmatcher: patternmatcher_test.go, and docker's reference of the file.
@pytest.mark.parametrize(
    ("text", "path", "expected"),
    [
        ("", "a", False),
        ("# a\n\n", "a", False),
        ("machine", "machine", True),
        ("machine", "machine/Dockerfile", True),
        ("machine", "machines", False),
        ("machine", "own/machine", False),
        ("/machine/", "machine/x", True),
        ("*.tar", "a.tar", True),
        ("*.tar", "own/a.tar", False),
        ("*/*.tar", "own/a.tar", True),
        ("**/*.tar", "a.tar", True),
        ("**/*.tar", "own/deep/a.tar", True),
        ("own/**", "own/deep/a.tar", True),
        ("own/**", "ownership", False),
        ("a?c", "abc", True),
        ("a?c", "a/c", False),
        ("[a-c]x", "bx", True),
        ("[^a]x", "ax", False),
        ("[^a]x", "bx", True),
        ("a\\*b", "a*b", True),
        ("a\\*b", "axb", False),
        ("a.b", "axb", False),
        ("[z-a]", "b", False),
        ("[--0]", "x", False),
        ("*.md\n!README.md", "README.md", False),
        ("*.md\n!README.md", "OTHER.md", True),
        ("!README.md\n*.md", "README.md", True),
        ("own\n!own/kept", "own/kept/file", False),
        ("./own/../x", "x", True),
        (".", "a", False),
    ],
)
def test_the_last_pattern_that_fits_decides(text: str, path: str, *, expected: bool) -> None:
    assert excluded(text)(path) is expected


@given(st.text(max_size=30), st.text(min_size=1, max_size=10))
def test_any_text_is_read(text: str, path: str) -> None:
    assert excluded(text)(path) in (True, False)
