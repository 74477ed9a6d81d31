"""A store of its own, machines of its own on the endpoint, and nothing left of either at the end."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import sys
import tempfile

from benchmarks.process import clean_environment, output_of
from dinv.drivers.machine_urls import machine_urls
from dinv.endpoints.resolve import resolve
from dinv.errors import InputError, NotFound
from dinv.store.store import Store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

    from dinv.engine import Engine

_OURS = re.compile(r"dinv-bench-[0-9a-f]{8}-.+")
_CALL_SECONDS = 60.0


class Session:
    """What all measurements need. Use it in a `with`.

    `dinv` is the program to measure, `interpreter` the Python it runs on, `environment` what each run
    gets. `machine` is a machine that dinv made: the one the commands are asked about, and the model for
    all that is made without dinv. One session at a time on an endpoint: a session begins with removing
    what one that was killed has left.
    """

    def __init__(self, *, endpoint: str | None, image: str | None, dinv: str | None) -> None:
        self.dinv = dinv or _installed()
        self.interpreter = _interpreter(self.dinv)
        self.directory = tempfile.mkdtemp(prefix="dinv-bench-")
        self.store = Store(os.path.join(self.directory, "store"))
        named = endpoint or os.environ.get("DINV_ENDPOINT")
        found = resolve(named, self.store, machine_urls=machine_urls)
        if not found.url.startswith("unix://"):
            shutil.rmtree(self.directory)
            raise InputError(
                f"{found.url}: the benchmarks want an endpoint on this computer (unix://), for a network "
                f"in between would be measured with it."
            )
        self.endpoint = found.url
        self.image = image or os.environ.get("DINV_IMAGE") or "dinv:latest"
        self.engine: Engine = found.engine(timeout=_CALL_SECONDS)
        self.environment = {
            **clean_environment(),
            "HOME": self.directory,
            "SHELL": "/bin/bash",
            "DOCKER_CONFIG": os.path.join(self.directory, "docker"),
            "MACHINE_STORAGE_PATH": self.store.path,
            "DINV_ENDPOINT": self.endpoint,
            "DINV_IMAGE": self.image,
        }
        self._prefix = f"bench-{os.urandom(4).hex()}"

    def __enter__(self) -> Self:
        try:
            self._remove_all()
            self.machine = self.name("1")
            output_of(self.command("create", self.machine), self.environment)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def name(self, suffix: str) -> str:
        """A machine's name that is this session's; its objects on the endpoint are `dinv-NAME...`."""
        return f"{self._prefix}-{suffix}"

    def command(self, *words: str) -> list[str]:
        """The command line of a run of dinv."""
        return [self.dinv, *words]

    def container(self, name: str | None = None) -> str:
        """The container of a machine, by default of `machine`."""
        return f"dinv-{name or self.machine}"

    def remove(self, name: str) -> None:
        """Remove what there is on the endpoint of one machine, dinv's or not."""
        container = self.container(name)
        with contextlib.suppress(NotFound):
            self.engine.containers.remove(container, force=True)
        with contextlib.suppress(NotFound):
            self.engine.volumes.remove(f"{container}-cache")

    def close(self) -> None:
        """Remove all of it. A second Ctrl-C waits until that is done; its calls have deadlines."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM, signal.SIGHUP))
        try:
            self._remove_all()
        finally:
            self.engine.close()
            shutil.rmtree(self.directory)
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _remove_all(self) -> None:
        """Also what is left of sessions that were killed: their names are nobody else's."""
        for container in self.engine.containers.list(all=True):
            name = container["Names"][0].lstrip("/")
            if _OURS.fullmatch(name):
                with contextlib.suppress(NotFound):
                    self.engine.containers.remove(name, force=True)
        for volume in self.engine.volumes.list():
            if _OURS.fullmatch(volume["Name"]):
                with contextlib.suppress(NotFound):
                    self.engine.volumes.remove(volume["Name"])

    def inspect(self) -> dict[str, Any]:
        """The container of `machine`, as the endpoint has it."""
        return self.engine.containers.inspect(self.container())


def _installed() -> str:
    """The dinv beside this Python."""
    path = os.path.join(os.path.dirname(sys.executable), "dinv")
    if not os.path.exists(path):
        raise InputError(f"There is no {path}. Install dinv for this Python, or name one with --dinv.")
    return path


def _interpreter(program: str) -> str:
    """The Python in a console script's first line. Raises InputError."""
    try:
        with open(program, "rb") as file:
            first = file.readline().decode(errors="replace").strip()
    except OSError as error:
        raise InputError(f"{program}: {error.strerror}") from error
    path = first.removeprefix("#!").strip()
    if not first.startswith("#!") or not os.path.isabs(path) or not os.path.exists(path):
        raise InputError(f"{program} is not a console script whose first line names its Python")
    return path
