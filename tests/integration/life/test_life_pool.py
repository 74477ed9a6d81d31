"""A pool on a real engine: claimed by one command, by a certificate of one's own, with nothing left."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

from dinv.engine import TLSFiles
from dinv.lifecycle.claim import sealing
from dinv.lifecycle.renew.serving import refusal
from dinv.pki import pem

if TYPE_CHECKING:
    from pathlib import Path

    import pytest
    from harness import Dinv

    from dinv.engine import Engine
    from dinv.lifecycle.host import Host
    from dinv.machines import Machines

KILLED = """
import os, signal, sys, dinv
real = os.rename
def rename(source, target, **more):
    real(source, target, **more)
    if os.path.basename(target) == sys.argv[1]:
        os.kill(os.getpid(), signal.SIGKILL)
os.rename = rename
dinv.open().create(sys.argv[1], pool="ci")
"""
"""A claim that is killed when it has just become the machine's owner."""


def test_a_pool(
    machines: Machines, dinv: Dinv, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[TLSFiles] = []
    throw_away = sealing.throw_away

    def keep(host: Host) -> None:
        directory = shutil.copytree(host.directory, tmp_path / host.name)
        kept.append(TLSFiles.of_directory(str(directory)))
        throw_away(host)

    monkeypatch.setattr(sealing, "throw_away", keep)
    machines.pools.create("ci", size=2, memory="512m")
    (status,) = machines.pools.reconcile()
    assert (status.ready, machines.names()) == (2, [])
    try:
        claim_and_use(machines, dinv, engine, kept)
        killed(machines)
        # A machine that somebody has stopped is not handed out; here it is the last one.
        machines.pools.set("ci", size=1)
        machines.pools.reconcile()
        dead = machines.pools.get("ci").machines[0]
        assert dead.config is not None
        engine.containers.kill(dead.config.driver["Container"])
        said = dinv("create", "--pool", "ci", "--no-context", "last", check=True).stderr
        assert "is dead, and parked" in said
        assert machines.pools.get("ci").failed == 1
    finally:
        machines.pools.remove("ci", force=True)


def claim_and_use(machines: Machines, dinv: Dinv, engine: Engine, kept: list[TLSFiles]) -> None:
    assert dinv("create", "-q", "--pool", "ci", "--label", "team=red", "dev", check=True).stdout == "dev\n"
    with machines.get("dev") as machine:
        machine.check(timeout=30)
        (mine,) = [each for each in kept if machine.config.pool and _of(each, machine.directory)]
        assert "revoked" in refusal(machine.url, mine)
        with machine.engine() as daemon:
            assert daemon.info()["Name"] == "dev"
        inspected = engine.containers.inspect("dinv-dev")
        assert inspected["Id"] == machine.config.driver["ContainerID"]
        assert machine.status().running
    # What goes by labels finds it by its identity.
    with machines.volumes() as volumes:
        (volume,) = [each for each in volumes.list() if each.owner == "dev"]
    assert volume.state == "in use"
    assert dinv("ls", "-q", check=True).stdout == "dev\n"


def _of(files: TLSFiles, directory: str) -> bool:
    """Whether these are of the machine with this directory: by its CA."""
    return pem.read(str(files.ca)) == pem.read(os.path.join(directory, "ca.pem"))


def killed(machines: Machines) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, "late"], timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL
    with machines.get("late") as machine:
        assert machine.config.claim
        assert "its claim has not finished" in machine.status().error
        machine.start()
        assert (machine.config.claim, machine.config.driver["Container"]) == ({}, "dinv-late")
        machine.check(timeout=30)
    machines.remove("late")
    assert "late" not in machines
