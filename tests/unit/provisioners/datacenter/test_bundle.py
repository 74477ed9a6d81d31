"""Client bundles of UCP: those that are kept, and those that nobody should unpack."""

from __future__ import annotations

import io
import os
import stat
import zipfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ucp_stand_in import keys

from dinv.errors import BundleUnusable
from dinv.provisioners.datacenter import bundle

if TYPE_CHECKING:
    from pathlib import Path

CA_KEY, CA = keys.new_ca()
GOOD = keys.bundle(CA_KEY, CA, "admin", "10.0.0.2", 443)


def packed(*entries: tuple[str | zipfile.ZipInfo, bytes], good: bool = True) -> bytes:
    """A good bundle with further entries."""
    archive = io.BytesIO(GOOD if good else b"")
    with zipfile.ZipFile(archive, "a" if good else "w", zipfile.ZIP_DEFLATED) as opened:
        for name, data in entries:
            opened.writestr(name, data)
    return archive.getvalue()


def test_a_bundle_is_kept_for_its_owner_alone(tmp_path: Path) -> None:
    found = bundle.unpack("m", GOOD)
    before = os.umask(0)
    try:
        place = bundle.keep(str(tmp_path), found)
    finally:
        os.umask(before)
    assert place == str(tmp_path / "bundle")
    there = {
        os.path.relpath(os.path.join(folder, name), place): os.path.join(folder, name)
        for folder, _, names in os.walk(place)
        for name in names
    }
    assert set(there) == set(found)
    assert "tls/docker/key.pem" in there
    for name, path in there.items():
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
        with open(path, "rb") as file:
            assert file.read() == found[name]
    for folder, _, _ in os.walk(place):
        assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
    # A new one takes its place, whole.
    bundle.keep(str(tmp_path), {name: found[name] for name in ("ca.pem", "cert.pem", "key.pem")})
    assert sorted(os.listdir(place)) == ["ca.pem", "cert.pem", "key.pem"]
    assert os.listdir(tmp_path) == ["bundle"]


def link(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)
    entry.external_attr = 0o120777 << 16
    return entry


@pytest.mark.parametrize(
    ("archive", "why"),
    [
        (b"", "not a ZIP archive"),
        (b"<html>login</html>", "not a ZIP archive"),
        (GOOD[:-200], "not a ZIP archive"),
        (packed(("../../evil", b"x")), "evil"),
        (packed(("/etc/cron.d/evil", b"x")), "evil"),
        (packed(("a/../../evil", b"x")), "evil"),
        (packed(("..\\evil", b"x")), "evil"),
        (packed(("c:evil", b"x")), "evil"),
        (packed(("a\nb", b"x")), "not in it"),
        (packed(("a/b/c/d/e/f/g", b"x")), "not in it"),
        (packed((link("tls/link"), b"/etc/passwd")), "symbolic link"),
        (packed(("ca.pem/under", b"x")), "below a file"),
        (packed(("large", b"x" * (bundle.LARGEST_FILE + 1))), "too large"),
        (packed(*((f"{number}", b"") for number in range(bundle.MOST_ENTRIES))), "are the most"),
        (packed(("some", b"x"), good=False), "no ca.pem and no cert.pem and no key.pem"),
        (packed(("ca.pem", CA), ("cert.pem", CA), ("key.pem", b"no"), good=False), "key"),
        (packed(("ca.pem", b"no"), ("cert.pem", CA), ("key.pem", CA_KEY), good=False), "ca.pem"),
        (
            packed(("ca.pem", CA), ("cert.pem", CA), ("key.pem", keys.new_ca()[0]), good=False),
            "for another key",
        ),
    ],
)
def test_what_is_refused(archive: bytes, why: str, tmp_path: Path) -> None:
    with pytest.raises(BundleUnusable, match=why):
        bundle.unpack("m", archive)
    assert os.listdir(tmp_path) == []


def test_a_size_that_is_a_lie(tmp_path: Path) -> None:
    """The archive says 10 bytes, and there are 5 MB."""
    archive = packed(("large", b"\0" * (5 * 1024 * 1024)))
    true = (5 * 1024 * 1024).to_bytes(4, "little")
    assert archive.count(true) == 2
    with pytest.raises(BundleUnusable):
        bundle.unpack("m", archive.replace(true, (10).to_bytes(4, "little")))


def test_the_same_file_twice() -> None:
    with pytest.warns(UserWarning, match="Duplicate"):
        archive = packed(("ca.pem", CA))
    with pytest.raises(BundleUnusable, match="twice"):
        bundle.unpack("m", archive)


@given(st.data())
def test_damage_anywhere_is_refused_or_harmless(data: st.DataObject) -> None:
    damaged = bytearray(GOOD)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = bundle.unpack("m", bytes(damaged))
    except BundleUnusable:
        return
    assert all(not name.startswith("/") and ".." not in name.split("/") for name in found)
