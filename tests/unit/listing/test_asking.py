"""`ls`: each endpoint asked once, and whatever is wrong with one machine stays in its row."""

from __future__ import annotations

import os
import threading
from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING

import pytest
from entry_points import provide
from fake_driver import FakeProvisioner
from listed import Asked, add, of_docker_machine, raising, spoil

from dinv import drivers
from dinv.cli.show.machine_rows import COLUMNS, cells, document
from dinv.errors import DeadlineExceeded, EndpointUnreachable, MachineBusy
from dinv.listing import records
from dinv.listing.asking import statuses
from dinv.listing.filters import Filters
from dinv.provisioners.membership import Standing
from dinv.states import ERROR, RUNNING, STARTING, STOPPED, TIMEOUT, Status
from dinv.store.record import CREATING, READY
from dinv.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from dinv.store.record import MachineConfig


def states(store: Store, **environ: str) -> dict[str, tuple[str, str]]:
    return {row.name: (row.state, row.error) for row in statuses(store, timeout=2, environ=environ)}


def test_an_empty_store_has_no_rows(store: Store) -> None:
    assert statuses(store, timeout=2) == []


def test_each_endpoint_is_asked_once(store: Store) -> None:
    for name, endpoint in (("m1", "e"), ("m2", "f"), ("m10", "e")):
        add(store, name, endpoint)
    Asked.answers = {"e": lambda: Status(RUNNING), "f": lambda: Status(STOPPED)}
    found = statuses(store, timeout=2)
    assert [(row.name, row.state) for row in found] == [
        ("m1", RUNNING),
        ("m2", STOPPED),
        ("m10", RUNNING),
    ]
    assert sorted(Asked.calls) == [["m1", "m10"], ["m2"]]


def test_a_plugin_is_looked_for_once_for_all_its_machines(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(drivers._BUILT_IN, "asked")
    scans = provide(monkeypatch, drivers.SEAM, [EntryPoint("asked", "listed:Asked", drivers.GROUP)])
    for name in ("m1", "m2", "m3"):
        add(store, name, "e")
    add(store, "gone", "e")
    config = store.load("gone")
    config.document()["DriverName"] = "no-longer-installed"
    store.save(config)
    Asked.answers = {"e": lambda: Status(RUNNING)}
    found = states(store)
    assert [found[name][0] for name in ("m1", "m2", "m3")] == [RUNNING] * 3
    assert "no-longer-installed" in found["gone"][1]
    assert scans == [drivers.GROUP]


def in_cluster(store: Store, name: str, provisioner: str = "docker") -> None:
    add(store, name, "e")
    config = store.load(name)
    config.membership = {"Cluster": "m1", "Role": "worker"}
    config.provisioner = provisioner
    store.save(config)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (lambda: {"m1": Standing("m1", "manager", "ready")}, "m1 (manager, ready)"),
        (raising(ZeroDivisionError("plugin")), "m1 (worker, unknown)"),
        (None, "m1 (worker, unknown)"),
    ],
    ids=["answers", "fails", "hangs"],
)
def test_clusters_are_asked_beside_the_endpoints_and_not_for_longer(
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    answer: Callable[[], dict[str, Standing]] | None,
    expected: str,
) -> None:
    asked = []
    over = threading.Event()

    def hang() -> dict[str, Standing]:
        over.wait(30)
        return {}

    def standings(configs: Iterable[MachineConfig], *_: object, **__: object) -> dict[str, Standing]:
        asked.append([config.name for config in configs])
        return (answer or hang)()

    monkeypatch.setattr(FakeProvisioner, "standings", standings)
    in_cluster(store, "m1")
    in_cluster(store, "m2", "no-longer-installed")
    add(store, "alone", "e")
    Asked.answers = {"e": lambda: Status(RUNNING)}
    rows = {row.name: row for row in statuses(store, timeout=0.3)}
    assert {name: row.swarm for name, row in rows.items()} == {
        "alone": "",
        "m1": expected,
        "m2": "m1 (worker)",
    }
    said = document(rows["m1"])
    assert expected == "{Cluster} ({ClusterRole}, {ClusterState})".format(**said)
    assert asked == [["m1"]]
    assert [row.name for row in statuses(store, timeout=0.3, filters=Filters(["swarm=M1"]))] == ["m1", "m2"]
    over.set()


