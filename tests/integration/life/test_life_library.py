"""The public API, used as a program would."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from documents import blocks
from users import busybox_tar

import dinv
from dinv.errors import DeadlineExceeded, MachineExists, MachineNotFound, PreCreateCheckFailed

if TYPE_CHECKING:
    from pathlib import Path

    from users import User


@pytest.fixture
def machines(user: User, monkeypatch: pytest.MonkeyPatch) -> dinv.Machines:
    """A user's machines, in this process."""
    for name in ("DINV_ENDPOINT", "HOME", "DOCKER_CONFIG", "MACHINE_STORAGE_PATH"):
        monkeypatch.setenv(name, user.environment[name])
    # requests prefers these to the CA that docker-py has given it.
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    return dinv.open()


class Recorder(dinv.Progress):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, str]] = []

    def line(self, label: str, text: str, state: str = "") -> None:
        self.lines.append((label, text, state))


def test_a_temporary_machine_with_docker_py(machines: dinv.Machines, user: User) -> None:
    import docker

    with machines.temporary(memory="512m", label=["a=b"]) as machine:
        assert machine.status().running
        assert machine.inspect()["Driver"]["Memory"] == 512 * 1024 * 1024
        said, log = b"", machine.logs(follow=True, timeout=60)
        while b"listen" not in said:
            said += next(log)
        del log
        with pytest.raises(DeadlineExceeded):
            list(machine.logs(follow=True, timeout=0.5))
        clients: list[Any] = [
            docker.DockerClient(**machine.docker_kwargs()),
            docker.from_env(environment=machine.environment()),
        ]
        for client in clients:
            try:
                client.images.load(_saved())
                assert client.containers.run("hello", ["echo", "ran"], remove=True) == b"ran\n"
            finally:
                client.close()
        name = machine.name
        assert machines.names() == [name]
        assert not os.path.exists(os.path.join(user.docker_config, "contexts")), "no context unless asked for"
    assert machines.names() == []
    assert user.traces(name) == []


def test_a_temporary_machine_goes_when_its_block_fails(machines: dinv.Machines, user: User) -> None:
    name = user.name("tmp")
    with pytest.raises(ZeroDivisionError), machines.temporary(name):
        1 / 0  # noqa: B018  (it is to fail)
    assert user.traces(name) == []


def test_a_life(machines: dinv.Machines, user: User) -> None:
    name = user.name("lib")
    progress = Recorder()
    with machines.create(name, progress=progress, context=False, cpus=0.5) as machine:
        assert [label for label, _, _ in progress.lines] == [
            "Endpoint",
            "Image",
            "Certificates",
            "Machine",
            "Docker",
        ]
        assert [each.name for each in machines] == [name]
        with pytest.raises(MachineExists):
            machines.create(name)
        with machine.engine() as daemon:
            assert daemon.info()["NCPU"] >= 1
        out: list[bytes] = []
        assert machine.channel().run(["hostname"], stdout=out.append) == 0
        assert b"".join(out).decode().strip() == name
        machine.stop()
        assert machine.status().state == "Stopped"
        machine.start(dinv.Progress())
        assert machine.daemon_version()
    assert machines.remove(name) == []
    with pytest.raises(MachineNotFound):
        machines.get(name)
    assert user.traces(name) == []


def test_errors_are_types_that_carry_what_matters(machines: dinv.Machines, user: User) -> None:
    name = user.name("err")
    with pytest.raises(PreCreateCheckFailed) as failed:
        machines.create(name, network="no-such-network")
    assert failed.value.exit_code == 3
    assert isinstance(failed.value, dinv.DinvError)
    assert user.traces(name) == []


def test_the_trace_has_every_call_and_no_secret(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    machines = dinv.open(user.store, trace=lines.append)
    with machines.temporary(
        user.name("trace"), endpoint=user.endpoint, engine_env=["HTTPS_PROXY=http://user:geheim@proxy.test"]
    ):
        pass
    said = "\n".join(lines)
    for call in ("GET /v", "/containers/create", "/archive", "/start", "DELETE /v"):
        assert call in said
    assert "geheim" not in said
    assert "PRIVATE" not in said


def test_what_the_page_shows(user: User, tmp_path: Path) -> None:
    """docs/library.md, its blocks of Python as one program."""
    page = "docs/library.md"
    shown = [block for block in blocks(page) if block.language == "python" and not block.reason]
    assert len(shown) > 8
    path = tmp_path / "page.py"
    program = "\n".join(f"print('{block}', flush=True)\n{block.text}" for block in shown)
    path.write_text(re.sub(r"\bdev\b", user.name("dev"), program))
    environment = {
        name: value
        for name, value in user.environment.items()
        if name not in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
    }
    done = subprocess.run(
        [sys.executable, str(path)],
        cwd=tmp_path,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert dinv.open(user.store).names() == []
    assert (tmp_path / "copy.html").read_text() == "hello"
    assert (tmp_path / "site-2" / "index.html").exists()


def _saved() -> bytes:
    """An image `hello`, as `docker save` writes one (image-spec v1.2)."""
    import hashlib
    import io
    import json
    import tarfile

    layer = busybox_tar()
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
        }
    ).encode()
    manifest = json.dumps([{"Config": "config.json", "RepoTags": ["hello:latest"], "Layers": ["layer.tar"]}])
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in (
            ("config.json", config),
            ("layer.tar", layer),
            ("manifest.json", manifest.encode()),
        ):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()
