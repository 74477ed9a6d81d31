"""The plan of a change: for any set of changes the strongest means that one of them needs, once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self, cast

import pytest
from hypothesis import given
from hypothesis import strategies as some

from dinv.drivers.alteration import MEANS, RECREATION, RELOAD, RESTART, UPDATE, Difference
from dinv.lifecycle.change import plan
from dinv.lifecycle.change.plan import Plan, strongest
from dinv.lifecycle.host import clients
from dinv.provisioners import engine_options
from dinv.provisioners.engine_options import CHANGE_OPTIONS, changed

if TYPE_CHECKING:
    from dinv.lifecycle.host import Host


@given(some.lists(some.sampled_from([*MEANS, ""])))
def test_the_strongest_that_is_needed_is_used_once(needed: list[str]) -> None:
    found = strongest(needed)
    assert len(set(found)) == len(found)
    assert set(found) <= set(needed)
    assert (found[-1:] or ("",))[0] == max(needed, key=("", *MEANS).index, default="")
    # Nothing is left that none of them does.
    done = {UPDATE: {UPDATE}, RELOAD: {RELOAD}, RESTART: {RELOAD, RESTART}, RECREATION: set(MEANS)}
    assert set(needed) - {""} <= set().union(*(done[each] for each in found))
    assert strongest(found) == found


names = some.sampled_from(["team", "site", "debug", "mtu", "dns"])
pairs = some.builds("{}={}".format, names, some.sampled_from("123"))


@given(before=some.lists(pairs, unique=True), added=some.lists(pairs, unique=True, max_size=3))
def test_what_is_given_for_a_name_takes_its_place(before: list[str], added: list[str]) -> None:
    found = changed({"Labels": before}, {"engine_label": added}).get("Labels", before)
    given_names = {each.partition("=")[0] for each in added}
    assert [each for each in found if each.partition("=")[0] not in given_names] == [
        each for each in before if each.partition("=")[0] not in given_names
    ]
    assert {each for each in found if each.partition("=")[0] in given_names} == set(added)
    assert not changed({"Labels": found}, {"engine_label": added}) or added != [
        each for each in found if each in added
    ]


@given(before=some.lists(pairs, unique=True, min_size=1), data=some.data())
def test_what_is_taken_away_is_gone_and_nothing_else(before: list[str], data: some.DataObject) -> None:
    name = data.draw(some.sampled_from([each.partition("=")[0] for each in before]))
    found = changed({"ArbitraryFlags": before}, {"engine_opt_rm": [f"--{name}"]})["ArbitraryFlags"]
    assert found == [each for each in before if each.partition("=")[0] != name]


def test_mirrors_and_registries_are_no_pairs() -> None:
    before = {"RegistryMirror": ["https://a", "https://b"], "InsecureRegistry": ["a:5000"]}
    assert changed(before, {"engine_registry_mirror": ["https://b", "https://c"]}) == {
        "RegistryMirror": ["https://a", "https://b", "https://c"]
    }
    assert changed(before, {"engine_registry_mirror_rm": ["https://a"]}) == {"RegistryMirror": ["https://b"]}
    assert changed(before, {"engine_insecure_registry_rm": ["a:5000"]}) == {"InsecureRegistry": []}
    assert changed(before, {}) == {}


def test_what_is_not_there_cannot_be_taken_away() -> None:
    from dinv.errors import OptionError

    for option in ("engine_opt_rm", "engine_label_rm", "engine_registry_mirror_rm"):
        with pytest.raises(OptionError, match="is not one of the machine's"):
            changed({"Labels": ["a=1"]}, {option: ["b"]})
    with pytest.raises(OptionError) as caught:
        changed({"Env": []}, {"engine_env_rm": ["TOKEN=secret"]})
    assert "secret" not in str(caught.value)


def test_options_that_would_open_a_machine_are_refused_here_too() -> None:
    from dinv.errors import OptionError

    with pytest.raises(OptionError, match="is dinv's to set"):
        changed({}, {"engine_opt": ["host=tcp://0.0.0.0:2375"]})


def test_what_may_be_a_password_is_not_shown() -> None:
    (found,) = engine_options.differences({"Env": ["A=1"]}, {"Env": ["A=1", "PROXY=http://me:secret@p"]})
    assert (found.before, found.after) == (["A"], ["A", "PROXY"])
    assert found.said == "+ PROXY"


def test_a_storage_driver_is_not_changed() -> None:
    assert "engine-storage-driver" not in [option.name for option in CHANGE_OPTIONS]


def test_a_difference_in_words() -> None:
    assert Difference("memory", "", "2 GiB", ["Memory"]).said == "none -> 2 GiB"
    assert Difference("label", ["a=1", "b=1"], ["b=1", "c=1"], ["Labels"]).said == "- a=1, + c=1"


class Daemon:
    """A machine's daemon, as far as a plan asks it."""

    def __init__(self, info: dict[str, Any]) -> None:
        self._info = info

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def info(self) -> dict[str, Any]:
        return self._info


