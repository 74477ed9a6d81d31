"""`dinv pool` and `create --pool`: what they take, print and refuse."""

from __future__ import annotations

import importlib
import json
from typing import TYPE_CHECKING

import pytest
from fake_driver import install
from pool_world import look
from shared_machine import FrontProvisioner

from dinv import provisioners
from dinv.cli import main
from dinv.cli.flags.create import given
from dinv.cli.parser import Parser
from dinv.lifecycle.claim import Claim
from dinv.pools.obtaining import OF_A_CLAIM

if TYPE_CHECKING:
    from pathlib import Path

    from fake_driver import World


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    world = install(monkeypatch, str(tmp_path / "endpoint"))
    monkeypatch.setitem(provisioners._BUILT_IN, "docker", "shared_machine:FrontProvisioner")
    monkeypatch.setattr(FrontProvisioner, "daemon", None)
    monkeypatch.setattr(Claim, "_look", look)
    monkeypatch.setenv("MACHINE_STORAGE_PATH", str(tmp_path / "store"))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    return world


def test_from_the_first_command_to_the_last(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pool", "create", "ci", "--size", "2", "--max", "3", "-d", "fake"]) == 0
    assert "pool reconcile ci" in capsys.readouterr().out
    assert main(["pool", "reconcile", "-q"]) == 0
    assert capsys.readouterr().out == ""
    assert main(["create", "-q", "--pool", "ci", "dev"]) == 0
    assert capsys.readouterr().out == "dev\n"
    assert main(["pool", "ls"]) == 0
    assert "ci     short   1/2     0          0        0        1, max 3" in capsys.readouterr().out
    assert main(["pool", "ls", "--format", "{{.Ready}} {{.Claimed}}"]) == 0
    assert capsys.readouterr().out == "1 1\n"
    assert main(["pool", "set", "ci", "--size", "3", "--one-at-a-time"]) == 0
    assert main(["pool", "set", "ci", "--one-at-a-time=false"]) == 0
    assert main(["pool", "pause", "ci"]) == 0
    capsys.readouterr()
    assert main(["pool", "inspect", "ci"]) == 0
    (shown,) = json.loads(capsys.readouterr().out)
    assert (shown["State"], shown["Size"], shown["Options"]) == ("paused", 3, {"driver": "fake"})
    assert shown["OneAtATime"] is False
    assert [each["State"] for each in shown["Machines"]] == ["ready", "claimed"]
    assert main(["-s", shown["Store"], "ls", "-q"]) == 0  # its unclaimed machines, for every verb
    assert capsys.readouterr().out == shown["Machines"][0]["Name"] + "\n"
    assert main(["pool", "resume", "ci"]) == 0
    assert main(["pool", "rm", "-y", "ci"]) == 0
    capsys.readouterr()
    assert main(["ls", "-q"]) == 0
    assert capsys.readouterr().out == "dev\n"
    assert sorted(world.things()) == ["container-dev", "volume-dev"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["create"], "pool create takes one name"),
        (["create", "ci", "--size", "x", "-d", "fake"], "--size"),
        (["set", "ci"], "takes what is to be changed"),
        (["ls", "--size", "3"], "--size is for pool create and set"),
        (["ls", "--max", "3"], "--max is for pool create and set"),
        (["rm"], "takes the name of a pool"),
        (["ls", "-y"], "-y is for pool rm"),
        (["inspect", "-f", "{{.Size}}", "ci"], "A format is --format"),
        (["create", "ci", "--watch"], "--watch is for pool reconcile"),
        (["inspect", "ci"], 'There is no pool "ci"'),
        (["nosuch"], "nosuch"),
    ],
)
def test_what_it_does_not_take(
    words: list[str], said: str, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["pool", *words]) != 0
    assert said in capsys.readouterr().err


def test_an_option_that_comes_too_late_is_named_as_a_flag(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["pool", "create", "ci", "-d", "fake", "--size", "0"]) == 0
    capsys.readouterr()
    assert main(["create", "--pool", "ci", "--tls-san", "x.example.com", "dev"]) == 1
    assert "--tls-san comes too late" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["--pool", "ci", "dev"],
        ["-pool=ci", "--label", "a=b", "--label", "c=d", "--no-context", "dev"],
        ["--pool", "ci", "--ttl", "8h", "--idle-ttl=2h", "--on-expiry", "stop", "dev"],
        ["--pool", "ci", "--keep-cache-on-expiry", "--timeout", "9", "--keep-on-failure", "-q", "dev"],
    ],
)
def test_the_short_way_to_read_a_claim_reads_the_same(words: list[str], world: World) -> None:
    """Without the table of options: what it says of these flags is what the table says."""
    found = []
    for more in ([], ["--memory", "2g"]):
        parser = Parser("dinv", "create", "", [*words, *more])
        parser.store = ""
        parser.add_argument("-D", "--debug", action="store_true")
        parser.add_argument("-s", "--storage-path")
        importlib.import_module("dinv.cli.verbs.create").arguments(parser)
        assert ("memory" in {argument.dest for argument in parser.all_arguments()}) is bool(more)
        options = parser.parse([*words, *more])
        options.rest = []
        found.append({key: value for key, value in given(options, {}).items() if value not in (None, False)})
    found[1].pop("memory")
    assert found[0] == found[1] | ({"context": False} if found[0].get("context") is False else {})
    assert set(found[0]) <= {*OF_A_CLAIM, "pool"}
