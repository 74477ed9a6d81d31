"""VIC's filter specifications, by the scenarios of lib/archive/util_test.go and by what was observed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dinv.testing.vch.rules import filter_spec

MOUNTS = ["/data", "/data/deep", "/"]
PATHS = st.text(alphabet="/ab.", max_size=12).map(lambda text: f"/{text}")


def _kept(mounts: list[str], path: str, disks: dict[str, list[str]]) -> list[str]:
    """The names that are read, of entries of each disk."""
    return [
        spec.renamed(place, directory=place.endswith("!"))
        for mount, spec in filter_spec.readers(mounts, path)
        for place in disks.get(mount, [])
        if not spec.excludes(place)
    ]


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("/p/x", ["x", "x/f", "x/.d", "x/y"]),
        ("/p/x/", ["x", "x/f", "x/.d", "x/y"]),
        ("/p/x/.", ["f"]),
        ("/p/z", ["z"]),
        ("/p", ["p", "p/x", "p/x/f", "p/x.d", "p/xy", "p/z"]),
        ("/data", ["data", "data/v", "data/deep", "data/deep/w"]),
        # "/" is what remains of it, which no entry begins with: VIC gives nothing of the volume itself.
        ("/data/.", ["deep/w"]),
        ("/data/v", ["v"]),
        ("/data/deep/w", ["w"]),
        ("/", ["p", "p/x", "p/x/f", "p/x.d", "p/xy", "p/z", "data", "data/v", "data/deep", "data/deep/w"]),
    ],
)
def test_what_is_read(path: str, names: list[str]) -> None:
    own = ["p", "p/x", "p/x/f", "p/x.d", "p/xy", "p/z", "data", "data/hidden"]
    disks = {"/": own, "/data": ["v", "deep", "deep/hidden"], "/data/deep": ["w"]}
    assert sorted(_kept(MOUNTS, path, disks)) == sorted(names)


@pytest.mark.parametrize(
    ("path", "name", "mount", "place"),
    [
        ("/", "f", "/", "/f"),
        ("/", "data/f", "/data", "/f"),
        ("/", "data/deep/f", "/data/deep", "/f"),
        ("/data", "f", "/data", "/f"),
        ("/data", "deep/f", "/data/deep", "/f"),
        ("/data/a/", "./f", "/data", "/a/f"),
        ("/tmp", "./", "/", "/tmp"),
        ("/tmp", "../../f", "/", "/f"),
        # The beginning of a text: beside a mount point is taken for in it.
        ("/database", "f", "/data", "/base/f"),
    ],
)
def test_where_a_member_is_written(path: str, name: str, mount: str, place: str) -> None:
    found, spec = filter_spec.writer(MOUNTS, path, name)
    assert (found, spec.placed(name)) == (mount, place)


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/", None),
        ("/data", None),
        ("/da", None),
        ("/data/deep", None),
        ("/data/f", ("/data", "f")),
        ("/data/deep/f/", ("/data/deep", "f")),
        ("/etc/passwd", ("/", "etc/passwd")),
        ("/database", ("/data", "base")),
    ],
)
def test_where_a_path_is_looked_for(path: str, target: tuple[str, str] | None) -> None:
    assert filter_spec.stat_target(MOUNTS, path) == target


@given(PATHS, PATHS)
def test_any_path_has_a_place(path: str, name: str) -> None:
    assert filter_spec.readers(MOUNTS, path)
    filter_spec.stat_target(MOUNTS, path)
    mount, spec = filter_spec.writer(MOUNTS, path, name)
    assert mount in MOUNTS
    assert spec.placed(name).startswith("/")
    assert ".." not in spec.placed(name).split("/")
