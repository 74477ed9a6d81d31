"""Adopting: what is put in, what a failure leaves, and what somebody is asked."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING, Any, cast

import pytest
from fake_driver import install

from dinv.channel import File, FileStat
from dinv.cli import main
from dinv.errors import InputError
from dinv.lifecycle import adopt
from dinv.machines import Machines

if TYPE_CHECKING:
    from pathlib import Path

    from dinv.channel import Channel


@pytest.mark.parametrize(
    ("container", "name"),
    [("photon", "photon"), ("/my_dind", "my-dind"), ("a__b.c", "a-b.c"), ("x" * 99, "x" * 68), ("-a-", "a")],
)
def test_a_name_is_made_of_the_containers(container: str, name: str) -> None:
    assert adopt.name_for(container) == name


def test_one_that_has_none_is_to_be_given_one() -> None:
    with pytest.raises(InputError, match="dinv adopt __ NAME"):
        adopt.name_for("__")


class Files:
    """A container's files."""

    def __init__(self, files: dict[str, tuple[bytes, int]]) -> None:
        self.files = files

    def stat(self, path: str) -> FileStat | None:
        if path not in self.files:
            return None
        return FileStat(path, is_directory=False, is_regular=True, size=len(self.files[path][0]))

    def get_archive(self, path: str) -> Any:
        packed = io.BytesIO()
        content, mode = self.files[path]
        with tarfile.open(fileobj=packed, mode="w") as tar:
            entry = tarfile.TarInfo(path.rpartition("/")[2])
            entry.size, entry.mode = len(content), mode
            tar.addfile(entry, io.BytesIO(content))
        packed.seek(0)
        return packed


def test_what_is_replaced_is_read_first() -> None:
    files = cast(
        "Channel", Files({"/certs/key": (b"secret", 0o400), "/big": (b"x" * (1 << 20) + b"x", 0o644)})
    )
    found = adopt._read(files, "/certs/key")
    assert isinstance(found, File)
    assert (found.path, found.content, found.mode) == ("/certs/key", b"secret", 0o400)
    assert adopt._read(files, "/certs/none") is None
    assert adopt._read(files, "/big") is None


@pytest.mark.parametrize(("answer", "status", "asked"), [("n\n", 0, False), ("", 1, False), ("y\n", 0, True)])
def test_somebody_is_asked_first(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    *,
    answer: str,
    status: int,
    asked: bool,
) -> None:
    monkeypatch.setenv("MACHINE_STORAGE_PATH", str(tmp_path / "store"))
    install(monkeypatch, str(tmp_path / "endpoint"))
    monkeypatch.setenv("MACHINE_DRIVER", "fake")
    assert main(["create", "made", "-q"]) == 0
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))
    calls: list[tuple[str, str]] = []

    def adopt(self: Machines, container: str, name: str = "", **_: Any) -> Any:
        calls.append((container, name))
        return self.get("made")

    monkeypatch.setattr(Machines, "adopt", adopt)
    assert main(["adopt", "photon", "dev"]) == status
    said = capsys.readouterr().out
    assert "refuses its earlier clients" in said
    assert calls == ([("photon", "dev")] if asked else [])
    assert ("dinv env made" in said) == asked
