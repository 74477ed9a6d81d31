"""Start, restart, stop and death of a machine, and of what runs in it."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING

import pytest
from image_machine import wait_until

from dinv.image_building.builder import sources

if TYPE_CHECKING:
    from collections.abc import Callable

    from image_machine import Machine

pytestmark = pytest.mark.integration

# Says so when it is asked to end, and leaves with a status of its own.
GRACEFUL = "trap 'echo asked to end; exit 7' TERM; echo running; while :; do sleep 0.1; done"


@pytest.fixture
def own(make_machine: Callable[..., Machine]) -> Machine:
    machine = make_machine()
    machine.put_certificates()
    machine.start()
    machine.wait_ready()
    machine.import_busybox()
    return machine


def run_graceful(machine: Machine, name: str, *options: str) -> None:
    machine.docker("run", "-d", "--name", name, *options, "busybox", "sh", "-c", GRACEFUL)
    wait_until(lambda: "running" in machine.docker("logs", name), f"{name} to run")


def daemon_pid(machine: Machine) -> str:
    return machine.run("cat", "/var/run/docker.pid")


def inner(machine: Machine, name: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(machine.docker("inspect", "-f", "{{json .State}}", name))
    return found


def test_hangup_restarts_dockerd_and_keeps_containers(own: Machine) -> None:
    run_graceful(own, "web", "-p", "8080:80")
    before = inner(own, "web")
    own.put({"etc/dinv/dockerd.args": b"--label=after=hangup\n"})
    own.hang_up()
    after = inner(own, "web")
    assert (after["Pid"], after["StartedAt"]) == (before["Pid"], before["StartedAt"])
    assert own.docker("info", "-f", "{{json .Labels}}") == '["after=hangup"]'
    # It still is the new daemon's to command.
    own.docker("exec", "web", "echo", "here")
    own.docker("stop", "web")
    assert inner(own, "web")["ExitCode"] == 7


def test_a_swarm_can_begin_and_outlives_hangups_and_stops(own: Machine) -> None:
    own.hang_up()
    own.docker("swarm", "init", "--advertise-addr", "127.0.0.1")
    own.hang_up()
    state = "{{.LiveRestoreEnabled}} {{.Swarm.LocalNodeState}}"
    assert own.docker("info", "-f", state) == "false active"
    own.engine.containers.restart(own.name, grace=10)
    own.wait_ready()
    assert own.docker("info", "-f", state) == "false active"
    # Out of it, containers are kept again.
    own.docker("swarm", "leave", "--force")
    wait_until(lambda: own.docker("info", "-f", state) == "false inactive", "the swarm's end")
    run_graceful(own, "web")
    before = inner(own, "web")["Pid"]
    own.hang_up()
    assert inner(own, "web")["Pid"] == before


def test_hangup_with_unusable_files_changes_nothing(own: Machine) -> None:
    pid = daemon_pid(own)
    own.put({"etc/dinv/dockerd.args": b"--tls=false\n"})
    own.engine.containers.kill(own.name, signal="SIGHUP")
    wait_until(lambda: "left running as it was" in own.log(), "the refusal")
    assert daemon_pid(own) == pid
    assert own.answers()


def test_hangup_takes_up_new_certificates(own: Machine) -> None:
    from dinv.authorities import open_authority
    from dinv.pki import certificates

    with open(f"{own.directory}/server.pem", "rb") as file:
        former = file.read()
    try:
        authority = open_authority("local", machine="under-test", directory=own.directory)
        certificates.issue(authority, machine="under-test", directory=own.directory, names=["127.0.0.1"])
        pid = daemon_pid(own)
        own.put_certificates()
        own.engine.containers.kill(own.name, signal="SIGHUP")
        wait_until(lambda: own.daemon_pid() not in ("", pid), "another dockerd")
    finally:
        with open(f"{own.directory}/server.pem", "rb") as file:
            assert file.read() != former
    with open(f"{own.directory}/server.pem") as text:
        renewed = text.read()
    # The front takes them up once the new daemon answers.
    show = "openssl s_client -connect 127.0.0.1:2376 </dev/null 2>/dev/null | openssl x509"
    wait_until(lambda: own.run("sh", "-c", show) == renewed.strip(), "the new certificate", told=own.log)


def test_stop_ends_containers_gracefully_and_start_brings_them_back(own: Machine) -> None:
    run_graceful(own, "once")
    run_graceful(own, "always", "--restart", "unless-stopped")
    started = inner(own, "always")["StartedAt"]
    before = time.monotonic()
    own.engine.containers.stop(own.name, grace=20)
    took = time.monotonic() - before
    assert own.state()["ExitCode"] == 0, own.log()[-2000:]
    assert took < 20, "it was killed"
    assert "dinv: stopped" in own.log()

    own.start()
    own.wait_ready()
    assert inner(own, "once")["ExitCode"] == 7
    assert "asked to end" in own.docker("logs", "once")
    wait_until(lambda: inner(own, "always")["Running"], "the container with a restart policy")
    assert inner(own, "always")["StartedAt"] != started
    assert "busybox" in own.docker("images", "--format", "{{.Repository}}")


def test_it_starts_again_after_being_killed(own: Machine) -> None:
    run_graceful(own, "always", "--restart", "always")
    own.engine.containers.kill(own.name)
    own.start()
    own.wait_ready()
    wait_until(lambda: inner(own, "always")["Running"], "the container with a restart policy")
    own.docker("rm", "-f", "always")


def test_dockerd_that_dies_is_started_again_and_containers_live_on(own: Machine) -> None:
    run_graceful(own, "web")
    before, pid = inner(own, "web"), daemon_pid(own)
    own.run("kill", "-KILL", pid)
    wait_until(lambda: own.daemon_pid() not in ("", pid), "another dockerd")
    own.wait_ready()
    after = inner(own, "web")
    assert (after["Pid"], after["StartedAt"]) == (before["Pid"], before["StartedAt"])
    assert "dockerd ended with status 137" in own.log()
    wait_until(
        lambda: own.docker("info", "-f", "{{.LiveRestoreEnabled}}") == "false", "live-restore to be off again"
    )


def test_containerd_that_dies_is_started_again(own: Machine) -> None:
    run_graceful(own, "web")
    before = inner(own, "web")["Pid"]
    own.run("pkill", "-KILL", "-x", "containerd")
    wait_until(lambda: "containerd ended with status 137" in own.log(), "the supervisor to see it")
    wait_until(
        lambda: "again" in own.run("docker", "run", "--rm", "busybox", "echo", "again", check=False),
        "containers to start again",
        60,
    )
    assert inner(own, "web")["Pid"] == before


def test_a_stop_without_dockerd_still_asks_containers_to_end(own: Machine) -> None:
    told = "trap 'sleep 1; echo asked >/out/told; exit' TERM; echo running; while :; do sleep 0.1; done"
    own.docker("run", "-d", "--name", "web", "-v", "out:/out", "busybox", "sh", "-c", told)
    wait_until(lambda: "running" in own.docker("logs", "web"), "web to run")
    # A dockerd that cannot come back: the stop finds containers without a daemon.
    own.put({"etc/dinv/dockerd.args": b"--no-such-option\n"})
    own.run("kill", "-KILL", daemon_pid(own))
    wait_until(lambda: "unknown flag" in own.log(), "dockerd to fail")
    own.engine.containers.stop(own.name, grace=20)
    assert own.state()["ExitCode"] == 0
    own.put({"etc/dinv/dockerd.args": b""})
    own.start()
    own.wait_ready()
    assert own.docker("run", "--rm", "-v", "out:/out", "busybox", "cat", "/out/told") == "asked"


def test_stop_while_dockerd_starts(make_machine: Callable[..., Machine]) -> None:
    machine = make_machine()
    machine.put_certificates()
    for delay in (0.0, 0.05, 0.15, 0.3):
        machine.start()
        time.sleep(delay)
        machine.engine.containers.stop(machine.name, grace=20)
        assert machine.state()["ExitCode"] in (0, 143), machine.log()[-2000:]
    machine.start()
    machine.wait_ready()


def test_signals_are_heeded_from_the_first_moment_on(make_machine: Callable[..., Machine]) -> None:
    """While it reads its own files, which a busy disk can take long for."""
    machine = make_machine()
    machine.put_certificates()
    prepare = "usr/local/lib/dinv/prepare.sh"
    with open(os.path.join(sources(), "rootfs", prepare), "rb") as file:
        machine.put({prepare: b"sleep 2\n" + file.read()})
    machine.start()
    wait_until(lambda: machine.run("pgrep", "-x", "sleep", check=False), "it to read them")
    machine.engine.containers.kill(machine.name, signal="SIGHUP")
    assert machine.run("pgrep", "-x", "sleep")
    machine.engine.containers.stop(machine.name, grace=20)
    assert machine.state()["ExitCode"] == 0
    assert machine.log() == ""


def test_a_signal_that_gets_lost_within_the_machine_is_sent_again(
    make_machine: Callable[..., Machine],
) -> None:
    """As one does that reaches a process which has just been forked: here the first three."""
    machine = make_machine()
    machine.put_certificates()
    deaf = b"#!/bin/sh\nheard=0\ntrap 'heard=$((heard + 1)); [ $heard -le 3 ] || exit' TERM\n"
    machine.put({"usr/local/lib/dinv/services": deaf + b"while :; do sleep 0.05; done\n"}, 0o755)
    machine.start()
    machine.wait_ready()
    machine.engine.containers.stop(machine.name, grace=15)
    assert machine.state()["ExitCode"] == 0
    assert machine.log().rstrip().endswith("dinv: stopped")


def test_many_hangups_at_once_end_in_a_daemon_that_answers(own: Machine) -> None:
    for _ in range(8):
        own.engine.containers.kill(own.name, signal="SIGHUP")
        time.sleep(0.1)
    # The front may answer for one that is about to be restarted.
    wait_until(
        lambda: "CONTAINER ID" in own.run("docker", "ps", check=False), "dockerd after the last", 60, own.log
    )
    # That may have been the last but one.
    wait_until(own.answers, "an answer after the last", 60, own.log)
    assert own.state()["Running"]
