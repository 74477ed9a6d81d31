"""A registry on loopback: Debian's docker-registry, with or without a login."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from typing import TYPE_CHECKING, Self

from free_port import free_port

if TYPE_CHECKING:
    from pathlib import Path

USER, PASSWORD = "me", "secret"
_HTPASSWD = f"{USER}:$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n"
_CONFIG = """\
version: 0.1
log: {{level: error}}
storage: {{filesystem: {{rootdirectory: {data}}}}}
http: {{addr: "127.0.0.1:{port}"}}
{auth}
"""
SECONDS = 20.0


class DockerRegistry:
    """A running registry, which engines take without TLS; `name` is what its images' names begin with."""

    def __init__(self, directory: Path, *, login: bool = False) -> None:
        port = free_port()
        self.name = f"127.0.0.1:{port}"
        auth = ""
        if login:
            (directory / "htpasswd").write_text(_HTPASSWD)
            auth = f"auth: {{htpasswd: {{realm: test, path: {directory / 'htpasswd'}}}}}"
        config = directory / "registry.yml"
        config.write_text(_CONFIG.format(data=directory / "data", port=port, auth=auth))
        self._log = (directory / "registry.log").open("wb")
        self._process = subprocess.Popen(
            ["docker-registry", "serve", str(config)],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            env={**os.environ, "OTEL_TRACES_EXPORTER": "none"},
        )
        try:
            self._await(port)
        except BaseException:
            self.__exit__()
            raise

    def _await(self, port: int) -> None:
        end = time.monotonic() + SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
            except OSError:
                assert self._process.poll() is None, "the registry has ended; see registry.log"
                assert time.monotonic() < end, f"no registry at {self.name} within {SECONDS:g} s"
                time.sleep(0.05)
            else:
                return

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(SECONDS)
        finally:
            self._process.kill()
            self._process.wait()
            self._log.close()