@pytest.mark.parametrize("beside", [True, False])
@pytest.mark.parametrize(
    ("error", "state", "words"),
    [
        (EndpointUnreachable("unix:///e", "refused"), ERROR, "refused"),
        (DeadlineExceeded("GET /containers", 2), TIMEOUT, "2 s"),
        (ZeroDivisionError("plugin"), ERROR, "ZeroDivisionError"),
    ],
)
def test_an_endpoint_that_fails_keeps_nobody_from_being_listed(
    store: Store, error: Exception, state: str, words: str, *, beside: bool
) -> None:
    add(store, "bad", "e")
    Asked.answers = {"e": raising(error), "f": lambda: Status(RUNNING)}
    if beside:
        add(store, "good", "f")
    found = states(store)
    assert found["bad"][0] == state
    assert words in found["bad"][1]
    if beside:
        assert found["good"] == (RUNNING, "")


def test_an_endpoint_that_never_answers_is_not_waited_for(store: Store) -> None:
    add(store, "slow", "e")
    add(store, "good", "f")
    released = threading.Event()

    def slow() -> Status:
        released.wait(60)
        return Status(RUNNING)

    Asked.answers = {"e": slow, "f": lambda: Status(RUNNING)}
    try:
        found = {row.name: row.status for row in statuses(store, timeout=0.05)}
    finally:
        released.set()
    assert (found["good"].state, found["slow"].state) == (RUNNING, TIMEOUT)
    assert "0.05 s" in found["slow"].error


def test_what_cannot_be_asked_for_has_a_row_with_the_reason(store: Store) -> None:
    spoil(store, "spoilt")
    add(store, "half", phase=CREATING)
    of_docker_machine(store, "theirs", Endpoint="a word")
    add(store, "unknown")
    config = store.load("unknown")
    config.document()["DriverName"] = "nosuch"
    store.save(config)
    found = states(store)
    assert {name: state for name, (state, _) in found.items()} == dict.fromkeys(found, ERROR)
    assert "config.json" in found["spoilt"][1]
    assert "dinv rm half" in found["half"][1]
    assert "docker-machine" in found["theirs"][1]
    assert "nosuch" in found["unknown"][1]
    assert Asked.calls == []
    for row in statuses(store, timeout=2):
        assert len(cells(row)) == len(COLUMNS)
        assert document(row)["Name"] == row.name


def test_a_machine_removed_meanwhile_has_no_row(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Store, "names", lambda _store: ["gone"])
    assert statuses(store, timeout=2) == []


def test_one_that_is_just_being_made_is_starting_and_has_no_record_yet(store: Store) -> None:
    add(store, "ready")
    Asked.answers = {"e": lambda: Status(RUNNING)}
    with Store(store.path).claim("dev", "creating it"):
        found = {row.name: row for row in statuses(store, timeout=2)}
        assert found["dev"].state == STARTING
        assert "at work on it (creating it, process" in found["dev"].error
        assert cells(found["dev"])[:4] == ("dev", "", "", STARTING)
        assert document(found["dev"])["DriverName"] == ""
        with pytest.raises(MachineBusy, match="creating it"):
            store.load("dev")
    (dev,) = (row for row in statuses(store, timeout=2) if row.name == "dev")
    assert (dev.state, "config.json" in dev.error) == (ERROR, True), "its create was killed"


