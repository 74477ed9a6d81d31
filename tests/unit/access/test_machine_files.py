"""Files of one machine, as a program puts and gets them."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dinv.access import files
from dinv.access.files import Files
from dinv.errors import InputError

if TYPE_CHECKING:
    from dinv.access.place import Place


class FakeHost:
    name = "dev"


@pytest.fixture
def copies(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, bytes, int, bool]]:
    """What was copied: from where, to where, content and mode of what is here, and whether recursively."""
    found: list[tuple[str, str, bytes, int, bool]] = []

    def copy(source: Place, target: Place, *, recursive: bool, hosts: Any, progress: Any = None) -> None:
        if source.machine:
            Path(target.path).write_bytes(b"theirs")
        here = source.path if source.machine is None else target.path
        mode = stat.S_IMODE(os.stat(here).st_mode)
        found.append((str(source), str(target), Path(here).read_bytes(), mode, recursive))

    monkeypatch.setattr(files, "copy", copy)
    return found


@pytest.fixture
def machine() -> Files:
    host: Any = FakeHost()
    hosts: Any = None
    return Files(host, hosts)


@pytest.mark.parametrize(
    ("path", "directory"),
    [("/etc/motd", "dev:/etc/"), ("motd", "dev:./"), ("~/motd", "dev:~/"), ("/motd", "dev:/")],
)
def test_bytes_are_a_file_of_that_name(
    machine: Files, copies: list[tuple[str, str, bytes, int, bool]], path: str, directory: str
) -> None:
    machine.put(b"content", path, mode=0o640)
    ((source, target, content, mode, _),) = copies
    assert os.path.basename(source) == "motd"
    assert (target, content, mode) == (directory, b"content", 0o640)
    assert not os.path.exists(source), "nothing is left here"


def test_what_is_here_is_copied_with_all_in_it(
    machine: Files, copies: list[tuple[str, str, bytes, int, bool]], tmp_path: Path
) -> None:
    here = tmp_path / "file"
    here.write_bytes(b"mine")
    machine.put(here, "/srv/")
    machine.put(str(here), "/srv/")
    machine.get("/srv/file", tmp_path / "copy")
    assert [(source, target, recursive) for source, target, _, _, recursive in copies] == [
        (str(here), "dev:/srv/", True),
        (str(here), "dev:/srv/", True),
        ("dev:/srv/file", str(tmp_path / "copy"), True),
    ]


def test_what_a_file_holds(machine: Files, copies: list[tuple[str, str, bytes, int, bool]]) -> None:
    assert machine.read("/etc/motd") == b"theirs"
    assert not os.path.exists(copies[0][1]), "nothing is left here"
    assert copies[0][4] is False, "a directory has no content"


@pytest.mark.parametrize("path", ["", "/", "/etc/", "/etc/.", "..", "a\0b"])
def test_paths_that_no_file_can_have(
    machine: Files, copies: list[tuple[str, str, bytes, int, bool]], path: str
) -> None:
    with pytest.raises(InputError):
        machine.put(b"content", path)
    assert copies == []
