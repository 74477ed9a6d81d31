"""`ls`: each endpoint asked once, and whatever is wrong with one machine stays in its row."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

import pytest
from fake_driver import FakeDriver, install

from dinv import drivers
from dinv.endpoints import contexts
from dinv.errors import DeadlineExceeded, DinvError, EndpointUnreachable, InputError
from dinv.listing import rows
from dinv.states import ERROR, RUNNING, STOPPED, TIMEOUT, Status
from dinv.store.record import CREATING, READY, MachineConfig
from dinv.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path


class Asked(FakeDriver):
    """Answers by the name of the machine's endpoint; notes how often it was asked."""

    calls: list[list[str]]
    answers: dict[str, Callable[[], Status]]

    @classmethod
    def group_key(cls, config: MachineConfig) -> str:
        return str(config.driver["Endpoint"]["URL"])

    @classmethod
    def states(
        cls,
        configs: Iterable[MachineConfig],
        store: Store,
        *,
        timeout: float,
        trace: Callable[[str], None] | None = None,
    ) -> dict[str, Status]:
        configs = list(configs)
        cls.calls.append([config.name for config in configs])
        answer = cls.answers[cls.group_key(configs[0])]
        return {config.name: answer() for config in configs}


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    install(monkeypatch, str(tmp_path / "endpoint"))
    monkeypatch.setitem(drivers._BUILT_IN, "asked", f"{__name__}:Asked")
    Asked.calls, Asked.answers = [], {}
    return Store(str(tmp_path / "store"))


def add(store: Store, name: str, endpoint: str = "e", *, phase: str = READY, **driver: Any) -> None:
    config = MachineConfig.new(
        name=name, store_path=store.path, driver_name="asked", identity=f"id-{name}", created="now"
    )
    config.driver.update(
        {"Endpoint": {"URL": endpoint}, "URL": f"tcp://127.0.0.1:{2000 + len(name)}", **driver}
    )
    config.ours.update(Phase=phase, DockerVersion="26.1.5")
    with store.claim(name, "creating it"):
        store.save(config)


def spoil(store: Store, name: str) -> None:
    os.makedirs(store.directory(name))
    with open(os.path.join(store.directory(name), "config.json"), "wb") as file:
        file.write(b"{")


def of_docker_machine(store: Store, name: str, **driver: Any) -> None:
    """A machine as docker-machine makes it."""
    add(store, name, **driver)
    config = store.load(name)
    del config.document()["Dinv"]
    config.document()["DriverName"] = "virtualbox"
    store.save(config)


def raising(error: Exception) -> Callable[[], Status]:
    def answer() -> Status:
        raise error

    return answer


def states(store: Store, **environ: str) -> dict[str, tuple[str, str]]:
    return {
        row.name: (row.status.state, row.status.error) for row in rows.rows(store, timeout=2, environ=environ)
    }


def test_an_empty_store_has_no_rows(store: Store) -> None:
    assert rows.rows(store, timeout=2) == []


def test_each_endpoint_is_asked_once(store: Store) -> None:
    for name, endpoint in (("m1", "e"), ("m2", "f"), ("m10", "e")):
        add(store, name, endpoint)
    Asked.answers = {"e": lambda: Status(RUNNING), "f": lambda: Status(STOPPED)}
    found = rows.rows(store, timeout=2)
    assert [(row.name, row.status.state) for row in found] == [
        ("m1", RUNNING),
        ("m2", STOPPED),
        ("m10", RUNNING),
    ]
    assert sorted(Asked.calls) == [["m1", "m10"], ["m2"]]


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
        found = {row.name: row.status for row in rows.rows(store, timeout=0.05)}
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
    for row in rows.rows(store, timeout=2):
        assert len(row.cells()) == len(rows.COLUMNS)
        assert row.document()["Name"] == row.name


def test_a_machine_removed_meanwhile_has_no_row(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Store, "names", lambda _store: ["gone"])
    assert rows.rows(store, timeout=2) == []


def test_cells_of_running_stopped_and_spoilt(store: Store) -> None:
    add(store, "a")
    add(store, "bb")
    spoil(store, "c")
    answers = iter([Status(RUNNING, "its daemon\nis ill"), Status(STOPPED)])
    Asked.answers = {"e": lambda: next(answers)}
    shown = rows.rows(store, timeout=2, environ={"DOCKER_HOST": "tcp://127.0.0.1:2001"})
    assert shown[0].cells() == (
        *("a", "*", "asked", RUNNING, "tcp://127.0.0.1:2001", "", "v26.1.5", "its daemon is ill"),
    )
    assert shown[1].cells() == ("bb", "-", "asked", STOPPED, "", "", "Unknown", "")
    assert shown[2].cells()[:7] == ("c", "", "not found", ERROR, "", "", "")


