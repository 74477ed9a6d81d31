"""ssh and scp to machines that docker-machine made."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import needs
import pytest

from dinv.access.copying.scp import copy
from dinv.access.place import Place
from dinv.drivers import ssh_address
from dinv.errors import (
    ConfigError,
    CopyError,
    MachineError,
    MachineNotRunning,
    NotSupported,
    ProgramMissing,
)
from dinv.lifecycle.hosts import Hosts
from dinv.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from dinv.access.ssh_options import Option
    from dinv.lifecycle.host import Host

OLD = "/home/ann/.docker/machine"
"""Where the store was when docker-machine wrote it."""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store"))


def add(store: Store, name: str = "dev", *, driver_name: str = "google", **driver: Any) -> Host:
    directory = store.directory(name)
    os.makedirs(directory)
    document = {
        "ConfigVersion": 3,
        "Driver": {
            "IPAddress": "192.0.2.1",
            "MachineName": name,
            "SSHUser": "docker",
            "SSHPort": 2222,
            "SSHKeyPath": f"{OLD}/machines/{name}/id_rsa",
            "StorePath": OLD,
            **driver,
        },
        "DriverName": driver_name,
        "HostOptions": {"AuthOptions": {}},
        "Name": name,
    }
    put(os.path.join(directory, "config.json"), json.dumps(document))
    put(os.path.join(directory, "id_rsa"), "key", 0o600)
    return Hosts(store).get(name)


def put(path: str, content: str, mode: int = 0o644) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(content)
    os.chmod(path, mode)


def ssh_command(
    machine: Host, options: Sequence[Option], words: Sequence[str], *, terminal: bool = False
) -> list[str]:
    address = machine.driver.ssh_address()
    assert address is not None
    return ssh_address.ssh_command(address, options, words, terminal=terminal)


@needs.programs("ssh")
def test_ssh_is_called_as_docker_machine_does(store: Store) -> None:
    machine = add(store, driver_name="amazonec2", SSHUser="ubuntu")
    command = ssh_command(machine, [("C", "")], ["echo", "a b"])
    assert os.path.basename(command[0]) == "ssh"
    assert command[command.index("ubuntu@192.0.2.1") :] == [
        "ubuntu@192.0.2.1",
        *("-o", "IdentitiesOnly=yes", "-i", f"{store.directory('dev')}/id_rsa"),
        *("-p", "2222"),
        *("-C", "echo", "a b"),
    ]
    assert "StrictHostKeyChecking=no" in command
    assert "-t" in ssh_command(machine, [], [], terminal=True)


@needs.programs("ssh")
def test_a_user_that_is_named_is_the_user(store: Store) -> None:
    command = ssh_command(add(store), [("l", "ann"), ("s", "")], ["sftp"])
    assert command[command.index("ann@192.0.2.1") + 5 :] == ["-p", "2222", "-s", "sftp"]
    assert "docker@192.0.2.1" not in command


@needs.programs("ssh")
def test_a_command_with_a_dash_is_no_option(store: Store) -> None:
    assert ssh_command(add(store), [], ["-x"])[-2:] == ["--", "-x"]


@needs.programs("ssh")
def test_virtualbox_forwards_a_port_of_this_computer(store: Store) -> None:
    command = ssh_command(
        add(store, driver_name="virtualbox", IPAddress="192.168.99.100", SSHPort=53507), [], []
    )
    assert "docker@127.0.0.1" in command
    assert command[-2:] == ["-p", "53507"]


@needs.programs("ssh")
def test_what_docker_machine_leaves_out_is_its_default(store: Store) -> None:
    machine = add(store, SSHUser="", SSHPort=0, SSHKeyPath="")
    command = ssh_command(machine, [], [])
    assert "root@192.0.2.1" in command
    assert command[-4:] == ["-i", f"{store.directory('dev')}/id_rsa", "-p", "22"]
    os.unlink(f"{store.directory('dev')}/id_rsa")
    assert "-i" not in ssh_command(machine, [], [])


@needs.programs("ssh")
def test_what_keeps_ssh_from_working_is_told(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = add(store)
    key = f"{store.directory('dev')}/id_rsa"
    os.chmod(key, 0o644)
    with pytest.raises(MachineError, match=f"chmod 600 {key}"):
        ssh_command(machine, [], [])
    os.chmod(key, 0o600)
    with monkeypatch.context() as nowhere:
        nowhere.setenv("PATH", "/nonexistent")
        with pytest.raises(ProgramMissing, match="no ssh on this computer"):
            ssh_command(machine, [], [])
    os.unlink(key)
    with pytest.raises(MachineError, match="No such file"):
        ssh_command(machine, [], [])
    with pytest.raises(NotSupported, match="by its URL"):
        ssh_command(add(store, "given", driver_name="none", URL="tcp://h:1"), [], [])
    with pytest.raises(ConfigError, match="SSHUser is not a user"):
        add(store, "odd", SSHUser="-oProxyCommand=true")
    with pytest.raises(MachineNotRunning):
        ssh_command(add(store, "off", IPAddress=""), [], [])


def fake(directory: Path, name: str, script: str) -> dict[str, str]:
    """An environment in which a program of the system's is this script."""
    directory.mkdir(exist_ok=True)
    program = directory / name
    put(str(program), f"#!/bin/sh\n{script}\n", 0o755)
    assert stat.S_IMODE(program.stat().st_mode) == 0o755
    return {**os.environ, "PATH": f"{directory}:{os.environ['PATH']}"}


