from __future__ import annotations

import contextlib
import fcntl
import ipaddress
import json
import os
import socketserver
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING

import needs
import pytest
from heard import Heard

from dinv import cli
from dinv.endpoints.local import dockerd
from dinv.endpoints.local import engine as local_engine
from dinv.endpoints.local.bridge import Bridge
from dinv.endpoints.local.dockerd import Dockerd
from dinv.endpoints.local.engine import EngineStatus, LocalEngine
from dinv.endpoints.resolve import LONGEST_SOCKET
from dinv.errors import LocalEngineError
from dinv.progress import Progress
from dinv.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A computer with a dockerd that does nothing, for a user who is root."""
    program = tmp_path / "bin" / "dockerd"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setattr(local_engine, "search_path", lambda: str(program.parent))
    monkeypatch.setattr(os, "geteuid", lambda: 0)


def test_the_status_of_none(store: Store) -> None:
    status = LocalEngine(store).status()
    assert not status.running
    assert status.socket == f"{store.path}/engine/docker.sock"
    assert not os.path.exists(store.path)


def test_the_status_of_one_that_answers_and_of_one_that_does_not(
    store: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    answering = EngineStatus(socket="/s", data_root="/d", log="/l", pid=7, version="20.10.24", at_boot=False)
    monkeypatch.setattr(LocalEngine, "status", lambda _: answering)
    assert cli.main(["-s", store.path, "engine", "status"]) == 0
    assert " ".join(capsys.readouterr().out.split()) == (
        "Engine running Socket unix:///s Process 7 Version 20.10.24 Data /d Log /l "
        "At boot not started (dinv engine enable)"
    )
    silent = EngineStatus(socket="/s", data_root="/d", log="/l", pid=7, reason="no permission")
    monkeypatch.setattr(LocalEngine, "status", lambda _: silent)
    assert cli.main(["-s", store.path, "engine", "status"]) == 1
    assert "does not answer: no permission" in capsys.readouterr().out


def test_status_is_the_exit_status_of_the_command(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["-s", store.path, "engine", "status"]) == 1
    assert "not running" in capsys.readouterr().out


def test_a_computer_without_dockerd_is_told_what_to_install(
    store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(local_engine, "search_path", lambda: str(tmp_path))
    with pytest.raises(LocalEngineError, match=r"apt-get install docker\.io") as raised:
        LocalEngine(store).start(Progress())
    assert all(name in str(raised.value) for name in ("Fedora", "Photon", "endpoint"))
    assert not os.path.exists(store.path)


def test_who_is_not_root_is_given_the_command_for_the_same_store(
    store: Store, installed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(LocalEngineError, match=f"sudo dinv -s {store.path} engine start"):
        LocalEngine(store).start(Progress())
    assert not os.path.exists(store.path)


def test_elsewhere_than_on_linux_there_is_none(
    store: Store, installed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(LocalEngineError, match="needs Linux"):
        LocalEngine(store).start(Progress())


def test_stopping_what_does_not_run_needs_nobody_in_particular(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    LocalEngine(store).stop(Progress())
    assert not os.path.exists(store.path)


@needs.linux("it reads /proc")
def test_somebody_else_at_work_on_it_is_waited_for_no_longer_than_asked(
    installed: None,
) -> None:
    # A short path: with a long one, sockets go to a directory that has to be root's.
    with tempfile.TemporaryDirectory(prefix="dinv-", dir="/tmp") as path:
        engine = LocalEngine(Store(path))
        os.makedirs(engine.directory)
        with open(os.path.join(engine.directory, ".lock"), "wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            with pytest.raises(LocalEngineError, match="Another dinv"):
                engine.start(Progress(), timeout=0.1)


def test_a_store_that_cannot_be_made_is_an_error_of_ours(installed: None, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LocalEngineError, match="Not a directory"):
        LocalEngine(Store(str(tmp_path / "file" / "store"))).start(Progress(), timeout=1)


def test_a_long_path_has_its_sockets_elsewhere(tmp_path: Path) -> None:
    short = LocalEngine(Store("/store"))
    assert short._dockerd.exec_root == "/store/engine/exec"
    between = LocalEngine(Store("/" + "s" * 80))
    assert between.socket.startswith(between.store.path)
    assert between._dockerd.exec_root == f"/run/{between._dockerd.bridge.name}"
    long = LocalEngine(Store("/" + "s" * 120))
    assert len(long.socket) <= LONGEST_SOCKET


def test_a_socket_directory_that_others_can_enter_is_refused(
    installed: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    engine = LocalEngine(Store(str(tmp_path / ("s" * 120))))
    os.mkdir(os.path.dirname(engine.socket), 0o755)
    with pytest.raises(LocalEngineError, match="not a directory for root alone"):
        engine.start(Progress(), timeout=1)


def test_the_last_words_leave_out_what_is_of_no_interest(store: Store) -> None:
    engine = LocalEngine(store)
    os.makedirs(engine.directory)
    assert engine._dockerd.last_words() == []
    with open(engine.log, "w", encoding="utf-8") as log:
        log.write('time="1" level=info msg="Starting up"\n')
    assert len(engine._dockerd.last_words()) == 1
    with open(engine.log, "a", encoding="utf-8") as log:
        log.write('time="2" level=warning msg="odd"\n\nfailed to start daemon: cgroups: cannot find\n')
    words = engine._dockerd.last_words()
    assert words == ['time="2" level=warning msg="odd"', "failed to start daemon: cgroups: cannot find"]
    assert "cannot find" in str(LocalEngineError("It ended.", words))


@needs.linux("names of abstract sockets are Linux's")
def test_of_two_that_start_at_once_one_makes_the_rules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As at boot, where neither sees the other: who looks is alone until its own dockerd is to be seen."""
    running: list[Dockerd] = []
    looked = threading.Barrier(2)

    def another(_own: str) -> bool:
        there = bool(running)
        with contextlib.suppress(threading.BrokenBarrierError):
            looked.wait(0.3)  # for another that looks as well
        return there

    def launch(engine: Dockerd, _program: str) -> int:
        # Forked, and dockerd only in a moment.
        threading.Timer(0.2, running.append, [engine]).start()
        return os.getpid()

    monkeypatch.setattr(dockerd, "_another_engine", another)
    monkeypatch.setattr(Dockerd, "_launch", launch)
    monkeypatch.setattr(Dockerd, "find", lambda engine: int(engine in running))
    monkeypatch.setattr(Bridge, "make", lambda _: ipaddress.IPv4Network("172.30.1.0/24"))
    monkeypatch.setattr(Bridge, "open_to_outside", lambda *_: None)
    engines = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        engines.append(Dockerd(name, str(tmp_path / name), str(tmp_path / name / "docker.sock")))
    threads = [threading.Thread(target=each.launch, args=("dockerd", Progress())) for each in engines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    made = [json.loads((tmp_path / name / "daemon.json").read_text())["iptables"] for name in ("one", "two")]
    assert sorted(made) == [False, True]
    assert sorted(each.without_rules for each in engines) == [False, True]


def test_dockerd_gets_proxies_and_not_what_docker_clients_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/notify")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    environment = dockerd._environment()
    assert environment["HTTPS_PROXY"] == "http://proxy.example:3128"
    assert not {"DOCKER_TLS_VERIFY", "NOTIFY_SOCKET"} & set(environment)
    assert "/usr/sbin" in environment["PATH"].split(":")


SLOW_SECONDS = 0.4
NETWORK = {"Id": "0123456789abcdef", "Name": "theirs", "Driver": "bridge", "Options": {}}
ANSWERS = {
    "_ping": "OK",
    "version": {"Version": "26.1.5", "ApiVersion": "1.45"},
    "containers/json": [{"Id": "c1"}],
    "networks": [NETWORK],
}


class SlowDaemon(socketserver.ThreadingUnixStreamServer):
    """A dockerd that takes connections at once, and SLOW_SECONDS for its first answer."""

    daemon_threads = True

    def __init__(self, path: str) -> None:
        self.serves = time.monotonic() + SLOW_SECONDS
        super().__init__(path, Answering)


class Answering(BaseHTTPRequestHandler):
    server: SlowDaemon

    def do_GET(self) -> None:
        time.sleep(max(0.0, self.server.serves - time.monotonic()))
        path = self.path.partition("?")[0].removeprefix("/v1.45").lstrip("/")
        body = json.dumps(ANSWERS[path]).encode()
        with contextlib.suppress(OSError):
            self.send_response(200)
            self.send_header("Api-Version", "1.45")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class Launched:
    """An engine whose dockerd is launched, and ended, without a process; `ended` is what `end` was given."""

    def __init__(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        self.engine = LocalEngine(store)
        self.ended: list[tuple[float, list[str]]] = []
        self.pid = 0
        dockerd = self.engine._dockerd
        monkeypatch.setattr(dockerd, "find", lambda: self.pid)
        monkeypatch.setattr(dockerd, "clear_away", lambda _: None)
        monkeypatch.setattr(dockerd, "launch", lambda *_: self.launch())
        monkeypatch.setattr(dockerd, "end", lambda seconds, bridges: self.ended.append((seconds, bridges)))

    def launch(self) -> int:
        self.pid = os.getpid()
        os.makedirs(self.engine.directory, exist_ok=True)
        daemon = SlowDaemon(self.engine.socket)
        threading.Thread(target=daemon.serve_forever, args=(0.01,), daemon=True).start()
        self.daemon = daemon
        return self.pid


@pytest.fixture
def launched(installed: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Launched]:
    with tempfile.TemporaryDirectory(prefix="dinv-", dir="/tmp") as path:
        launched = Launched(Store(path), monkeypatch)
        yield launched
        if launched.pid:
            launched.daemon.shutdown()
            launched.daemon.server_close()


@needs.linux("it reads /proc")
def test_a_start_waits_until_it_serves(launched: Launched) -> None:
    heard = Heard()
    launched.engine.start(heard, timeout=60)
    assert heard.facts == [f"Engine Docker 26.1.5 started at unix://{launched.engine.socket}"]
    assert launched.ended == []


@needs.linux("it reads /proc")
def test_a_start_is_given_up_when_its_time_is_over_though_somebody_listens(launched: Launched) -> None:
    with pytest.raises(LocalEngineError, match=r"did not answer within 0\.01 s"):
        launched.engine.start(Progress(), timeout=0.01)
    assert len(launched.ended) == 1


@needs.linux("it reads /proc")
@pytest.mark.parametrize("step", ["_wait", "_give_to_owner", "_open_own_network"])
@pytest.mark.parametrize("interruption", [KeyboardInterrupt, OSError])
def test_a_start_that_is_interrupted_leaves_no_engine(
    launched: Launched,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    interruption: type[BaseException],
) -> None:
    def interrupt(*_: object) -> None:
        raise interruption

    launched.engine._dockerd.without_rules = True
    monkeypatch.setattr(launched.engine, "_open_own_network", lambda _: None)
    monkeypatch.setattr(launched.engine, step, interrupt)
    with pytest.raises(interruption):
        launched.engine.start(Progress(), timeout=60)
    assert len(launched.ended) == 1


@needs.linux("it reads /proc")
def test_a_stop_asks_what_is_on_an_engine_that_is_slow(
    launched: Launched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_engine, "ANSWER_SECONDS", SLOW_SECONDS / 8)
    launched.launch()
    heard = Heard()
    launched.engine.stop(heard, timeout=60)
    assert "1 running machine on it stopped with it." in heard.notes
    assert [bridges for _, bridges in launched.ended] == [["br-0123456789ab"]]


@needs.linux("it reads /proc")
@pytest.mark.parametrize(("timeout", "asked"), [(600, 20), (10, 5), (0, 3)])
def test_what_a_stop_asks_leaves_time_to_end(
    launched: Launched, monkeypatch: pytest.MonkeyPatch, timeout: float, asked: float
) -> None:
    found: list[float] = []

    def inventory(seconds: float) -> tuple[int, list[str]]:
        found.append(seconds)
        return 0, []

    monkeypatch.setattr(launched.engine, "_inventory", inventory)
    launched.launch()
    launched.engine.stop(Progress(), timeout=timeout)
    assert found == [pytest.approx(asked, abs=1)]
