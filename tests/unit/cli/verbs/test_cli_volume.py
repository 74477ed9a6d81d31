"""`dinv volume`: what it prints, asks and refuses; what it does is tested with `cache_volumes`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from fake_program import Program

from dinv.cache_volumes import CacheVolume, CacheVolumes
from dinv.errors import VolumeInUse
from dinv.labels import LABEL, LABEL_ID
from dinv.machines import Machines

if TYPE_CHECKING:
    from fake_driver import World


def volume(name: str, **more: Any) -> CacheVolume:
    made = CacheVolume(name, "unix:///e.sock", {LABEL: "dev", LABEL_ID: "i1"})
    for key, value in more.items():
        setattr(made, key, value)
    return made


class Fake(CacheVolumes):
    """Has two volumes."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.there = [
            volume("dinv-dev-cache", users=["dinv-dev"], size=2 << 30, created="2026-11-29T10:00:00Z"),
            volume("old", ours=True),
        ]

    def close(self) -> None:
        self.done.append("close")

    def list(self, **_: Any) -> list[CacheVolume]:
        return self.there

    def remove(self, name: str, *, force: bool = False) -> None:
        if name == "dinv-dev-cache":
            raise VolumeInUse(name, "Volume dinv-dev-cache is in use.", ["dinv-dev"])
        self.done.append(f"remove {name} {force}")

    def prune(self, *, everyone: bool = False, **_: Any) -> Any:
        self.done.append(f"prune {everyone}")
        return self.there[1:]

    def clone(self, source: str, target: str, *, stop: bool = False, **_: Any) -> CacheVolume:
        self.done.append(f"clone {source} {target} {stop}")
        return volume(target)


@pytest.fixture
def fake(world: World, monkeypatch: pytest.MonkeyPatch) -> Fake:
    fake = Fake()
    monkeypatch.setattr(Machines, "volumes", lambda *_, **__: fake)
    return fake


@pytest.fixture
def program(world: World, capsys: pytest.CaptureFixture[str]) -> Program:
    return Program(capsys)


def test_a_table_has_a_dash_for_what_is_not_known(program: Program, fake: Fake) -> None:
    assert program("volume", "ls") == 0
    rows = [line.split() for line in program.out.splitlines()]
    assert rows[0] == ["VOLUME", "MACHINE", "STATE", "SIZE", "CREATED", "ENDPOINT"]
    assert rows[1][:2] == ["dinv-dev-cache", "dev"]
    assert rows[1][-4:] == ["2", "GiB", "2026-11-29", "unix:///e.sock"]
    assert rows[2] == ["old", "dev", "left", "-", "-", "unix:///e.sock"]
    assert fake.done == ["close"]


def test_names_and_records(program: Program, fake: Fake) -> None:
    assert program("volume", "ls", "-q") == 0
    assert program.out.split() == ["dinv-dev-cache", "old"]
    assert program("volume", "ls", "--format", "json") == 0
    first, second = json.loads(program.out)
    assert (first["Size"], first["UsedBy"], second["Size"]) == (2 << 30, ["dinv-dev"], None)


def test_several_are_removed_and_each_error_is_told(program: Program, fake: Fake) -> None:
    assert program("volume", "rm", "old", "dinv-dev-cache") == 1
    assert program.out == "old\n"
    assert "is in use" in program.err
    assert fake.done == ["remove old False", "close"]


def test_prune_asks_unless_told_not_to(program: Program, fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(text: str) -> None:
        monkeypatch.setattr("builtins.input", lambda _question: text)

    answer("n")
    assert program("volume", "prune") == 0
    assert "old  -, of machine dev, on unix:///e.sock" in program.out
    assert fake.done == ["close"]
    answer("y")
    assert program("volume", "prune") == 0
    assert program("volume", "prune", "-f", "-a", "-q") == 0
    assert program.out == "old\n"
    assert fake.done == ["close", "prune False", "close", "prune True", "close"]
    fake.there.pop()
    assert program("volume", "prune") == 0
    assert "No volume is left" in program.out


def test_clone_prints_the_name_if_asked(program: Program, fake: Fake) -> None:
    assert program("volume", "clone", "-q", "--stop", "dev", "two") == 0
    assert program.out == "two\n"
    assert fake.done == ["clone dev two True", "close"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("ls", "x"), "volume ls takes no name, and was given x"),
        (("rm",), "volume rm takes VOLUME ..., and was given none"),
        (("prune", "x"), "volume prune takes no name"),
        (("clone", "x"), "volume clone takes FROM TO, and was given x"),
        (("clone", "x", "y", "z"), "volume clone takes FROM TO"),
        (("ls", "--all"), "--all is for volume prune, and not for volume ls"),
        (("clone", "-f", "x", "y"), "--force is for volume prune and rm, and not for volume clone"),
        (("rm", "--stop", "x"), "--stop is for volume clone"),
    ],
)
def test_what_does_not_belong_is_refused(
    program: Program, fake: Fake, words: tuple[str, ...], said: str
) -> None:
    assert program("volume", *words) == 1
    assert said in program.err
    assert fake.done == []