def test_what_finishes_between_two_looks_is_asked_about(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A create seen by its record, another before it had one; an upgrade; a removal."""
    add(store, "made", phase=CREATING)
    add(store, "removed")
    add(store, "upgraded")
    os.mkdir(store.directory("written"))
    holder, theirs = Store.holder, Store(store.path)

    def finish(name: str) -> None:
        if name == "written" and not theirs.has_record(name):
            add(theirs, name, "f")
        elif name == "made":
            config = theirs.load(name)
            config.ours["Phase"] = READY
            theirs.save(config)

    def lets_go(looking: Store, name: str) -> str | None:
        finish(name)
        return holder(looking, name)

    def answer() -> Status:
        if theirs.exists("removed"):
            theirs.remove("removed")
            config = theirs.load("upgraded")
            config.driver["Container"] = "another"
            theirs.save(config)
        first = ["made", "upgraded"] not in Asked.calls
        return Status(ERROR, "is gone; clean up") if first else Status(RUNNING)

    monkeypatch.setattr(Store, "holder", lets_go)
    Asked.answers = {"e": answer, "f": lambda: Status(STOPPED)}
    found = {row.name: row for row in statuses(store, timeout=2)}
    assert {name: (row.state, row.error) for name, row in found.items()} == {
        "made": (RUNNING, ""),
        "upgraded": (RUNNING, ""),
        "written": (STOPPED, ""),
    }
    assert sorted(Asked.calls) == [["made", "upgraded"], ["removed", "upgraded"], ["written"]]


def test_nothing_is_read_twice_of_what_is_well(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    add(store, "m1")
    add(store, "m2")
    Asked.answers = {"e": lambda: Status(RUNNING)}
    loads: list[str] = []
    load = Store.load

    def counted(here: Store, name: str) -> MachineConfig:
        loads.append(name)
        return load(here, name)

    monkeypatch.setattr(Store, "load", counted)
    monkeypatch.setattr(Store, "holder", lambda *_: pytest.fail("nobody has to be asked"))
    statuses(store, timeout=2)
    assert loads == ["m1", "m2"]


def test_cells_of_running_stopped_and_spoilt(store: Store) -> None:
    add(store, "a")
    add(store, "bb")
    spoil(store, "c")
    answers = iter([Status(RUNNING, "its daemon\nis ill"), Status(STOPPED)])
    Asked.answers = {"e": lambda: next(answers)}
    shown = statuses(store, timeout=2, environ={"DOCKER_HOST": "tcp://127.0.0.1:2001"})
    assert cells(shown[0]) == (
        *("a", "*", "asked", RUNNING, "tcp://127.0.0.1:2001", "", "v26.1.5", "its daemon is ill"),
    )
    assert cells(shown[1]) == ("bb", "-", "asked", STOPPED, "", "", "Unknown", "")
    assert cells(shown[2])[:7] == ("c", "", "not found", ERROR, "", "", "")


def test_the_document_says_what_the_record_has(store: Store) -> None:
    add(store, "a", IPAddress="127.0.0.1", Image="dinv:latest", Isolation="capabilities")
    Asked.answers = {"e": lambda: Status(RUNNING)}
    assert document(statuses(store, timeout=2, environ={})[0]) == {
        "Name": "a",
        "Active": False,
        "DriverName": "asked",
        "State": RUNNING,
        "URL": "tcp://127.0.0.1:2001",
        "IPAddress": "127.0.0.1",
        "Reached": "",
        "DockerVersion": "v26.1.5",
        "Endpoint": "e",
        "Image": "dinv:latest",
        "Isolation": "capabilities",
        "Error": "",
        "CertExpiry": "",
        "CAExpiry": "",
        "Expires": "",
        "Cluster": "",
        "ClusterRole": "",
        "ClusterState": "",
    }


def test_names_ask_nobody(store: Store) -> None:
    add(store, "m10")
    add(store, "m2")
    spoil(store, "m3")
    assert records.names(store, unreadable=False) == ["m2", "m10"]
    assert records.names(store, unreadable=True) == ["m2", "m3", "m10"]
    assert Asked.calls == []
