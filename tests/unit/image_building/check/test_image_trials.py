"""What each trial says of a machine that does not keep a promise; integration tests have one that does."""

from __future__ import annotations

import contextlib
import socket
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from dinv.errors import NotFound
from dinv.image_building.check import trials
from dinv.images.dinv import DinvContract
from dinv.lifecycle import power
from dinv.states import RUNNING, STOPPED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dinv.image_building.check.subject import Subject


class Fake:
    """A machine that says what it is told to: `said` by the beginning of a command."""

    def __init__(self, said: dict[str, tuple[int, str]] | None = None, **facts: Any) -> None:
        self.said = said or {}
        self.commands: list[str] = []
        self.contract = DinvContract()
        self.container = "abc"
        self.pids = ["1", "2"]
        self.states: list[dict[str, Any]] = [{"Running": True, "StartedAt": "then"}]
        self.well = True
        self.ended = cast("int | None", None)
        self.lines = ["dinv-check: is here"]
        self.missing: set[str] = set()
        self.paths = {"/usr/lib/openssh/sftp-server"}
        vars(self).update(facts)
        driver = SimpleNamespace(
            last_log_lines=lambda _count: self.lines,
            signal_init=lambda _signal: None,
            ended=lambda: self.ended,
            stop=lambda **_: None,
            start=lambda **_: None,
        )
        self.host = SimpleNamespace(
            name="m",
            driver=driver,
            channel=lambda: SimpleNamespace(put=lambda _files: None),
            observed_state=lambda: STOPPED if self.ended is not None else RUNNING,
            provisioner=SimpleNamespace(provision=lambda: None),
        )

    def run(self, *argv: str) -> tuple[int, str]:
        command = " ".join(argv)
        self.commands.append(command)
        return next((said for begins, said in self.said.items() if command.startswith(begins)), (0, ""))

    def daemon(self) -> str:
        return self.pids.pop(0) if len(self.pids) > 1 else self.pids[0]

    def lacks(self, programs: list[str]) -> list[str]:
        return [name for name in programs if name in self.missing]

    def has(self, path: str) -> bool:
        return path in self.paths

    def answers(self) -> bool:
        return self.well

    def is_well(self) -> bool:
        return self.well

    @contextlib.contextmanager
    def engine(self) -> Iterator[Any]:
        def inspect(_container: str) -> dict[str, Any]:
            state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
            if not state:
                raise NotFound("no such container", status=404)
            return {"State": state}

        yield SimpleNamespace(containers=SimpleNamespace(inspect=inspect, start=lambda _container: None))

    @staticmethod
    def wait(done: Callable[[], object], _seconds: float = 0) -> bool:
        return any(done() for _ in range(5))


def tried(
    trial: Callable[[Subject], str], said: dict[str, tuple[int, str]] | None = None, **facts: Any
) -> str:
    return trial(cast("Subject", Fake(said, **facts)))


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    monkeypatch.setattr(power, "stop", lambda *_args, **_given: None)
    monkeypatch.setattr(power, "start", lambda *_args, **_given: None)


SERVICES = "/usr/local/lib/dinv/services"


def test_tools() -> None:
    assert not tried(trials.tools)
    assert tried(trials.tools, missing={"git", "vi"}) == "it has no git, vi"
    assert not tried(trials.rsync)
    assert tried(trials.rsync, missing={"rsync"})
    assert not tried(trials.sftp)
    assert tried(trials.sftp, paths=set())
    assert not tried(trials.sudo)
    assert tried(trials.sudo, missing={"sudo"}) == "there is none"
    assert "without a password" in tried(trials.sudo, {"sudo -n": (1, "")})


def test_options() -> None:
    assert not tried(trials.options)
    for word in ("check", "reload"):
        said = tried(trials.options, {f"/usr/local/lib/dinv/dockerd {word}": (1, "no luck")})
        assert said == f"/usr/local/lib/dinv/dockerd {word} fails: no luck"


