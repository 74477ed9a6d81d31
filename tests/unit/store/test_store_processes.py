"""Locks between real processes: one wins, the others are told, a kill frees what was held."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from dinv.errors import MachineBusy, MachineExists
from dinv.store.record import CREATING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dinv.store.store import Store

# Waits for a line before it claims, says how that went, and for another before it lets go.
CLAIMER = """
import sys
from dinv.store.record import MachineConfig
from dinv.errors import StoreError
from dinv.store.store import Store

store = Store(sys.argv[1])
print("up", flush=True)
sys.stdin.readline()
try:
    with store.claim("dev", "creating it") as leftovers:
        config = MachineConfig.new(
            name="dev", store_path=store.path, driver_name="docker", identity="x", created="now"
        )
        store.save(config)
        print("won", leftovers, flush=True)
        sys.stdin.readline()
        config.ours["Phase"] = "ready"
        store.save(config)
except StoreError as error:
    print(type(error).__name__, flush=True)
"""


class Claimer:
    """A process that claims the machine `dev` when told to."""

    def __init__(self, store: Store) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", CLAIMER, store.path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.hear() == "up"

    def tell(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def hear(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def close(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=20)


@pytest.fixture
def claimers(store: Store) -> Iterator[list[Claimer]]:
    with contextlib.ExitStack() as stack:
        found = []
        for _ in range(3):
            found.append(Claimer(store))
            stack.callback(found[-1].close)
        yield found


@pytest.mark.timeout(60)
def test_of_several_that_want_one_name_one_gets_it(store: Store, claimers: list[Claimer]) -> None:
    for claimer in claimers:
        claimer.tell()
    said = [claimer.hear() for claimer in claimers]
    assert sorted(said) == ["MachineBusy", "MachineBusy", "won False"]
    winner = claimers[said.index("won False")]
    with pytest.raises(MachineBusy, match="creating it") as caught, store.lock("dev", "removing it"):
        pass
    assert str(winner.process.pid) in caught.value.holder
    assert store.load("dev").unfinished  # who only reads waits for nobody
    assert store.holder("dev") == f"creating it, process {winner.process.pid}"
    winner.tell()
    assert winner.process.wait(20) == 0
    assert store.holder("dev") is None
    with pytest.raises(MachineExists), store.claim("dev", "creating it"):
        pass


@pytest.mark.timeout(60)
def test_a_kill_frees_the_name_and_leaves_the_record(store: Store, claimers: list[Claimer]) -> None:
    first, second, _ = claimers
    first.tell()
    assert first.hear() == "won False"
    os.kill(first.process.pid, signal.SIGKILL)
    first.process.wait(20)
    assert store.load("dev").ours["Phase"] == CREATING
    assert store.holder("dev") is None
    second.tell()
    assert second.hear() == "won True"
