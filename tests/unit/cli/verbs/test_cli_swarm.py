"""`dinv swarm`, `env --swarm`, and `rm` of several machines of a cluster."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from dinv import machines
from dinv.cli import main

if TYPE_CHECKING:
    from fake_driver import World


@pytest.fixture
def _clustered(world: World) -> None:
    world.members = {}
    for name in ("m1", "m2", "m3"):
        assert main(["create", "-q", name]) == 0


@pytest.mark.usefixtures("_clustered")
def test_the_key(capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["swarm", "unlock-key", "m1"]) == 0
    said = capsys.readouterr()
    assert said.out == "KEY-1\n"
    assert "Keep it somewhere else" in said.err
    assert main(["swarm", "unlock-key", "-q", "--rotate", "m1"]) == 0
    assert capsys.readouterr() == ("KEY-2\n", "")
    assert main(["swarm", "unlock-key", "--format", "json", "m1"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["Name"], found["UnlockKey"]) == ("m1", "KEY-1")


@pytest.mark.usefixtures("_clustered")
def test_unlocking(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["swarm", "unlock", "m2"]) == 0
    assert "unlock" in world.steps
    assert main(["swarm", "unlock", "--rotate", "m2"]) == 1
    assert "--rotate is for swarm unlock-key" in capsys.readouterr().err


@pytest.mark.parametrize("action", ["unlock", "unlock-key"])
def test_a_machine_in_no_cluster(world: World, action: str, capsys: pytest.CaptureFixture[str]) -> None:
    main(["create", "-q", "dev"])
    assert main(["swarm", action, "dev"]) == 1
    assert 'Machine "dev" is not part of a cluster.' in capsys.readouterr().err
    assert "unlock" not in world.steps


@pytest.mark.usefixtures("_clustered")
def test_env_of_a_swarm_is_that_of_a_manager_that_answers(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.controller = "m1"
    capsys.readouterr()
    assert main(["env", "--shell", "sh", "--swarm", "m3"]) == 0
    assert 'DOCKER_MACHINE_NAME="m1"' in capsys.readouterr().out
    world.controller = ""
    assert main(["env", "--shell", "sh", "--swarm", "m3"]) == 0
    assert 'DOCKER_MACHINE_NAME="m3"' in capsys.readouterr().out


@pytest.mark.usefixtures("_clustered")
def test_members_are_removed_one_after_another_the_first_one_last(world: World) -> None:
    main(["create", "-q", "other"])  # all are of one cluster here
    for number, name in enumerate(("m1", "m2", "m3", "other")):
        config = machines.open_machines().get(name).config
        config.ours["Created"] = f"2026-01-01T00:00:0{number}Z"
        if name == "other":
            config.membership = {}
        machines.open_machines()._store.save(config)
    names = ["m1", "m2", "m3", "other", "nobody"]
    assert machines.open_machines().removal_rounds(names) == [["other", "nobody", "m3"], ["m2"], ["m1"]]
    world.steps.clear()
    assert main(["rm", "-y", *names]) == 1
    left = [step for step in world.steps if step.startswith("remove") or step == "check leave"]
    assert left.count("check leave") == 3
    assert machines.open_machines().names() == []