def test_a_stopped_machine_is_not_active(store: Store) -> None:
    add(store, "a")
    Asked.answers = {"e": lambda: Status(STOPPED)}
    environ = {"DOCKER_HOST": "tcp://127.0.0.1:2001"}
    assert not rows.rows(store, timeout=2, environ=environ)[0].active
    assert rows.active(store, timeout=2, environ=environ) is None


def test_the_document_says_what_the_record_has(store: Store) -> None:
    add(store, "a", IPAddress="127.0.0.1", Image="dinv:latest", Isolation="capabilities")
    Asked.answers = {"e": lambda: Status(RUNNING)}
    assert rows.rows(store, timeout=2, environ={})[0].document() == {
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
    }


def test_readable_names_asks_nobody(store: Store) -> None:
    add(store, "m10")
    add(store, "m2")
    spoil(store, "m3")
    assert rows.readable_names(store) == ["m2", "m10"]
    assert Asked.calls == []


def test_the_active_machine_is_the_one_docker_host_leads_to(store: Store) -> None:
    add(store, "a")
    add(store, "bb")
    add(store, "half", phase=CREATING)
    Asked.answers = {"e": lambda: Status(RUNNING)}
    assert rows.active(store, timeout=2, environ={"DOCKER_HOST": "tcp://127.0.0.1:2002"}) == "bb"
    assert Asked.calls == [["bb"]]
    assert rows.active(store, timeout=2, environ={"DOCKER_HOST": "tcp://127.0.0.1:2004"}) is None
    assert rows.active(store, timeout=2, environ={}) is None
    assert rows.active(store, timeout=2, environ={"DOCKER_HOST": "tcp://h:1"}) is None


def test_the_master_of_the_swarm_that_docker_host_leads_to_is_active(store: Store) -> None:
    """As in docker-machine's suite (swarm-options.bats). One that is there itself comes first."""
    add(store, "a", IPAddress="127.0.0.1")
    config = store.load("a")
    config.swarm_options.update(Master=True, Host="tcp://0.0.0.0:3376")
    store.save(config)
    Asked.answers = {"e": lambda: Status(RUNNING)}
    environ = {"DOCKER_HOST": "tcp://127.0.0.1:3376"}
    assert rows.active(store, timeout=2, environ=environ) == "a"
    assert rows.rows(store, timeout=2, environ=environ)[0].cells()[1] == "* (swarm)"
    add(store, "bb", URL="tcp://127.0.0.1:3376")
    assert rows.active(store, timeout=2, environ=environ) == "bb"
    assert rows.rows(store, timeout=2, environ={})[0].cells()[1] == "-"


def test_one_that_does_not_answer_in_time_is_told_as_docker_machine_does(store: Store) -> None:
    add(store, "a")
    for answer in (raising(DeadlineExceeded("it", 2)), lambda: Status(TIMEOUT)):
        Asked.answers = {"e": answer}
        with pytest.raises(DinvError, match="Error getting active host: timeout"):
            rows.active(store, timeout=2, environ={"DOCKER_HOST": "tcp://127.0.0.1:2001"})


def test_asking_for_the_active_machine_says_what_failed(store: Store) -> None:
    add(store, "a")
    Asked.answers = {"e": raising(InputError("no way"))}
    with pytest.raises(InputError, match="no way"):
        rows.active(store, timeout=2, environ={"DOCKER_HOST": "tcp://127.0.0.1:2001"})


def test_the_host_in_use_is_that_of_the_variable_else_of_the_context(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    assert rows.docker_host_in_use({}) == ""
    for name in ("dev", "prod"):
        contexts.write(
            name, host=f"tcp://{name}:2376", description="", owner="x", ca=b"c", cert=b"c", key=b"k"
        )
    contexts.set_current("dev")
    assert rows.docker_host_in_use({}) == "tcp://dev:2376"
    assert rows.docker_host_in_use({"DOCKER_CONTEXT": "prod"}) == "tcp://prod:2376"
    assert rows.docker_host_in_use({"DOCKER_CONTEXT": "gone"}) == ""
    assert rows.docker_host_in_use({"DOCKER_CONTEXT": "default"}) == ""
    assert rows.docker_host_in_use({"DOCKER_HOST": "tcp://h:1", "DOCKER_CONTEXT": "prod"}) == "tcp://h:1"
    (tmp_path / "config.json").write_text("{")
    assert rows.docker_host_in_use({}) == ""