@pytest.mark.parametrize(
    ("status", "facts", "expected"),
    [
        ([(0, "a"), (0, "b"), (0, "b"), (1, "")], {}, ""),
        ([(1, "not started")], {}, "it is not run: not started"),
        ([(0, "a")], {}, "that it ended is not seen"),
        ([(0, "a"), (1, "ended")], {}, "it is not started again when it ends"),
        ([(0, "a"), (0, "b"), (0, "b")], {"lines": ["other"]}, "what it prints is not in the machine's log"),
        ([(0, "a"), (0, "b"), (0, "b")], {}, "it is not ended"),
    ],
)
def test_services(
    status: list[tuple[int, str]],
    facts: dict[str, Any],
    expected: str,
) -> None:
    fake = Fake(**facts)
    left = list(status)

    def run(*argv: str) -> tuple[int, str]:
        fake.commands.append(" ".join(argv))
        if argv[:2] != (SERVICES, "status"):
            return 0, ""
        return left.pop(0) if len(left) > 1 else left[0]

    fake.run = run  # type: ignore[method-assign]
    assert trials.services(cast("Subject", fake)) == expected
    # Whatever came of it, the service is taken out.
    assert "rm -f /etc/dinv/services/dinv-check" in fake.commands


def test_a_services_reload_that_fails() -> None:
    assert tried(trials.services, {f"{SERVICES} reload": (1, "why")}) == "services reload fails: why"


@pytest.mark.parametrize("trial", [trials.hangup, trials.dead_daemon])
def test_restarts_of_the_daemon(trial: Callable[[Subject], str]) -> None:
    assert not tried(trial)
    assert "does not answer" in tried(trial, pids=["1"])
    assert "does not answer" in tried(trial, well=False)
    before, other = {"Running": True, "StartedAt": "then"}, {"Running": True, "StartedAt": "now"}
    assert tried(trial, states=[before, other]) == "its containers are stopped"
    assert (
        tried(trial, states=[before, {"Running": False, "StartedAt": "then"}]) == "its containers are stopped"
    )
    assert not tried(trial, container="")


def test_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not tried(trials.stop, ended=0)
    assert tried(trials.stop, ended=143) == "it ends with status 143"
    times = iter([0.0, 21.0])
    monkeypatch.setattr("time.monotonic", lambda: next(times))
    assert tried(trials.stop, ended=137) == "it had to be killed after 20 s"


def test_cache() -> None:
    assert not tried(trials.cache)
    assert not tried(trials.cache, states=[{}, {"Running": False}, {"Running": True}])
    assert "are not back" in tried(trials.cache, states=[{"Running": False}])
    assert "are not back" in tried(trials.cache, states=[{}])
    assert "does not answer" in tried(trials.cache, well=False)


def test_waiting() -> None:
    facts: dict[str, Any] = {"well": False}
    assert tried(trials.waiting, ended=2) == "it ends when it is started without certificates"
    assert tried(trials.waiting) == "it answers without certificates"
    assert tried(trials.waiting, **facts) == "it does not serve once its certificates are in"


@contextlib.contextmanager
def answering(answer: bytes) -> Iterator[tuple[str, int]]:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with contextlib.suppress(OSError):
                connection, _ = server.accept()
                with connection:
                    connection.recv(1000)
                    connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()
    thread.join()


def test_plain_tcp() -> None:
    def plain(answer: bytes, *, listens: bool = False) -> str:
        with answering(answer) as address:
            fake = Fake({"sh -c": (0 if listens else 1, "")})
            fake.address = lambda: address  # type: ignore[attr-defined]
            fake.host.own_ip = lambda: "127.0.0.1"
            return trials.plain(cast("Subject", fake))

    assert plain(b"HTTP/1.1 200 OK\r\n\r\n") == "its port answers without TLS"
    assert not plain(b"\x15\x03\x01\x00\x02\x02\x16")
    assert plain(b"", listens=True) == "port 2375 listens"
