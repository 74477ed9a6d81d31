"""Services: programs that run in a machine beside its daemon, and are kept running."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest
from image_machine import wait_until

from dinv.image_building.builder import sources
from dinv.images.dinv import DinvContract

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from image_machine import Machine

pytestmark = pytest.mark.integration

SERVICES = DinvContract.services_command[0]
SLEEPER = b"#!/bin/sh\necho begins\nexec sleep 1000\n"
# What it starts lives on without it, unless it is ended, too.
PARENT = b"#!/bin/sh\nsleep 2000 &\nwait\n"
GRACEFUL = b"#!/bin/sh\ntrap 'echo goes; exit' TERM\necho begins\nwhile :; do sleep 0.1; done\n"
STUBBORN = b"#!/bin/sh\ntrap '' TERM\necho begins\nwhile :; do sleep 0.1; done\n"


def put(machine: Machine, name: str, script: bytes) -> None:
    file = DinvContract().service_file(name, script)
    assert file is not None
    machine.put({file.path.lstrip("/"): file.content}, file.mode)


def status(machine: Machine, *name: str) -> str:
    return machine.run(SERVICES, "status", *name, check=False)


def process(machine: Machine, name: str) -> str:
    """The service's process, "" while it has none."""
    found = re.fullmatch(rf"{name}: runs, process (\d+)", status(machine, name))
    return found[1] if found else ""


def children(machine: Machine) -> list[str]:
    """The processes that PARENT has started; none for as long as it has not come to that."""
    return machine.run("pgrep", "-f", "^sleep 2000", check=False).split()


@pytest.fixture
def serving(machine: Machine) -> Iterator[Machine]:
    yield machine
    machine.run("sh", "-c", "rm -f /etc/dinv/services/* /usr/local/lib/dinv/services.d/*")
    machine.run(SERVICES, "reload")


def test_without_any_all_of_them_run(serving: Machine) -> None:
    assert serving.run(SERVICES, "status") == ""
    serving.run(SERVICES, "reload")


def test_reload_starts_what_is_new_restarts_what_has_changed_and_ends_what_is_gone(serving: Machine) -> None:
    for name in ("stays", "changes", "goes"):
        put(serving, name, SLEEPER)
    assert status(serving).splitlines() == ["changes: not started", "goes: not started", "stays: not started"]
    serving.run(SERVICES, "reload")
    before = {name: process(serving, name) for name in ("stays", "changes", "goes")}
    assert all(before.values()), before
    put(serving, "changes", GRACEFUL)
    put(serving, "comes", SLEEPER)
    serving.run("rm", "/etc/dinv/services/goes")
    serving.run(SERVICES, "reload")
    assert process(serving, "stays") == before["stays"]
    assert process(serving, "changes") not in ("", before["changes"])
    assert process(serving, "comes")
    assert "there is no service goes" in status(serving, "goes")
    assert serving.run("ps", "-o", "stat=", "-p", before["goes"], check=False) == ""
    serving.run(SERVICES, "restart", "stays")
    assert process(serving, "stays") not in ("", before["stays"])


def test_one_that_ends_is_started_again_and_its_words_are_in_the_log(serving: Machine) -> None:
    put(serving, "sleeper", SLEEPER)
    serving.run(SERVICES, "reload")
    first = process(serving, "sleeper")
    serving.run("kill", "-KILL", first)
    wait_until(lambda: process(serving, "sleeper") not in ("", first), "the service to run again")
    log = serving.log()
    assert "dinv: sleeper ended with status 137: starting it again in 1 s" in log
    wait_until(lambda: serving.log().count("\nsleeper: begins") == 2, "its words", told=serving.log)


def test_what_a_service_has_started_ends_with_it(serving: Machine) -> None:
    put(serving, "parent", PARENT)
    serving.run(SERVICES, "reload")
    wait_until(lambda: children(serving), "its child")
    first = process(serving, "parent")
    serving.run("kill", "-KILL", first)
    wait_until(lambda: process(serving, "parent") not in ("", first), "the service to run again")
    wait_until(lambda: len(children(serving)) == 1, "one child")


