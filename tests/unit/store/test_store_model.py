"""The store against a model of it, with kills in the middle: what is there, and who holds it."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from typing import TYPE_CHECKING
from unittest.mock import patch

import pytest
from forks import forking
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from dinv.errors import ConfigError, MachineBusy, MachineExists, MachineNotFound
from dinv.store import layout
from dinv.store import store as store_module
from dinv.store.layout import natural_order
from dinv.store.record import CREATING, READY, MachineConfig
from dinv.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable

NAMES = st.sampled_from(["m2", "m10", "M1", "x.y"])
PHASES = st.sampled_from([CREATING, READY])

KILLED = 77


def die(*_: object, **__: object) -> None:
    """End the process as kill -9 does: nothing is cleaned up."""
    os._exit(KILLED)


def killed(work: Callable[[], object]) -> None:
    """Do something in a process of its own that dies in the middle of it."""
    with forking():
        child = os.fork()
    if not child:
        try:
            work()
        finally:
            os._exit(1)  # it has not died where it should have
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == KILLED


class Stores(RuleBasedStateMachine):
    """`model`: name to the record, or None while there is none. `held`: what this process has locked."""

    def __init__(self) -> None:
        super().__init__()
        self.path = tempfile.mkdtemp()
        # Nothing here has to outlast a power cut, and a busy disk takes its time for each.
        self.fsync = patch("os.fsync")
        self.fsync.start()
        # Nobody here is about to let go of a lock.
        self.patience = patch("dinv.system.locks.LOOKED_AT_SECONDS", ())
        self.patience.start()
        self.store = Store(self.path)
        self.model: dict[str, dict[str, object] | None] = {}
        self.leftovers: set[str] = set()
        self.held: dict[str, contextlib.ExitStack] = {}
        self.serial = 0

    def teardown(self) -> None:
        for stack in self.held.values():
            stack.close()
        self.fsync.stop()
        self.patience.stop()
        shutil.rmtree(self.path)

    def record(self, name: str, phase: str) -> MachineConfig:
        self.serial += 1
        config = MachineConfig.new(
            name=name, store_path=self.path, driver_name="docker", identity=f"id{self.serial}", created="now"
        )
        config.ours["Phase"] = phase
        return config

    def phase(self, name: str) -> object:
        record = self.model.get(name)
        ours = record["Dinv"] if record else None
        return ours["Phase"] if isinstance(ours, dict) else None

    @rule(name=NAMES)
    def claim(self, name: str) -> None:
        with contextlib.ExitStack() as stack:
            if name in self.held:
                with pytest.raises(MachineBusy, match="at work"):
                    stack.enter_context(self.store.claim(name, "creating it"))
            elif self.phase(name) == READY:
                with pytest.raises(MachineExists):
                    stack.enter_context(self.store.claim(name, "creating it"))
            else:
                left = stack.enter_context(self.store.claim(name, "creating it"))
                assert left == (name in self.leftovers)
                self.model.setdefault(name, None)
                self.held[name] = stack.pop_all()

    @rule(name=NAMES)
    def lock(self, name: str) -> None:
        with contextlib.ExitStack() as stack:
            if name not in self.model:
                with pytest.raises(MachineNotFound):
                    stack.enter_context(self.store.lock(name, "stopping it"))
            elif name in self.held:
                with pytest.raises(MachineBusy):
                    stack.enter_context(self.store.lock(name, "stopping it"))
            else:
                stack.enter_context(self.store.lock(name, "stopping it"))
                self.held[name] = stack.pop_all()

    @precondition(lambda self: bool(self.held))
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        self.held.pop(data.draw(st.sampled_from(sorted(self.held)))).close()

    @precondition(lambda self: bool(self.held))
    @rule(data=st.data(), phase=PHASES)
    def save(self, data: st.DataObject, phase: str) -> None:
        name = data.draw(st.sampled_from(sorted(self.held)))
        config = self.record(name, phase)
        self.store.save(config)
        self.model[name] = config.document()
        self.leftovers.add(name)
        assert sorted(os.listdir(self.store.directory(name))) == [".lock", "config.json"]

    @precondition(lambda self: bool(self.held))
    @rule(data=st.data())
    def empty(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.held)))
        self.store.empty(name)
        self.model[name] = None
        self.leftovers.discard(name)
        assert os.listdir(self.store.directory(name)) == [".lock"]

    @precondition(lambda self: bool(self.held))
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.held)))
        self.store.remove(name)
        self.held.pop(name).close()
        del self.model[name]
        self.leftovers.discard(name)
        assert not [entry for entry in os.listdir(self.store.machines_directory) if entry.startswith(".")]

    @precondition(lambda self: bool(set(self.model) - set(self.held)))
    @rule(data=st.data(), phase=PHASES, moved=st.booleans())
    def killed_while_it_saves(self, data: st.DataObject, phase: str, *, moved: bool) -> None:
        """Before the new record is moved onto the old one, or just after."""
        name = data.draw(st.sampled_from(sorted(set(self.model) - set(self.held))))
        config = self.record(name, phase)

        def work() -> None:
            if moved:
                vars(store_module)["sync_directory"] = die
            else:
                os.replace = die
            with self.store.lock(name, "saving it"):
                self.store.save(config)

        killed(work)
        self.leftovers.add(name)
        if moved:
            self.model[name] = config.document()

    @precondition(lambda self: bool(set(self.model) - set(self.held)))
    @rule(data=st.data())
    def killed_while_it_removes(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(set(self.model) - set(self.held))))

        def work() -> None:
            vars(layout)["remove_tree"] = die
            with self.store.lock(name, "removing it"):
                self.store.remove(name)

        killed(work)
        del self.model[name]
        self.leftovers.discard(name)

    @rule(name=NAMES)
    def killed_while_it_creates(self, name: str) -> None:
        if name in self.held or self.phase(name) == READY:
            return
        config = self.record(name, CREATING)

        def work() -> None:
            with self.store.claim(name, "creating it"):
                self.store.save(config)
                die()

        killed(work)
        self.model[name] = config.document()
        self.leftovers.add(name)

    @invariant()
    def what_is_there_is_what_was_done(self) -> None:
        assert self.store.names() == sorted(self.model, key=natural_order)
        for name, record in self.model.items():
            assert self.store.exists(name)
            if record is None:
                with pytest.raises(ConfigError):
                    self.store.load(name)
            else:
                assert self.store.load(name).document() == record


TestStores = Stores.TestCase
TestStores.settings = settings(max_examples=30, stateful_step_count=25, deadline=None)
