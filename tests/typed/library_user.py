"""A program that uses dinv, as `mypy --strict` sees it: read by mypy in its ordinary run, and never executed.

What `assert_type` says is what a user's editor shows; each `type: ignore` is a mistake that mypy has to find,
or it complains of the comment.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, assert_type

import dinv
from dinv.errors import AlreadyRunning, CommandFailed, MachineBusy

if TYPE_CHECKING:
    from collections.abc import Iterator


class Told(dinv.Progress):
    """Says each fact on a line."""

    def line(self, label: str, text: str, state: str = "") -> None:
        sys.stdout.write(f"{label} {text} {state}\n")


def make(machines: dinv.Machines) -> dinv.Machine:
    with machines.temporary(memory="1g", progress=Told()) as machine:
        assert_type(machine, dinv.Machine)
    # Of a plugin's driver: whatever options it has.
    machines.create("pooled", driver="pool", pool_hosts=["tcp://h:2376"], size=3).close()
    machines.create(3)  # type: ignore[arg-type]
    machines.create("dev", timeout="long")  # type: ignore[arg-type]
    return machines.create("dev", memory=2 * 1024**3, label={"team": "red"}, timeout=120, progress=Told())


def find(machines: dinv.Machines) -> Iterator[str]:
    assert_type(dinv.open("/store", trace=print), dinv.Machines)
    assert_type(machines.get("dev"), dinv.Machine)
    assert_type(machines.active(), dinv.Machine | None)
    assert_type(machines.names(filters=["driver=docker"]), list[str])
    found = machines.list(filters={"state": ["Running", "Paused"]}, timeout=1.5)
    assert_type(found, list[dinv.MachineStatus])
    for status in found:
        assert_type(
            (status.state, status.error, status.url, status.docker_version), tuple[str, str, str, str]
        )
        assert_type((status.active, status.running, status.seconds), tuple[bool, bool, float])
        yield status.name
    for machine in machines:
        assert_type(machine, dinv.Machine)
    machines.list("driver=docker")  # type: ignore[call-arg]


def images(machines: dinv.Machines) -> str:
    assert_type(machines.path, str)
    with machines.images("unix:///e.sock") as images:
        for image in images.list():
            assert_type((image.id, image.tags, image.size), tuple[str, tuple[str, ...], int])
        images.build("debian")  # type: ignore[call-arg]
        return images.push("registry.example.com/dinv:1").name


def use(machine: dinv.Machine) -> dict[str, Any]:
    done = machine.run(["docker", "info"], input=b"", timeout=5, environment={"A": "b"}, check=True)
    assert_type(done, dinv.Completed)
    assert_type((done.exit_status, done.stdout, done.text), tuple[int, bytes, str])
    machine.run(["cat"], input="text")  # type: ignore[arg-type]
    machine.files.put(b"x", "/etc/x", mode=0o600)
    machine.files.put(Path("site"), "/srv/site")
    assert_type(machine.files.read("/etc/x"), bytes)
    assert_type(machine.status().state, str)
    assert_type(machine.environment(), dict[str, str])
    return machine.docker_kwargs()


def look_after(machine: dinv.Machine) -> int:
    try:
        machine.start(Told(), timeout=30)
    except AlreadyRunning as error:
        assert_type(error.machine, str)
    except MachineBusy as error:
        assert_type(error.holder, str)
    machine.stop(timeout=10, progress=Told())
    machine.stop(10)  # type: ignore[call-arg]
    assert_type(machine.upgrade(image="dinv:2", force=True), bool)
    assert_type(machine.forward(["8080:80"], detach=True), int)
    try:
        machine.run(["false"]).check()
    except CommandFailed as error:
        return error.exit_status
    for line in machine.remove(keep_cache=True, progress=Told()):
        assert_type(line, str)
    return 0
