"""`python -m dinv.testing.vch`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from vch_client import make

from dinv.engine import Engine, TLSFiles, parse_address

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Command:
    """The command in a process of its own, once it serves."""

    def __init__(self, endpoint: str, folder: Path, *words: str) -> None:
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "dinv.testing.vch", "--engine", endpoint, "--listen", "127.0.0.1:0"),
                *("--tls-dir", str(folder), *words),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.said = self.process.stdout.readline()
        self.address = next((word.rstrip(",") for word in self.said.split() if word.startswith("tcp://")), "")

    def end(self, number: signal.Signals) -> str:
        """Send a signal and wait for the end; returns what was said on standard error."""
        self.process.send_signal(number)
        return self.process.communicate(timeout=60)[1]


@pytest.fixture
def started(endpoint_address: str, tmp_path: Path) -> Iterator[Command]:
    command = Command(endpoint_address, tmp_path / "vch", "--version", "1.2", "--volume-store", "fast")
    yield command
    if command.process.poll() is None:
        command.end(signal.SIGTERM)


@pytest.fixture
def engine_of(started: Command, tmp_path: Path) -> Iterator[Engine]:
    files = TLSFiles(*(str(tmp_path / "vch" / name) for name in ("ca.pem", "cert.pem", "key.pem")))
    with Engine(parse_address(started.address, files), timeout=30) as engine:
        yield engine


def _left(engine: Engine) -> list[str]:
    query = {"label": ["io.dinv.testing.vch"]}
    return [each["Names"][0] for each in engine.containers.list(all=True, filters=query)] + [
        each["Name"] for each in engine.volumes.list(filters=query)
    ]


def test_it_serves_until_it_is_told_to_end(started: Command, engine_of: Engine, engine: Engine) -> None:
    info = engine_of.info()
    assert "v1.2.1" in info["Driver"]
    assert dict(info["SystemStatus"])["VolumeStores"] == "fast"
    engine_of.volumes.create("disk", driver="local", driver_opts={"VolumeStore": "fast"})
    engine_of.containers.start(make(engine_of, "dev", Binds=["disk:/data"]))
    assert started.end(signal.SIGTERM) == ""
    assert started.process.returncode == 0
    assert not [name for name in _left(engine) if name.endswith(("-dev", "-disk"))]


def test_what_a_killed_one_leaves_can_be_cleaned(
    started: Command, engine_of: Engine, engine: Engine, endpoint_address: str
) -> None:
    if os.environ.get("DINV_TEST_ENDPOINT"):
        pytest.skip(
            "other simulators may be at work there: the fixtures' own leftovers are removed by identity"
        )
    engine_of.volumes.create("disk", driver="local", driver_opts={"VolumeStore": "fast"})
    engine_of.containers.start(make(engine_of, "dev", Binds=["disk:/data"]))
    started.end(signal.SIGKILL)
    assert len(_left(engine)) == 2
    done = subprocess.run(
        [sys.executable, "-m", "dinv.testing.vch", "--engine", endpoint_address, "--clean"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert len(done.stdout.splitlines()) == 2
    assert _left(engine) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--engine", "unix:///nowhere.sock"], "Cannot reach the Docker endpoint unix:///nowhere.sock"),
        (["--engine", "unix:///nowhere.sock", "--listen", "127.0.0.1:x"], "write ADDRESS"),
        (["--engine", "unix:///nowhere.sock", "--container-network", "lan"], "write NAME=ENGINE_NETWORK"),
    ],
)
def test_bad_input_is_one_clear_line(words: list[str], said: str, tmp_path: Path) -> None:
    words = [*words, "--tls-dir", str(tmp_path / "vch")]
    if "--listen" not in words:
        words += ["--listen", "127.0.0.1:0"]
    done = subprocess.run(
        [sys.executable, "-m", "dinv.testing.vch", *words],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 1
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "vch").exists()
