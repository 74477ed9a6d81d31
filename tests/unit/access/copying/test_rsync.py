"""dinv scp --delta: rsync's command line."""

from __future__ import annotations

import subprocess
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Self

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dinv.access import ssh
from dinv.access.copying import rsync
from dinv.access.place import Place
from dinv.drivers.ssh_address import SSHAddress
from dinv.errors import InputError, MachineError, MachineNotFound, MachineNotRunning, ProgramMissing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class FakeMachines:
    """Machines named m, n and theirs, which docker-machine made."""

    def __init__(self) -> None:
        self.path = "/a store"
        self.status = 0
        self.running = True
        self.asked: list[Sequence[str]] = []

    @property
    def store(self) -> Self:
        return self

    def missing(self, name: str) -> MachineNotFound:
        return MachineNotFound(name)

    def exists(self, name: str) -> bool:
        return name in ("m", "n", "theirs")

    def get(self, name: str) -> FakeMachine:
        return FakeMachine(self, name)


class FakeMachine:
    def __init__(self, machines: FakeMachines, name: str) -> None:
        self.name = name
        address = SSHAddress("192.0.2.1", 22, "docker", "", whose="a test") if name == "theirs" else None
        self.driver = SimpleNamespace(ssh_address=lambda: address)
        self._machines = machines

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def channel(self) -> Self:
        if not self._machines.running:
            raise MachineNotRunning(self.name)
        return self

    def run(self, argv: Sequence[str], *, timeout: float) -> int:
        self._machines.asked.append(argv)
        return self._machines.status


@pytest.fixture
def machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeMachines:
    program = tmp_path / "rsync"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    return FakeMachines()


def command(
    machines: Any, source: str, target: str, *, recursive: bool = False, quiet: bool = False
) -> list[str]:
    return rsync.rsync_command(
        Place.parse(source), Place.parse(target), recursive=recursive, quiet=quiet, hosts=machines
    )


@pytest.mark.parametrize(
    ("source", "target", "paths"),
    [
        ("a", "m:", ["./a", "m:"]),
        ("a/", "m:b c/", ["./a/", "m:b c/"]),
        ("m:~/a", "/b", ["m:a", "/b"]),
        ("m:~", "./x:y", ["m:", "././x:y"]),
        ("-a", "root@m:/b", ["./-a", "root@m:/b"]),
        ("ann@theirs:a", ".", ["ann@theirs:a", "./."]),
        ("localhost:a", "m:b", ["./a", "m:b"]),
    ],
)
def test_paths(machines: FakeMachines, source: str, target: str, paths: list[str]) -> None:
    assert command(machines, source, target)[-3:] == ["--", *paths]


def test_flags(machines: FakeMachines) -> None:
    plain = command(machines, "a", "m:")
    assert "--progress" in plain
    assert not {"--recursive", "--quiet", "--safe-links"} & set(plain)
    there = command(machines, "a", "m:", recursive=True, quiet=True)
    assert {"--recursive", "--links", "--quiet"} <= set(there)
    assert not {"--progress", "--safe-links"} & set(there)
    assert "--safe-links" in command(machines, "m:", "a", recursive=True)


@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), min_size=1))
def test_rsync_splits_its_e_as_it_was(words: list[str]) -> None:
    assert rsync_splits(rsync.quoted(words)) == words


def rsync_splits(text: str) -> list[str]:
    """As rsync(1) has it under --rsh: blanks part words; in quotes, two are one."""
    words: list[str] = []
    rest = text
    while rest:
        assert rest[0] == "'"
        rest = rest[1:]
        word = ""
        while not (rest.startswith("'") and not rest.startswith("''")):
            taken = 2 if rest.startswith("''") else 1
            word += rest[0]
            rest = rest[taken:]
        words.append(word)
        rest = rest[1:].removeprefix(" ")
    return words


def test_the_transport_is_dinv_ssh_on_the_same_store(machines: FakeMachines) -> None:
    words = command(machines, "a", "m:")
    shell = words[words.index("-e") + 1]
    assert rsync_splits(shell) == ssh.transport("/a store")


def test_what_is_in_the_way_is_told(machines: FakeMachines, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="in a machine"):
        command(machines, "a", "b")
    with pytest.raises(MachineNotFound):
        command(machines, "nosuch:a", "b")
    with pytest.raises(InputError, match="needs one end here"):
        command(machines, "m:a", "n:b")
    with pytest.raises(InputError, match="root's"):
        command(machines, "ann@m:a", "b")
    machines.status = 127
    with pytest.raises(MachineError, match="has no rsync"):
        command(machines, "m:a", "b")
    command(machines, "theirs:a", "b")  # who is asked by rsync itself
    machines.running = False
    with pytest.raises(MachineNotRunning):
        command(machines, "m:a", "b")
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(ProgramMissing, match="no rsync on this computer"):
        command(machines, "m:a", "b")


def test_the_machine_is_asked_what_a_shell_finds(machines: FakeMachines, tmp_path: Path) -> None:
    command(machines, "m:a", "b")
    (argv,) = machines.asked
    found = subprocess.run(["/bin/sh", *argv[1:]], env={"PATH": str(tmp_path)}, check=False)
    missing = subprocess.run(["/bin/sh", *argv[1:]], env={"PATH": "/nonexistent"}, check=False)
    assert (found.returncode, missing.returncode) == (0, 127)
