"""What holds for every test: nothing of the computer's own set-up leaks in, nothing gets out to it."""

from __future__ import annotations

import os

import pytest

_FOREIGN = ("DOCKER_", "DINV_", "MACHINE_", "COMPOSE_", "SWARM_")
_OWN = "DINV_TEST_"
"""Variables that steer the tests themselves."""


@pytest.fixture(autouse=True)
def isolated_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No variable that dinv or the docker CLI reads, and a home directory of the test's own."""
    for name in os.environ:
        if name.startswith(_FOREIGN) and not name.startswith(_OWN):
            monkeypatch.delenv(name)
    home = tmp_path_factory.mktemp("home")  # not in tmp_path, where tests look at what there is
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
