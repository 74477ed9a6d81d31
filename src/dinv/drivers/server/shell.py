"""Into a machine by its own Docker API, where nobody has rights on the endpoint: a container with its files.

Whoever may use a Docker daemon may mount any of its host's directories: a container of an image without files
gets the machine's own, at the same paths, and its processes and network. Commands run in it by exec. It has
fewer capabilities than the machine itself, and the machine's /proc, /sys and /dev are not in it. It is
removed when the command is done; one whose client was killed ends by itself.
"""

from __future__ import annotations

import io
import os
import re

from dinv.channel import ContainerChannel
from dinv.errors import EngineError, MachineNotRunning, NotSupported
from dinv.labels import LABEL_SHELL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from dinv.channel import Channel
    from dinv.engine import Engine
    from dinv.store.record import MachineConfig

SECONDS = 30.0
LONGEST_SECONDS = 12 * 3600
"""A container whose client is gone is there for so long at most."""
NAME = "dinv-shell"
DIRECTORIES = (
    "bin",
    "etc",
    "home",
    "lib",
    "lib64",
    "mnt",
    "opt",
    "root",
    "run",
    "sbin",
    "srv",
    "tmp",
    "usr",
    "var",
)
"""The machine's directories that are seen in it, as far as the machine has them."""
_MISSING = re.compile(r"bind source path does not exist: /([a-z0-9]+)")


class Shell:
    """The container, made when it is first needed."""

    def __init__(self, config: MachineConfig, *, trace: Callable[[str], None] | None = None) -> None:
        self._config = config
        self._trace = trace
        self._engine: Engine | None = None
        self._container = ""
        self._image = ""

    def channel(self) -> Channel:
        """Return the channel. Raises MachineNotRunning, NotSupported, and the errors of reaching it."""
        engine = self._open()
        if not self._container:
            self._container = self._made(engine)
        return ContainerChannel(engine, self._container)

    def close(self) -> None:
        """Remove the container. May be called again."""
        import contextlib

        from dinv.errors import DinvError

        engine, self._engine = self._engine, None
        container, self._container = self._container, ""
        if engine is None:
            return
        with contextlib.suppress(DinvError):
            if container:
                engine.containers.remove(container, force=True, timeout=SECONDS)
        with contextlib.suppress(DinvError):
            # One of another shell has the same ID, and is kept by its container.
            if self._image:
                engine.images.remove(self._image, timeout=SECONDS)
        engine.close()

    def _open(self) -> Engine:
        from dinv.engine import Engine, TLSFiles, parse_address

        if not self._config.url:
            raise MachineNotRunning(self._config.name)
        if self._engine is None:
            tls = TLSFiles.of_directory(self._config.directory)
            self._engine = Engine(parse_address(self._config.url, tls), timeout=SECONDS, trace=self._trace)
        return self._engine

    def _made(self, engine: Engine) -> str:
        image = self._image = engine.images.import_(io.BytesIO(_empty()), timeout=SECONDS)
        directories = list(DIRECTORIES)
        while True:
            try:
                container, _ = engine.containers.create(
                    f"{NAME}-{os.urandom(4).hex()}", _body(image, directories), timeout=SECONDS
                )
                engine.containers.start(container, timeout=SECONDS)
            except EngineError as error:
                missing = _MISSING.search(error.message)
                if missing is None or missing[1] not in directories:
                    raise NotSupported(
                        self._config.name,
                        f'No shell can be had in machine "{self._config.name}": {error.message}. For one '
                        f"beside its containers: docker run -it IMAGE sh",
                    ) from error
                directories.remove(missing[1])
            else:
                return container


def _body(image: str, directories: list[str]) -> dict[str, object]:
    return {
        "Image": image,
        "Cmd": ["/bin/sh", "-c", f"sleep {LONGEST_SECONDS}"],
        "Labels": {LABEL_SHELL: "1"},
        "WorkingDir": "/root",
        "HostConfig": {
            "AutoRemove": True,
            "Init": False,
            "NetworkMode": "host",
            "PidMode": "host",
            "Mounts": [{"Type": "bind", "Source": f"/{name}", "Target": f"/{name}"} for name in directories],
        },
    }


def _empty() -> bytes:
    """A tar with one directory: an image without any needs something."""
    import tarfile

    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        entry = tarfile.TarInfo("root")
        entry.type, entry.mode = tarfile.DIRTYPE, 0o700
        tar.addfile(entry)
    return out.getvalue()
