"""Several at once: machines, users, and commands on one machine."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING

from users import LS, User, eventually, finish

from dinv.store import identity
from dinv.store.store import Store

if TYPE_CHECKING:
    import pytest


def test_eight_creates_at_once_with_a_fresh_store(user: User) -> None:
    names = [user.name(f"m{n}") for n in range(8)]
    assert not os.path.exists(user.store)
    for process in [user.begin("create", name) for name in names]:
        finish(process)
    assert user.dinv("ls", "-q").stdout.split() == names
    rows = json.loads(user.dinv(*LS, "--format", "json").stdout)
    assert [row["State"] for row in rows] == ["Running"] * 8
    assert len({row["URL"] for row in rows}) == 8
    for name in names:
        directory = user.machine(name).directory
        for which, purpose in (("server", "sslserver"), ("cert", "sslclient")):
            subprocess.run(
                (
                    *("openssl", "verify", "-x509_strict", "-purpose", purpose),
                    *("-CAfile", f"{directory}/ca.pem", f"{directory}/{which}.pem"),
                ),
                check=True,
                capture_output=True,
                timeout=20,
            )
        assert user.dinv("version", name).stdout.strip()
    said = user.dinv("rm", "-y", *names).stdout
    assert all(f"Successfully removed {name}" in said for name in names)
    for name in names:
        assert user.traces(name) == []


def test_two_creates_of_one_name(user: User) -> None:
    name = user.name("same")
    results = [finish(process, None) for process in [user.begin("create", name) for _ in range(2)]]
    assert sorted(result.returncode for result in results) == [0, 1]
    loser = next(result for result in results if result.returncode)
    assert "Another dinv is at work" in loser.stderr or "already exists" in loser.stderr
    user.docker(name, "version")
    user.dinv("rm", "-y", name)
    assert user.traces(name) == []


def test_two_stores_want_one_name_on_one_endpoint(
    user: User, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The loser removes nothing of the winner's."""
    other = User(str(tmp_path_factory.mktemp("other")), user.endpoint)
    name = user.name("same")
    processes = [each.begin("create", name) for each in (user, other)]
    results = [finish(process, None) for process in processes]
    assert sorted(result.returncode for result in results) == [0, 3], results
    winner, loser = (user, other) if results[0].returncode == 0 else (other, user)
    winner.import_hello(name)
    assert winner.docker(name, "run", "--rm", "hello", "echo", "whole") == "whole\n"
    assert set(os.listdir(os.path.join(loser.store, "machines"))) <= {identity.FILE}
    winner.dinv("rm", "-y", name)
    assert winner.traces(name) == []


def test_while_one_command_is_at_work_another_says_so(user: User) -> None:
    name = user.name("busy")
    user.dinv("create", name)
    user.import_hello(name)
    # A container that does not want to end holds up the stop.
    user.docker(name, "run", "-d", "--stop-timeout", "15", "hello", "sleep", "6000")
    stopping = user.begin("stop", name)
    # What it prints comes before it is at work.
    eventually(lambda: "stopping" in (Store(user.store).holder(name) or ""))
    assert f'Another dinv is at work on machine "{name}" (stopping it' in user.fails("kill", name)
    user.run("docker", "-H", user.endpoint, "exec", f"dinv-{name}", "pkill", "-KILL", "-f", "^sleep 6000")
    finish(stopping)
    assert user.dinv("status", name).stdout == "Stopped\n"


def test_two_removals_of_one_machine(user: User) -> None:
    name = user.name("twice")
    user.dinv("create", name)
    results = [finish(process, None) for process in [user.begin("rm", "-y", name) for _ in range(2)]]
    assert 0 in [result.returncode for result in results]
    for result in results:
        if result.returncode:
            assert "Another dinv is at work" in result.stderr or "does not exist" in result.stderr
    assert user.traces(name) == []