def test_its_exit_status_is_ours(store: Store, tmp_path: Path) -> None:
    """By a process of its own, which ssh takes the place of."""
    add(store)
    environment = fake(
        tmp_path / "bin", "ssh", 'for word; do last=$word; done\necho "ran $last"; cat; exit 7'
    )
    done = subprocess.run(
        [sys.executable, "-m", "dinv", "-s", store.path, "ssh", "dev", "uptime"],
        input="typed\n",
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=environment,
    )
    assert (done.returncode, done.stdout, done.stderr) == (7, "ran uptime\ntyped\n", "")


# scp


class Scp:
    """Copies, with a script for scp that notes its words, and does what it is told to."""

    def __init__(self, store: Store, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.hosts = Hosts(store)
        self.log = directory / "log"
        self.does = directory / "does"
        script = f'for word; do printf "%s\\n" "$word"; done >>{self.log}; echo >>{self.log}; . {self.does}'
        self.script("true")
        monkeypatch.setenv("PATH", fake(directory / "bin", "scp", script)["PATH"])

    def script(self, text: str) -> None:
        self.does.write_text(text + "\n")

    def __call__(
        self, source: str, target: str, *, recursive: bool = False, quiet: bool = False
    ) -> list[list[str]]:
        """The words of each call, from `-P` on."""
        ends = Place.parse(source), Place.parse(target)
        copy(*ends, recursive=recursive, hosts=self.hosts, quiet=quiet)
        calls = [call.splitlines() for call in self.log.read_text().rstrip("\n").split("\n\n")]
        return [call[call.index("-P") :] for call in calls]


@pytest.fixture
def scp(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scp:
    add(store)
    add(store, "six", IPAddress="2001:db8::1", SSHPort=22, SSHUser="root")
    return Scp(store, tmp_path, monkeypatch)


def test_scp_is_called_with_the_key_and_the_port(scp: Scp, store: Store) -> None:
    assert scp("a", "dev:b c") == [["-P", "2222", "./a", "docker@192.0.2.1:b c"]]
    words = scp.log.read_text().splitlines()
    assert words[words.index("-i") + 1] == f"{store.directory('dev')}/id_rsa"
    assert "StrictHostKeyChecking=no" in words


def test_scp_s_paths_and_flags(scp: Scp) -> None:
    calls = scp("ann@dev:~/x", "./-a:b", recursive=True, quiet=True)
    assert calls[-1] == ["-P", "2222", "-r", "-q", "ann@192.0.2.1:x", "././-a:b"]
    assert scp("/f", "six:")[-1] == ["-P", "22", "/f", "root@[2001:db8::1]:"]


def test_an_error_of_scp_s_is_one(scp: Scp) -> None:
    scp.script("exit 3")
    with pytest.raises(CopyError, match=r"dev:a to b failed: scp ended with status 3"):
        scp("dev:a", "b")


def test_between_two_machines_it_goes_through_a_directory_here(scp: Scp) -> None:
    # Two files come from the machine, into the directory that is the last word.
    scp.script('for to; do :; done; case $to in */dinv-scp-*) touch "$to/x y" "$to/z";; esac')
    first, second, third = scp("dev:*", "six:/there", recursive=True)
    between = first[-1]
    assert first == ["-P", "2222", "-r", "docker@192.0.2.1:*", between]
    assert second == ["-P", "22", "-r", f"{between}/x y", "root@[2001:db8::1]:/there"]
    assert third[-2] == f"{between}/z"
    assert not os.path.exists(between)
    assert scp("dev:d/.", "six:there", recursive=True)[-1][-2].endswith("/.")


def test_both_machines_are_looked_at_first(scp: Scp, store: Store) -> None:
    add(store, "off", IPAddress="")
    with pytest.raises(MachineNotRunning):
        scp("dev:a", "off:b")
    assert not scp.log.exists()