class Some:
    """As much of a machine as decides whether containers stop."""

    def __init__(self, *flags: str, stops: bool = False, setting: bool | None = None) -> None:
        self.config = type("", (), {"engine_options": {"ArbitraryFlags": list(flags)}})
        self.provisioner = type("", (), {"restart_stops": stops, "live_restore": lambda: setting})


@pytest.mark.parametrize(
    ("means", "info", "machine", "stops"),
    [
        ((UPDATE, RELOAD), {"ContainersRunning": 3}, Some(), False),
        ((RESTART,), {"ContainersRunning": 3}, Some(), False),
        ((RESTART,), {"ContainersRunning": 3}, Some(stops=True), True),
        ((RESTART,), {"ContainersRunning": 3}, Some("live-restore=false"), True),
        ((RESTART,), {"ContainersRunning": 3, "LiveRestoreEnabled": True}, Some(setting=False), True),
        ((RESTART,), {"ContainersRunning": 3, "LiveRestoreEnabled": False}, Some(setting=True), True),
        ((RESTART,), {"ContainersRunning": 3, "LiveRestoreEnabled": True}, Some(setting=True), False),
        (
            (RESTART,),
            {"ContainersRunning": 3, "LiveRestoreEnabled": True},
            Some("live-restore=false", setting=True),
            False,
        ),
        ((RESTART,), {"ContainersRunning": 0}, Some(setting=False), False),
        ((RESTART,), {"ContainersRunning": 3, "Swarm": {"LocalNodeState": "active"}}, Some(), True),
        ((RESTART,), {"ContainersRunning": 0, "Swarm": {"LocalNodeState": "active"}}, Some(), False),
        ((RECREATION,), {"ContainersRunning": 1}, Some(), True),
        ((RECREATION,), {"ContainersRunning": 0}, Some(), False),
    ],
)
def test_whether_containers_stop(
    *,
    monkeypatch: pytest.MonkeyPatch,
    means: tuple[str, ...],
    info: dict[str, Any],
    machine: Some,
    stops: bool,
) -> None:
    monkeypatch.setattr(clients, "engine", lambda _machine: Daemon(info))
    assert plan._stops(cast("Host", machine), means, {}) is stops


def test_if_the_daemon_does_not_say_they_may_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    from dinv.errors import EndpointUnreachable

    def silent(_machine: object) -> None:
        raise EndpointUnreachable("tcp://h:2376", "refused")

    monkeypatch.setattr(clients, "engine", silent)
    assert plan._stops(cast("Host", Some()), (RECREATION,), {})


def test_what_a_means_does_is_said() -> None:
    running = Plan("dev", [], means=(RESTART,), running=True, stops=True)
    assert "containers in it stop" in running.effect(RESTART)
    assert "containers in it go on" in Plan("dev", [], means=(RESTART,), running=True).effect(RESTART)
    stopped = Plan("dev", [], means=MEANS, running=False)
    assert not stopped.cuts
    assert all("stop" not in stopped.effect(means) for means in MEANS)
