"""A user of dinv, as the tests of a machine's life see one: a home directory, a store, an endpoint."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from typing import TYPE_CHECKING, Any

from dinv import open as open_store
from dinv.engine import Engine, parse_address

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from dinv import Machine

Result = subprocess.CompletedProcess[str]

LONG = 120.0
"""Seconds after which a command hangs; none of them takes a tenth of it."""
LS = ("ls", "-t", "30")
"""`ls` where its rows are judged: on a busy computer an endpoint may take longer than the 2 s that it has."""
LOST = "read init-p: connection reset by peer"
"""What runc says where it loses a container's first process, on a busy computer (dinv.provisioners.trial)."""


class User:
    """Runs the real command line, in an environment of its own.

    Each has a suffix for names, so that users of one endpoint do not meet.
    """

    def __init__(self, home: str, endpoint: str) -> None:
        self.home = home
        self.endpoint = endpoint
        self.suffix = os.urandom(3).hex()
        self.store = os.path.join(home, "store")
        self.begun: list[subprocess.Popen[str]] = []
        self.docker_config = os.path.join(home, ".docker")
        self.environment = {
            "PATH": os.environ["PATH"],
            "TMPDIR": tempfile.gettempdir(),  # a pytest within a test leaves its own there
            "HOME": home,
            "LANG": "C.UTF-8",
            "MACHINE_STORAGE_PATH": self.store,
            "DOCKER_CONFIG": self.docker_config,
            "DINV_ENDPOINT": endpoint,
            "DOCKER_BUILDKIT": "0",  # buildx is a package of its own; the classic builder is in every CLI
        }

    def name(self, base: str) -> str:
        """A machine's name that only this user has."""
        return f"{base}-{self.suffix}"

    def dinv(self, *words: str, status: int | None = 0, env: Mapping[str, str] | None = None) -> Result:
        """Run dinv to its end and see that it exits with `status`, and never with a traceback."""
        result = subprocess.run(
            command(*words),
            env={**self.environment, **(env or {})},
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=LONG,
        )
        check(result, status)
        return result

    def begin(self, *words: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """Start dinv; the caller waits for it."""
        process = subprocess.Popen(
            command(*words),
            env={**self.environment, **(env or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
        )
        self.begun.append(process)
        return process

    def end_begun(self) -> None:
        """Kill what a failed test has not waited for, so that it is at work in no other test."""
        for process in self.begun:
            process.kill()
            process.wait(LONG)
            for stream in (process.stdout, process.stderr):
                if stream is not None:
                    stream.close()

    def fails(self, *words: str, status: int = 1, env: Mapping[str, str] | None = None) -> str:
        """Run dinv, see it fail, and return what it said why."""
        result = self.dinv(*words, status=status, env=env)
        assert result.stderr.startswith("dinv: "), result.stderr
        return result.stderr

    def machine(self, name: str) -> Machine:
        """The machine, by the library."""
        return open_store(self.store).get(name)

    def kept(self, name: str) -> dict[str, Any]:
        """What `inspect` says that the driver keeps of a machine."""
        driver: dict[str, Any] = json.loads(self.dinv("inspect", name).stdout)["Driver"]
        return driver

    def docker(
        self,
        name: str,
        *words: str,
        status: int | None = 0,
        data: bytes | None = None,
        env: Mapping[str, str] | None = None,
    ) -> str:
        """Run the docker CLI at a machine, by the variables of `dinv env`; returns both its streams."""
        return self.run(
            "docker", *words, status=status, data=data, env={**self.variables(name), **(env or {})}
        )

    def run(
        self,
        *argv: str,
        status: int | None = 0,
        data: bytes | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float = LONG,
    ) -> str:
        """Run any command in this user's environment; returns both its streams as one text.

        A container whose first process runc has lost is run once more.
        """
        environment = {**self.environment, **(env or {})}
        ended, said = _told(argv, environment, data, timeout)
        if LOST in said and status not in (None, ended):
            if removal := removal_of_lost(argv):
                _told(removal, environment)
            ended, said = _told(argv, environment, data, timeout)
        assert status in (None, ended), f"{argv}: {ended}\n{said}"
        return said

    def import_hello(self, name: str) -> None:
        """Give a machine the image `hello`, which is busybox and nothing else."""
        self.docker(name, "import", "-", "hello", data=busybox_tar())

    def variables(self, name: str) -> dict[str, str]:
        """The variables that `dinv env` sets, as a shell has them after it."""
        script = self.dinv("env", "--shell", "bash", name).stdout
        lines = [line.removeprefix("export ") for line in script.splitlines() if line.startswith("export ")]
        return {key: value.strip('"') for key, _, value in (line.partition("=") for line in lines)}

    def inside(self, name: str, *argv: str) -> str:
        """Run a command in the machine, by exec on its endpoint."""
        out = bytearray()
        with self.machine(name) as machine:
            done = machine.run(argv, stdout=out.extend, stderr=out.extend, timeout=60)
        assert not done.exit_status, f"{argv}: {done}\n{out.decode(errors='replace')}"
        return out.decode()

    def engine(self) -> Engine:
        """A client of the user's endpoint."""
        return Engine(parse_address(self.endpoint))

    def traces(self, name: str) -> list[str]:
        """All that there is of a machine: on the endpoint, in the store, among the docker contexts."""
        with self.engine() as engine:
            found = [
                f"container {container['Names']}"
                for container in engine.containers.list(all=True)
                if f"/dinv-{name}" in container["Names"] or container["Labels"].get("io.dinv.machine") == name
            ]
            found += [
                f"volume {volume['Name']}"
                for volume in engine.volumes.list()
                if volume["Name"].startswith(f"dinv-{name}-")
                or (volume["Labels"] or {}).get("io.dinv.machine") == name
            ]
        machines = os.path.join(self.store, "machines")
        if os.path.isdir(machines):
            found += [f"in the store: {entry}" for entry in os.listdir(machines) if name in entry]
        for kind in ("meta", "tls"):
            contexts = os.path.join(self.docker_config, "contexts", kind)
            if os.path.isdir(contexts):
                found += [f"a docker context's {kind}: {entry}" for entry in os.listdir(contexts)]
        return found


@contextlib.contextmanager
def passing(home: str, endpoint: str) -> Iterator[User]:
    """A user with a fresh store; what a failed test leaves of machines is removed at the end."""
    user = User(home, endpoint)
    try:
        yield user
    finally:
        user.end_begun()
        for name in user.dinv("ls", "-q", status=None).stdout.split():
            user.dinv("rm", "-f", name, status=None)
        with user.engine() as engine:
            _sweep(engine, user.suffix)


def _sweep(engine: Engine, suffix: str) -> None:
    """Remove from the endpoint what has the user's suffix in its name."""
    for container in engine.containers.list(all=True):
        if suffix in container["Names"][0]:
            engine.containers.remove(container["Id"], force=True, volumes=True)
    for volume in engine.volumes.list():
        if suffix in volume["Name"]:
            engine.volumes.remove(volume["Name"])
    for network in engine.networks.list():
        if suffix in network["Name"]:
            engine.networks.remove(network["Name"])


def _told(
    argv: Sequence[str], environment: Mapping[str, str], data: bytes | None = None, timeout: float = LONG
) -> tuple[int, str]:
    """Run a command; its exit status, and what it has said."""
    result = subprocess.run(
        argv,
        env=environment,
        input=data if data is not None else b"",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        timeout=timeout,
    )
    return result.returncode, result.stdout.decode(errors="replace")


def removal_of_lost(argv: Sequence[str]) -> list[str]:
    """The command that removes what a `docker run` leaves that has LOST its container; [] for no name."""
    if "run" not in argv or "--name" not in argv:
        return []
    return [*argv[: argv.index("run")], "rm", "-f", argv[argv.index("--name") + 1]]


def command(*words: str) -> list[str]:
    """The command line of dinv under the Python that runs the tests."""
    return [sys.executable, "-m", "dinv", *words]


def check(result: Result, status: int | None) -> None:
    """Fail unless dinv has ended as it should."""
    said = f"{result.args}\nexit status {result.returncode}\n{result.stdout}\n{result.stderr}"
    assert "Traceback" not in result.stderr, said
    assert "A bug in dinv" not in result.stderr, said
    assert status is None or result.returncode == status, said


def finish(process: subprocess.Popen[str], status: int | None = 0) -> Result:
    """Wait for what `begin` has started."""
    try:
        out, err = process.communicate(timeout=LONG)
    finally:
        process.kill()
    result = subprocess.CompletedProcess(process.args, process.returncode, out, err)
    check(result, status)
    return result


def eventually(what: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, f"not so after {seconds:g} s: {what}"
        time.sleep(0.05)


def says(ask: Callable[[], str], expected: str, seconds: float = 20.0) -> None:
    """Wait until an answer has the regular expression in it; a test that fails shows the last one."""
    end = time.monotonic() + seconds
    while not re.search(expected, said := ask()):
        assert time.monotonic() < end, f"no {expected!r} after {seconds:g} s: {said}"
        time.sleep(0.05)


def check_memory_limits(user: User, machine: str) -> None:
    """Fail unless containers in a machine with the image `hello` have the limit that they ask for."""
    said = user.docker(
        machine,
        *("run", "--rm", "-m", "20m", "-v", "/sys/fs/cgroup:/cgroup:ro", "hello", "sh", "-c"),
        "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null || true",
    )
    assert "20971520" in said
    user.docker(machine, "run", "--rm", "-m", "20m", "hello", "tail", "-c", "100m", "/dev/zero", status=137)


def busybox_tar() -> bytes:
    """A root file system with busybox and nothing else, for `docker import`."""
    import io
    import tarfile

    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.add("/bin/busybox", "bin/busybox")
        for applet in ("sh", "sleep", "cat", "echo", "httpd", "wget", "true", "dd", "tail", "id"):
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type = tarfile.SYMTYPE
            link.linkname = "busybox"
            archive.addfile(link)
        for directory in ("tmp", "etc", "dev", "proc", "sys"):
            entry = tarfile.TarInfo(directory)
            entry.type = tarfile.DIRTYPE
            entry.mode = 0o755
            archive.addfile(entry)
    return packed.getvalue()
