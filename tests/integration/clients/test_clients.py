"""Other people's clients, unchanged, on a machine that was made with dinv's defaults."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from harness import CACHE, CHECKOUT
from users import LOST, User, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

SCRIPTS = os.path.join(CHECKOUT, "tests", "clients")
CLIENTS = os.path.join(CACHE, "clients")
PYTHON = os.path.join(CLIENTS, "venv", "bin", "python")
SECONDS = 120


@pytest.fixture(scope="module")
def user(
    tmp_path_factory: pytest.TempPathFactory, endpoint_address: str, machine_image: str
) -> Iterator[User]:
    if not os.path.exists(os.path.join(CLIENTS, "stamp")):
        pytest.fail("The clients are not installed: run scripts/clients")
    user = User(str(tmp_path_factory.mktemp("home")), endpoint_address)
    try:
        yield user
    finally:
        user.end_begun()
        user.dinv("rm", "-f", user.name("clients"), status=None)


@pytest.fixture(scope="module")
def environment(user: User) -> Mapping[str, str]:
    """What `dinv env` prints for a machine that has the image `hello`, and docker's plugins."""
    name = user.name("clients")
    user.dinv("create", name)
    user.import_hello(name)
    # As users have them; nothing of this computer's own.
    plugins = {"cliPluginsExtraDirs": [os.path.join(CLIENTS, "plugins")]}
    config = os.path.join(user.environment["DOCKER_CONFIG"], "config.json")
    document = {}
    with contextlib.suppress(FileNotFoundError), open(config, encoding="utf-8") as file:
        document = json.load(file)
    with open(config, "w", encoding="utf-8") as file:
        json.dump(document | plugins, file)
    return user.environment | user.variables(name)


def run(environment: Mapping[str, str], *argv: str, cwd: str | None = None) -> str:
    """What a command prints; it has to end well, and soon."""
    for _ in range(2):
        done = subprocess.run(
            argv,
            env=environment,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        if LOST not in done.stderr:
            break
    assert done.returncode == 0, f"{argv}:\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.mark.parametrize(
    ("script", "printed"),
    [
        ("docker_py.py", "it works\npage\n"),
        ("testcontainers_py.py", "page\n"),
        ("aiodocker_client.py", "page\n"),
        ("python_on_whales_client.py", "it works\npage\n"),
    ],
)
def test_python(environment: Mapping[str, str], script: str, printed: str) -> None:
    # Ryuk is an image of a registry's, which cannot be had here.
    more = {"TESTCONTAINERS_RYUK_DISABLED": "true"}
    assert run({**environment, **more}, PYTHON, os.path.join(SCRIPTS, script)) == printed


@pytest.mark.parametrize("script", ["testcontainers_node.cjs", "dockerode_client.cjs"])
def test_node(environment: Mapping[str, str], script: str) -> None:
    modules = os.path.join(CLIENTS, "node", "node_modules")
    more = {"TESTCONTAINERS_RYUK_DISABLED": "true", "NODE_PATH": modules}
    assert run({**environment, **more}, "node", os.path.join(SCRIPTS, script)) == "page\n"


def test_ansible(environment: Mapping[str, str], tmp_path: Path) -> None:
    result = tmp_path / "result"
    more = {
        "ANSIBLE_COLLECTIONS_PATH": os.path.join(CLIENTS, "collections"),
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
        "ANSIBLE_PYTHON_INTERPRETER": PYTHON,
        "ANSIBLE_HOME": str(tmp_path / "ansible"),
        "RESULT": str(result),
        "LC_ALL": "C.UTF-8",
    }
    playbook = os.path.join(os.path.dirname(PYTHON), "ansible-playbook")
    run({**environment, **more}, playbook, os.path.join(SCRIPTS, "playbook.yml"))
    assert result.read_text() == "page\n"


def test_compose(environment: Mapping[str, str]) -> None:
    compose = ("docker", "compose", "-p", "clients", "-f", os.path.join(SCRIPTS, "compose.yaml"))
    try:
        run(environment, *compose, "up", "-d")
        host = urlsplit(environment["DOCKER_HOST"]).hostname
        eventually(lambda: "page" in run(environment, *compose, "logs", "reader"))
        assert run(environment, "curl", "-s", "-m", "10", f"http://{host}:8098/") == "page\n"
    finally:
        run(environment, *compose, "down", "--timeout", "1")


@pytest.mark.parametrize("by", ["environment", "context"])
def test_buildx(user: User, environment: Mapping[str, str], tmp_path: Path, by: str) -> None:
    (tmp_path / "Dockerfile").write_text("FROM hello\nRUN echo built >/built\n")
    more = {"DOCKER_BUILDKIT": "1"}
    if by == "context":
        environment = user.environment
        more["DOCKER_CONTEXT"] = user.name("clients")
    environment = {**environment, **more}
    shown = run(environment, "docker", "buildx", "inspect")
    assert "docker" in shown
    run(environment, "docker", "buildx", "build", "--load", "-t", f"by-{by}", str(tmp_path))
    assert run(environment, "docker", "run", "--rm", f"by-{by}", "cat", "/built") == "built\n"
