"""Files and commands by the system's ssh: here a script, which runs what it is told on this computer."""

from __future__ import annotations

import io
import os
import tarfile
import time
from typing import TYPE_CHECKING

import pytest

from dinv.channel import File
from dinv.drivers.ssh_address import SSHAddress
from dinv.drivers.ssh_channel import SSHChannel
from dinv.errors import DeadlineExceeded, MachineError, NotFound, ServerError

if TYPE_CHECKING:
    from pathlib import Path

SSH = """
echo "$*" >>{log}
for word; do last=$word; done
exec sh -c "$last"
"""
SUDO = """
[ "$1 $2" = "-n --" ] || exit 9
shift 2
exec "$@"
"""


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "bin").mkdir()
    for name, script in (("ssh", SSH.format(log=tmp_path / "log")), ("sudo", SUDO)):
        program = tmp_path / "bin" / name
        program.write_text(f"#!/bin/sh{script}")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    return tmp_path / "log"


@pytest.fixture
def channel(log: Path) -> SSHChannel:
    return SSHChannel("dev", SSHAddress("192.0.2.1", 2222, "docker", "/k", whose="a test"))


@pytest.fixture
def there(tmp_path: Path) -> Path:
    """A directory of the machine's."""
    (tmp_path / "there").mkdir()
    return tmp_path / "there"


def test_a_command_is_run_as_root_with_its_streams_apart(channel: SSHChannel, log: Path) -> None:
    out, errors = bytearray(), bytearray()
    status = channel.run(
        ["sh", "-c", 'cat; echo "$A" "$1" >&2; exit 7', "sh", "a  b'c"],
        stdin=io.BytesIO(b"given"),
        stdout=out.extend,
        stderr=errors.extend,
        environment={"A": "x y"},
    )
    assert (status, bytes(out), bytes(errors)) == (7, b"given", b"x y a  b'c\n")
    called = log.read_text()
    assert "docker@192.0.2.1 -o IdentitiesOnly=yes -i /k -p 2222 sudo -n -- env" in called


def test_root_needs_no_sudo(log: Path) -> None:
    channel = SSHChannel("dev", SSHAddress("192.0.2.1", 22, "root", "", whose="a test"))
    assert channel.run(["true"]) == 0
    assert log.read_text().endswith("root@192.0.2.1 -p 22 true\n")


def test_the_commands_end_ends_it_while_there_is_more_to_read(channel: SSHChannel) -> None:
    reading, writing = os.pipe()
    try:
        with open(reading, "rb") as source:
            assert channel.run(["true"], stdin=source, timeout=60) == 0
            os.close(writing)
            writing = -1
    finally:
        if writing >= 0:
            os.close(writing)


def test_it_waits_no_longer_than_it_is_told(channel: SSHChannel) -> None:
    begin = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        channel.run(["sleep", "60"], timeout=0.3)
    assert time.monotonic() - begin < 30


def test_where_ssh_does_not_get_there_it_is_ssh_that_failed(channel: SSHChannel) -> None:
    with pytest.raises(MachineError, match=r"192\.0\.2\.1\) failed: Connection refused"):
        channel.run(["sh", "-c", "echo Connection refused >&2; exit 255"])


def test_files_go_in_with_their_modes(channel: SSHChannel, there: Path) -> None:
    channel.put([File(f"{there}/a/b", b"content", 0o640)])
    assert (there / "a" / "b").read_bytes() == b"content"
    assert (there / "a" / "b").stat().st_mode & 0o777 == 0o640
    with pytest.raises(ServerError):
        channel.put_archive(f"{there}/nowhere", b"")


def test_files_come_out(channel: SSHChannel, there: Path) -> None:
    (there / "d").mkdir()
    (there / "d" / "f").write_bytes(b"x" * 100_000)
    with channel.get_archive(f"{there}/d") as archive:
        packed = b"".join(iter(lambda: archive.read(10_000), b""))
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        assert sorted(tar.getnames()) == ["d", "d/f"]
    for path in (f"{there}/none", f"{there}/none/at/all"):
        with pytest.raises(NotFound):
            channel.get_archive(path)
    with channel.get_archive(f"{there}/d") as archive:
        archive.read(1)  # broken off


def test_what_is_at_a_path(channel: SSHChannel, there: Path) -> None:
    (there / "f").write_bytes(b"12345")
    (there / "l").symlink_to("f")
    found = channel.stat(f"{there}/l")
    assert found is not None
    assert (found.path, found.is_regular, found.is_directory, found.size) == (f"{there}/f", True, False, 5)
    directory = channel.stat(str(there))
    assert directory is not None
    assert directory.is_directory
    assert channel.stat(f"{there}/none") is None


def test_a_terminal(channel: SSHChannel) -> None:
    said = bytearray()
    with channel.open_terminal(["sh", "-c", "read x; stty size; echo $x $A"], environment={"A": "y"}) as one:
        one.resize(rows=33, columns=77)
        one.copy(stdin=io.BytesIO(b"typed\n"), stdout=said.extend)
        assert one.exit_status() == 0
    assert b"33 77" in said
    assert b"typed y" in said
