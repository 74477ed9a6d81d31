"""Leases and runs on a real endpoint: what is used stays, and what a run that was killed has left goes."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

from users import finish

import dinv

if TYPE_CHECKING:
    from users import User


def test_a_machine_tells_its_use_and_a_killed_run_is_removed_by_the_next(user: User) -> None:
    killed, last = user.name("killed"), user.name("last")
    process = user.begin("run", "-q", "--name", killed, "--", "sh", "-c", "echo ready; exec sleep 100")
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"

    with user.machine(killed) as machine:
        assert machine.config.run
        assert machine.activity().connections == 0
        with machine.engine() as engine:
            engine.ping()
            found = machine.activity()
            assert (found.connections, found.idle_seconds) == (1, 0)
        machine.check(timeout=30)  # which is no use of it
        assert machine.activity().connections == 0
        assert machine.extend("4h")
        assert machine.lease is not None
        told = machine.run(["cat", "/etc/dinv/lease"], check=True).text.strip()
        assert told == machine.lease.expires

    said = user.dinv("reap", "--endpoint", user.environment["DINV_ENDPOINT"], "--format", "json").stdout
    assert [(each["Name"], each["Action"]) for each in json.loads(said)] == [(killed, "kept")]

    process.send_signal(signal.SIGKILL)
    finish(process, status=-signal.SIGKILL)
    done = user.dinv("run", "--name", last, "--", "docker", "version", "--format", "{{.Server.Os}}")
    assert done.stdout == "linux\n"
    assert f'Removed machine "{killed}"' in done.stderr
    assert user.traces(killed) == user.traces(last) == []
    assert dinv.open(user.environment["MACHINE_STORAGE_PATH"]).names() == []
