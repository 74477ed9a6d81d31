"""`dinv image export`: what it takes, and what it says."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from dinv.cli import main
from dinv.image_building.vm.exporting import ExportedImage

if TYPE_CHECKING:
    from pathlib import Path

URL = "tcp://127.0.0.1:23760"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["image", "export"],
            "image export takes REF, the image; with --format certificates or userdata",
        ),
        (
            ["image", "export", "--format", "vmdk", "dinv"],
            '"vmdk" is not a format of image export: qcow2',
        ),
        (["image", "export", "--url", URL, "dinv"], "--url is not for image export --format qcow2"),
        (
            ["image", "export", "--format", "certificates", "vm1"],
            "certificates takes --url",
        ),
        (
            ["image", "export", "--format", "certificates", "--url", URL, "--size", "2g", "vm1"],
            "--size is not for image export --format certificates",
        ),
        (["image", "ls", "--size", "2g"], "--size is for image export, and not for image ls"),
        (["image", "export", "--endpoint", "unix:///nowhere", "--size", "big", "dinv"], "is not a size"),
    ],
)
def test_what_cannot_be_meant(
    isolated_environment: None, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 1
    assert said in capsys.readouterr().err


def test_a_disk_with_certificates_and_a_record(
    isolated_environment: None,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if shutil.which("mke2fs", path=f"{os.environ['PATH']}:/usr/sbin:/sbin") is None:
        pytest.skip("mke2fs makes the disk")
    monkeypatch.chdir(tmp_path)
    store = str(tmp_path / "store")
    words = ["image", "export", "--format", "certificates", "--url", URL, "vm1"]
    assert main(["-s", store, *words]) == 0
    said = capsys.readouterr().out
    disk = tmp_path / "vm1-certificates.img"
    assert "Give vm1-certificates.img to the virtual machine" in said
    assert "env vm1" in said
    assert disk.stat().st_mode & 0o777 == 0o600
    assert b"DINV" in disk.read_bytes()[:2048], "the label in the superblock"
    assert main(["-s", store, "url", "vm1"]) == 0
    assert capsys.readouterr().out.strip() == URL
    # It is not made over, and the record of a machine whose disk cannot be written is not kept.
    assert main(["-s", store, *words[:-1], "vm2", "-o", str(disk)]) == 1
    assert "is there already" in capsys.readouterr().err
    assert main(["-s", store, *words[:-1], "vm2", "-o", "/nowhere/vm2.img"]) == 1
    assert "cannot be written" in capsys.readouterr().err
    assert os.listdir(os.path.join(store, "machines")) == ["vm1"]
    # A name that is taken leaves no disk.
    assert main(["-s", store, *words, "-o", "other.img"]) != 0
    assert not (tmp_path / "other.img").exists()


def test_command_that_starts_it() -> None:
    made = ExportedImage("/tmp/a disk.img", "raw", "k", "i", "c", "6.12")
    command = made.command("vm1.img", 24000)
    assert "'file=/tmp/a disk.img,if=virtio,format=raw'" in command
    assert "file=vm1.img,if=virtio,format=raw,read-only=on" in command
    assert "hostfwd=tcp:127.0.0.1:24000-:2376" in command
