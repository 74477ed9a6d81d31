"""What the pages show, run as it stands there: each page in a shell of its own, from top to bottom."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from documents import blocks, pages
from free_port import free_port
from users import User, busybox_tar

from dinv.endpoints.resolve import Endpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from dinv.engine import Engine

SECONDS = 150
IMAGES = {
    "hello-world": 'CMD ["echo", "Hello from Docker!"]',
    "nginx": 'CMD ["httpd", "-f", "-p", "80", "-h", "/"]',
}
"""What the pages take from a registry, and none is within reach: busybox stands in for it."""

# The user's dinv; in a machine that it makes there are the images that a registry would give.
DINV = r"""#!/bin/bash
{python} -m dinv "$@" || exit
[ "$1" = create ] || exit 0
for name in $({python} -m dinv ls -q); do
    for image in {images}; do
        docker --context "$name" image inspect "$image" >/dev/null 2>&1 ||
            {python} -m dinv load --quiet --from {engine} "$name" "$image"
    done
done
"""


class Reader:
    """Somebody who goes through a page, in a home directory and with an engine of their own."""

    def __init__(self, home: Path, endpoint: str) -> None:
        self.endpoint = endpoint
        self.user = User(str(home), endpoint)
        self.home = home
        programs = home / "bin"
        programs.mkdir()
        python = shlex.quote(sys.executable)
        self.program(programs / "dinv", DINV.format(python=python, images=" ".join(IMAGES), engine=endpoint))
        self.program(programs / "python", f'#!/bin/sh\nexec {python} "$@"\n')
        path = f"{programs}:{self.user.environment['PATH']}"
        # Where a page names no endpoint, it means the one that is found.
        self.environment = {**self.user.environment, "PATH": path}

    @staticmethod
    def program(path: Path, text: str) -> None:
        path.write_text(text)
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def follow(self, page: str) -> subprocess.CompletedProcess[str]:
        """Paste the page's commands, one block after the other, in one shell."""
        script = ["set -euo pipefail", "trap 'kill $(jobs -p) 2>/dev/null || :; wait' EXIT"]
        for block in blocks(page):
            if block.language == "sh" and not block.reason:
                script += [f": {block}", "set -x", block.text, "{ set +x; } 2>/dev/null"]
        text = "\n".join(script).replace("unix:///var/run/docker.sock", self.endpoint)
        text = re.sub(r"127\.0\.0\.1:2376\b", f"127.0.0.1:{free_port()}", text)
        return subprocess.run(
            ["bash", "-c", text],
            cwd=self.home,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
            check=False,
        )


@pytest.fixture
def stand_ins(session_engine: Engine) -> Iterator[None]:
    """The images that the pages take from a registry, on the engine."""
    for name, command in IMAGES.items():
        session_engine.images.import_(
            io.BytesIO(busybox_tar()), repo=name, tag="latest", changes=[command, "ENV PATH=/bin"]
        )
    yield
    for name in IMAGES:
        with contextlib.suppress(Exception):
            session_engine.images.remove(name, force=True)


def _prepare_vch(reader: Reader, machine_image: str) -> Iterator[None]:
    from dinv.testing.vch import VchSimulator

    pushed = "registry.example.com/default-project/dinv:latest"
    with Endpoint(reader.endpoint).engine() as engine:
        engine.images.tag(machine_image, pushed)
        try:
            with VchSimulator(
                engine=reader.endpoint, folder=str(reader.home / "virtual-container-host"), listen="127.0.0.1"
            ):
                yield
        finally:
            engine.images.remove(pushed)


def _prepare_dev(reader: Reader, _: str) -> Iterator[None]:
    reader.user.dinv("create", "dev")
    yield


PREPARED: dict[str, Callable[[Reader, str], Iterator[None]]] = {
    "docs/vic.md": _prepare_vch,
    "docs/day2.md": _prepare_dev,
}
RUN = [page for page in pages() if any(block.language == "sh" and not block.reason for block in blocks(page))]


@pytest.mark.parametrize("page", RUN)
def test_a_page(page: str, tmp_path: Path, own_engine: str, machine_image: str, stand_ins: None) -> None:
    reader = Reader(tmp_path, own_engine)
    prepare = PREPARED.get(page)
    with contextlib.contextmanager(prepare)(reader, machine_image) if prepare else contextlib.nullcontext():
        try:
            done = reader.follow(page)
        finally:
            for name in reader.user.dinv("ls", "-q", status=None).stdout.split():
                reader.user.dinv("rm", "-f", "-y", name, status=None)
    assert done.returncode == 0, f"{page}:\n{done.stdout}"
