"""Temporary files, also where there can be none."""

from __future__ import annotations

import os
import tempfile

import pytest

from dinv.errors import InputError
from dinv.system import scratch


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container whose file system is read-only."""

    def fail(*_: object, **__: object) -> None:
        raise FileNotFoundError(2, "No usable temporary directory found")

    for name in ("TemporaryFile", "TemporaryDirectory", "gettempdir"):
        monkeypatch.setattr(tempfile, name, fail)


def test_they_are_gone_when_they_are_closed() -> None:
    with scratch.file() as first, scratch.small() as second:
        for made in (first, second):
            made.write(b"x")
            made.seek(0)
            assert made.read() == b"x"
    with scratch.directory("dinv-x-") as path:
        assert os.listdir(path) == []
        assert os.stat(path).st_mode & 0o777 == 0o700
    assert not os.path.exists(path)


@pytest.mark.usefixtures("nowhere")
def test_without_a_directory_for_them_it_is_said_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"No usable temporary directory.*TMPDIR"):
        scratch.file()
    with pytest.raises(InputError, match="TMPDIR"):
        scratch.place()
    with pytest.raises(InputError, match="TMPDIR"), scratch.directory("x"):
        pass
    with scratch.small() as made:  # in memory
        assert made.fileno() > 0
    monkeypatch.delattr(os, "memfd_create")
    with pytest.raises(InputError, match="TMPDIR"):
        scratch.small()
