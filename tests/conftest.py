"""What holds for every test: nothing of the computer's own set-up leaks in, nothing gets out to it."""

from __future__ import annotations

import os
import signal

import pytest

_FOREIGN = ("DOCKER_", "DINV_", "MACHINE_", "COMPOSE_", "SWARM_")
_OWN = "DINV_TEST_"
"""Variables that steer the tests themselves."""


def pytest_configure() -> None:
    """Let the programs that tests start have signals, also below nohup and in a script's background (`&`).

    What is ignored is ignored in children too, and then no Ctrl-C that a test sends would end one. With a
    handler that does nothing, this process goes on ignoring the signal, while children have the default.
    """
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)


@pytest.fixture(autouse=True)
def isolated_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No variable that dinv or the docker CLI reads, and a home directory of the test's own.

    And one name to be called by: pytest and its workers have others.
    """
    monkeypatch.setattr("sys.argv", ["dinv"])
    for name in os.environ:
        if name.startswith(_FOREIGN) and not name.startswith(_OWN):
            monkeypatch.delenv(name)
    home = tmp_path_factory.mktemp("home")  # not in tmp_path, where tests look at what there is
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
