"""Which machine the docker CLI uses here, by its variable or by its context."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from listed import Asked, add, raising

from dinv.cli.show.machine_rows import cells
from dinv.endpoints import contexts
from dinv.errors import DeadlineExceeded, InputError
from dinv.listing.active import active, docker_host_in_use
from dinv.listing.asking import statuses
from dinv.states import RUNNING, STOPPED, TIMEOUT, Status
from dinv.store.record import CREATING

if TYPE_CHECKING:
    from pathlib import Path

    from dinv.store.record import MachineConfig
    from dinv.store.store import Store


def name_of(config: MachineConfig | None) -> str:
    return config.name if config is not None else ""


def test_a_stopped_machine_is_not_active(store: Store) -> None:
    add(store, "a")
    Asked.answers = {"e": lambda: Status(STOPPED)}
    environ = {"DOCKER_HOST": "tcp://127.0.0.1:2001"}
    assert not statuses(store, timeout=2, environ=environ)[0].active
    assert active(store, timeout=2, environ=environ) is None


def test_the_active_machine_is_the_one_docker_host_leads_to(store: Store) -> None:
    add(store, "a")
    add(store, "bb")
    add(store, "half", phase=CREATING)
    Asked.answers = {"e": lambda: Status(RUNNING)}
    assert name_of(active(store, timeout=2, environ={"DOCKER_HOST": "tcp://127.0.0.1:2002"})) == "bb"
    assert Asked.calls == [["bb"]]
    assert active(store, timeout=2, environ={"DOCKER_HOST": "tcp://127.0.0.1:2004"}) is None
    assert active(store, timeout=2, environ={}) is None
    assert active(store, timeout=2, environ={"DOCKER_HOST": "tcp://h:1"}) is None


def test_the_master_of_the_swarm_that_docker_host_leads_to_is_active(store: Store) -> None:
    """As in docker-machine's suite (swarm-options.bats). One that is there itself comes first."""
    add(store, "a", IPAddress="127.0.0.1")
    config = store.load("a")
    config.swarm_options.update(Master=True, Host="tcp://0.0.0.0:3376")
    store.save(config)
    Asked.answers = {"e": lambda: Status(RUNNING)}
    environ = {"DOCKER_HOST": "tcp://127.0.0.1:3376"}
    assert name_of(active(store, timeout=2, environ=environ)) == "a"
    assert cells(statuses(store, timeout=2, environ=environ)[0])[1] == "* (swarm)"
    add(store, "bb", URL="tcp://127.0.0.1:3376")
    assert name_of(active(store, timeout=2, environ=environ)) == "bb"
    assert cells(statuses(store, timeout=2, environ={})[0])[1] == "-"


def test_one_that_does_not_answer_in_time_is_told_as_docker_machine_does(store: Store) -> None:
    add(store, "a")
    for answer in (raising(DeadlineExceeded("it", 2)), lambda: Status(TIMEOUT)):
        Asked.answers = {"e": answer}
        with pytest.raises(DeadlineExceeded, match="took longer than"):
            active(store, timeout=2, environ={"DOCKER_HOST": "tcp://127.0.0.1:2001"})


def test_asking_for_the_active_machine_says_what_failed(store: Store) -> None:
    add(store, "a")
    Asked.answers = {"e": raising(InputError("no way"))}
    with pytest.raises(InputError, match="no way"):
        active(store, timeout=2, environ={"DOCKER_HOST": "tcp://127.0.0.1:2001"})


def test_the_host_in_use_is_that_of_the_variable_else_of_the_context(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    assert docker_host_in_use({}) == ""
    for name in ("dev", "prod"):
        contexts.write(
            name, host=f"tcp://{name}:2376", description="", owner="x", ca=b"c", cert=b"c", key=b"k"
        )
    contexts.set_current("dev")
    assert docker_host_in_use({}) == "tcp://dev:2376"
    assert docker_host_in_use({"DOCKER_CONTEXT": "prod"}) == "tcp://prod:2376"
    assert docker_host_in_use({"DOCKER_CONTEXT": "gone"}) == ""
    assert docker_host_in_use({"DOCKER_CONTEXT": "default"}) == ""
    assert docker_host_in_use({"DOCKER_HOST": "tcp://h:1", "DOCKER_CONTEXT": "prod"}) == "tcp://h:1"
    (tmp_path / "config.json").write_text("{")
    assert docker_host_in_use({}) == ""