def test_a_keeper_that_is_killed_is_started_again_with_its_service(serving: Machine) -> None:
    put(serving, "parent", PARENT)
    put(serving, "other", SLEEPER)
    serving.run(SERVICES, "reload")
    wait_until(lambda: children(serving), "its child")
    first, other = process(serving, "parent"), process(serving, "other")
    serving.run("sh", "-c", "kill -KILL $(cat /run/dinv/services/parent/keeper)")
    wait_until(lambda: process(serving, "parent") not in ("", first), "the service to run again")
    wait_until(lambda: len(children(serving)) == 1, "one child")
    assert "dinv: the process that keeps parent running was killed: starting both again" in serving.log()
    assert process(serving, "other") == other
    # The new keeper does what the old one did.
    second = process(serving, "parent")
    serving.run("kill", "-KILL", second)
    wait_until(lambda: process(serving, "parent") not in ("", second), "the service to run again")


def test_the_images_own_are_run_unless_a_given_file_stands_for_them(serving: Machine) -> None:
    serving.put({"usr/local/lib/dinv/services.d/own": SLEEPER}, 0o755)
    serving.run(SERVICES, "reload")
    assert process(serving, "own")
    serving.put({"etc/dinv/services/own": b""})
    serving.run(SERVICES, "reload")
    assert serving.run(SERVICES, "status") == ""


def test_signals_are_not_ignored_in_a_service(serving: Machine) -> None:
    put(serving, "shows", b"#!/bin/sh\ngrep SigIgn /proc/self/status\nexec sleep 1000\n")
    serving.run(SERVICES, "reload")
    wait_until(lambda: "shows: SigIgn" in serving.log(), "what it prints")
    (ignored,) = re.findall(r"shows: SigIgn:\s*(\w+)", serving.log())
    assert int(ignored, 16) == 0


def test_names_that_nobody_has(serving: Machine) -> None:
    for words in (["restart", "nobody"], ["status", "nobody"], ["restart", "../x"], ["nonsense"]):
        said = serving.run("sh", "-c", '"$@" 2>&1; echo $?', "sh", SERVICES, *words)
        assert said.endswith("\n1"), said
        assert said.count("\n") == 1


def test_a_reload_has_begun_them_when_it_returns(make_machine: Callable[..., Machine]) -> None:
    """Also those whose files came while the first ones were begun."""
    machine = make_machine()
    machine.put_certificates()
    put(machine, "first", SLEEPER)
    with open(os.path.join(sources(), "rootfs", SERVICES.lstrip("/")), encoding="utf-8") as text:
        script = text.read()
    slow = script.replace("\tmkfifo ", "\tsleep 0.7\n\tmkfifo ")
    assert slow != script
    machine.put({SERVICES.lstrip("/"): slow.encode()}, 0o755)
    machine.start()
    wait_until(
        lambda: machine.run("ls", "/run/dinv/services/first/keeper", check=False).startswith("/"), "the first"
    )
    put(machine, "second", SLEEPER)
    machine.run(SERVICES, "reload")
    first, second = process(machine, "first"), process(machine, "second")
    assert first
    assert second
    machine.run(SERVICES, "restart", "second")
    assert process(machine, "second") not in ("", second)
    assert process(machine, "first") == first


def test_they_run_before_dockerd_answers_and_end_with_the_machine(
    make_machine: Callable[..., Machine],
) -> None:
    machine = make_machine()
    machine.put_certificates()
    put(machine, "graceful", GRACEFUL)
    put(machine, "stubborn", STUBBORN)
    with open(os.path.join(sources(), "rootfs", SERVICES.lstrip("/")), encoding="utf-8") as text:
        impatient = text.read().replace("grace=10", "grace=1")
    machine.put({SERVICES.lstrip("/"): impatient.encode()}, 0o755)
    machine.start()
    wait_until(lambda: process(machine, "graceful") and process(machine, "stubborn"), "the services")
    machine.wait_ready()
    machine.engine.containers.stop(machine.name, grace=15)
    assert machine.state()["ExitCode"] == 0, machine.log()[-2000:]
    log = machine.log()
    assert "\ngraceful: goes" in log
    assert log.rstrip().endswith("dinv: stopped")
    assert "ended with status" not in log
    # Nothing of the former run is in the way of the next.
    machine.start()
    wait_until(lambda: process(machine, "graceful"), "the services")
