"""`image check`: which checks there are, what comes of them, and that nothing is left."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from dinv.errors import DinvError, ImageCheckBusy, Interrupted, MachineDied, MachineExists
from dinv.image_building import check as package
from dinv.image_building.check import NAME, check, checks
from dinv.image_building.check.report import Finding
from dinv.image_building.check.subject import Subject
from dinv.images import find
from dinv.progress import Progress
from dinv.store.store import Store
from dinv.system import locks

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from dinv.engine import Engine
    from dinv.image_building.check.report import ImageReport

GOOD = {
    "Entrypoint": ["/usr/bin/tini", "--", "/usr/local/lib/dinv/entrypoint"],
    "ExposedPorts": {"2376/tcp": {}, "22/tcp": {}},
    "Labels": {
        "io.dinv.image.contract": "dinv",
        "io.dinv.image.version": "1",
        "io.dinv.image.features": "services",
    },
    "Healthcheck": {"Test": ["CMD", "x"]},
}


class World:
    """What a check makes, and what of it is left."""

    def __init__(self, config: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
        self.machines: list[str] = []
        self.dies: Exception | None = None
        self.removed: list[str] = []
        self.options: Any = None
        monkeypatch.setattr(
            "dinv.drivers.docker.image.ensure", lambda *_args, **_given: {"Config": config, "Id": "x"}
        )
        monkeypatch.setattr(package, "create", self._create)
        monkeypatch.setattr(package, "remove", self._remove)
        monkeypatch.setattr(Subject, "is_well", lambda _self: True)

    def _create(self, _store: Store, name: str, options: Any, *_: Any, **__: Any) -> Any:
        self.options = options
        if self.dies is not None:
            raise self.dies
        self.machines.append(name)
        return SimpleNamespace(close=lambda: None, name=name)

    def _remove(self, _store: Store, name: str, **_: Any) -> list[str]:
        self.machines.remove(name)
        self.removed.append(name)
        return []


def try_it(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    *,
    config: dict[str, Any] = GOOD,
    trials: Sequence[checks.Check] = (),
    dies: Exception | None = None,
) -> tuple[ImageReport, World]:
    world = World(config, monkeypatch)
    world.dies = dies
    monkeypatch.setattr(package, "TRIALS", tuple(trials))
    engine = cast("Engine", SimpleNamespace(info=lambda **_: {}, address="unix:///e.sock"))
    return check(Store(str(tmp_path)), engine, "own:1", Progress()), world


def a_check(run: Callable[[Any], str], *, needed: bool = True, when: bool = True) -> checks.Check:
    return checks.Check("trial", run, "why", "how", needed=needed, when=lambda _subject: when)


def states(report: ImageReport) -> dict[str, str]:
    return {finding.check: finding.state for finding in report.findings}


def test_each_check_has_a_name_of_its_own_and_says_how_to_mend_it() -> None:
    every = (*checks.LOOKS, checks.SERVES, *checks.TRIALS)
    assert len({one.name for one in every}) == len(every)
    for one in every:
        assert one.why
        assert one.mend
        assert not one.why.endswith(".")
        assert not one.mend.endswith(".")


def test_what_is_tried_is_what_the_contract_promises() -> None:
    def promised(contract: str, features: str = "") -> set[str]:
        subject = Subject("x", {"Labels": {"io.dinv.image.features": features}}, contract)
        return {trial.name for trial in checks.TRIALS if trial.when(subject)}

    always = {
        "clients",
        "plain TCP",
        "containers",
        "SIGTERM",
        "cache",
        "sudo",
        "tools",
        "scp --delta",
        "mount",
    }
    assert promised("dind") == promised("dch-photon") == always
    assert promised("dinv", "services,sshd") == {trial.name for trial in checks.TRIALS}
    assert promised("dinv") == {trial.name for trial in checks.TRIALS} - {"services"}


def test_all_is_well(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    report, world = try_it(monkeypatch, tmp_path, trials=[a_check(lambda _: "")])
    assert set(states(report).values()) == {"ok"}
    assert report.keeps_contract
    assert report.contract == "dinv"
    assert (world.machines, world.removed) == ([], [NAME])
    # Nothing of the user's is in it.
    assert world.options.driver_values["label"] == ("dinv.image-check=temporary",)
    assert not world.options.context


def test_what_is_needed_and_lacks_and_what_is_only_wished_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    wished = a_check(lambda _: "no rsync", needed=False)._replace(name="wished")
    report, _ = try_it(monkeypatch, tmp_path, trials=[wished])
    assert states(report)["wished"] == "remark"
    assert report.keeps_contract
    report, world = try_it(monkeypatch, tmp_path, trials=[a_check(lambda _: "it is not"), wished])
    assert Finding("trial", "lacks", "it is not", "why", "how", needed=True) in report.findings
    assert not report.keeps_contract
    assert world.machines == []


def test_what_the_contract_does_not_promise_is_not_mentioned(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    report, _ = try_it(monkeypatch, tmp_path, trials=[a_check(lambda _: "no", when=False)])
    assert "trial" not in states(report)
    assert report.keeps_contract


def test_an_error_is_what_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fails(_: Subject) -> str:
        raise ConnectionResetError("reset\nby\npeer")

    report, world = try_it(monkeypatch, tmp_path, trials=[a_check(fails)])
    assert report.findings[-1].said == "reset peer"
    assert world.machines == []


def test_an_interruption_ends_it_and_the_machine_is_removed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def interrupted(_: Subject) -> str:
        raise Interrupted(15)

    world: list[World] = []
    made = World.__init__

    def init(self: World, *args: Any) -> None:
        world.append(self)
        made(self, *args)

    monkeypatch.setattr(World, "__init__", init)
    with pytest.raises(Interrupted):
        try_it(monkeypatch, tmp_path, trials=[a_check(interrupted)])
    assert (world[0].machines, world[0].removed) == ([], [NAME])
    with pytest.raises(Interrupted):
        try_it(monkeypatch, tmp_path, dies=Interrupted(2))


def test_a_machine_that_does_not_come_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    report, world = try_it(
        monkeypatch,
        tmp_path,
        trials=[a_check(lambda _: "")],
        dies=MachineDied(NAME, 1, ["a", "no such file"]),
    )
    assert states(report)["serves"] == "lacks"
    assert "no such file" in next(one.said for one in report.findings if one.check == "serves")
    assert states(report)["trial"] == "untried"
    assert not report.keeps_contract
    assert world.removed == []


def test_one_that_answers_no_more_is_not_waited_for_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[int] = []
    trials = [a_check(lambda _: "")._replace(name=str(number)) for number in range(3)]
    world = World.__init__

    def is_well(_: Subject) -> bool:
        asked.append(1)
        return False

    def gone(self: World, *args: Any) -> None:
        world(self, *args)
        monkeypatch.setattr(Subject, "is_well", is_well)

    monkeypatch.setattr(World, "__init__", gone)
    report, _ = try_it(monkeypatch, tmp_path, trials=trials)
    assert {states(report)[name] for name in "012"} == {"untried"}
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"Labels": {}}, "contract"),
        ({"Labels": {"io.dinv.image.contract": "nosuch"}}, "contract"),
        ({"Entrypoint": None}, "entrypoint"),
        ({"Volumes": {"/data": {}}}, "volumes"),
        ({"ExposedPorts": {"2375/tcp": {}}}, "port"),
        ({"Labels": {"io.dinv.image.contract": "dinv"}}, "version"),
        ({"Healthcheck": None}, "health check"),
        ({"Healthcheck": {"Test": ["NONE"]}}, "health check"),
    ],
)
def test_looks(change: dict[str, Any], name: str) -> None:
    def seen(config: dict[str, Any]) -> set[str]:
        contract = str((config["Labels"] or {}).get("io.dinv.image.contract") or "")
        subject = Subject("x", config, contract)
        found = set()
        for look in checks.LOOKS:
            try:
                if look.run(subject):
                    found.add(look.name)
            except DinvError:  # what is raised is what is found
                found.add(look.name)
        return found

    assert seen(GOOD) == set()
    assert name in seen({**GOOD, **change})


def test_docker_dinds_own_volume_is_the_machines() -> None:
    look = next(look for look in checks.LOOKS if look.name == "volumes")
    assert not look.run(Subject("x", {"Volumes": {"/var/lib/docker": {}}}, "dind"))
    assert look.run(Subject("x", {"Volumes": {"/var/lib/docker": {}, "/certs": {}}}, "dind"))


def test_of_what_is_no_machine_image_no_machine_is_made(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    report, world = try_it(monkeypatch, tmp_path, config={"Cmd": ["sh"]}, trials=[a_check(lambda _: "")])
    assert states(report)["contract"] == "lacks"
    assert states(report)["serves"] == states(report)["trial"] == "untried"
    assert not report.keeps_contract
    assert world.options is None


def test_what_a_killed_check_has_left_is_removed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    left(tmp_path, {"dinv.image-check": "temporary"})
    removed: list[str] = []
    made = World.__init__

    def init(self: World, *args: Any) -> None:
        made(self, *args)
        self.machines.append(NAME)
        self.removed = removed

    monkeypatch.setattr(World, "__init__", init)
    try_it(monkeypatch, tmp_path)
    assert removed == [NAME, NAME]


def test_a_machine_of_the_users_with_that_name_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    left(tmp_path, {"team": "red"})
    with pytest.raises(MachineExists):
        try_it(monkeypatch, tmp_path)
    assert os.path.exists(tmp_path / "machines" / NAME / "config.json")


def left(store: Path, labels: dict[str, str]) -> None:
    from dinv.lifecycle.host import Host

    here = Store(str(store))
    host = Host.new(here, NAME, driver="docker")
    host.config.driver["Labels"] = labels
    with here.claim(NAME, "making it"):
        here.save(host.config)


def test_one_check_at_a_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with locks.held(str(tmp_path / ".image-check.lock")), pytest.raises(ImageCheckBusy):
        try_it(monkeypatch, tmp_path)


def test_the_contracts_are_those_that_there_are() -> None:
    for name in ("dinv", "dind", "dch-photon"):
        assert Subject("x", {}, name).contract.name == find(name).name
