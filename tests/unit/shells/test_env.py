"""What `env` sets and unsets, and what it says of a machine that does not answer."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest
from fake_driver import install

from dinv.errors import MachineNotRunning
from dinv.machine import Machine
from dinv.machines import Machines
from dinv.shells.env import VARIABLES, setting, unsetting
from dinv.store.record import READY, MachineConfig
from dinv.timeouts import LOOK_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machines:
    install(monkeypatch, str(tmp_path / "endpoint"))
    return Machines(str(tmp_path / "store"))


@pytest.fixture
def port() -> Iterator[int]:
    """One that something listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def add(machines: Machines, url: str, address: str = "127.0.0.1") -> None:
    store = machines._store
    config = MachineConfig.new(
        name="dev", store_path=store.path, driver_name="fake", identity="x", created="now"
    )
    config.driver.update(URL=url, IPAddress=address)
    config.ours["Phase"] = READY
    with store.claim("dev", "creating it"):
        store.save(config)


@pytest.mark.parametrize("host", ["a..b", "a" * 70])
def test_a_host_that_no_name_server_knows_is_warned_of(machines: Machines, host: str) -> None:
    add(machines, f"tcp://{host}:2376")
    variables, warning = setting(machines.get("dev"), environ={})
    assert variables["DOCKER_HOST"] == f"tcp://{host}:2376"
    assert "does not answer" in warning


def test_a_machine_that_listens_is_set(machines: Machines, port: int) -> None:
    add(machines, f"tcp://127.0.0.1:{port}")
    variables, warning = setting(machines.get("dev"), environ={})
    assert variables == {"DOCKER_HOST": f"tcp://127.0.0.1:{port}", "DOCKER_MACHINE_NAME": "dev"}
    assert warning == ""


def test_with_no_proxy_its_address_is_an_exception(machines: Machines, port: int) -> None:
    add(machines, f"tcp://127.0.0.1:{port}")
    variables, _ = setting(machines.get("dev"), no_proxy=True, environ={"no_proxy": "a"})
    assert variables["no_proxy"] == "a,127.0.0.1"
    both = {"NO_PROXY": "a", "no_proxy": "b,127.0.0.1"}
    variables, _ = setting(machines.get("dev"), no_proxy=True, environ=both)
    assert (variables["NO_PROXY"], variables["no_proxy"]) == ("a,127.0.0.1", "b,127.0.0.1")


def test_a_machine_that_refuses_is_not_running(machines: Machines) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    add(machines, f"tcp://127.0.0.1:{port}")
    with pytest.raises(MachineNotRunning, match="dinv start dev"):
        setting(machines.get("dev"), environ={})


def test_a_machine_that_never_had_an_address_is_not_running(machines: Machines) -> None:
    add(machines, "", "")
    with pytest.raises(MachineNotRunning):
        setting(machines.get("dev"), environ={})


def test_a_machine_that_says_nothing_is_set_with_a_warning(
    machines: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(address: tuple[str, int], timeout: float) -> None:
        assert address == ("::1", 2376)
        assert timeout == LOOK_SECONDS
        raise TimeoutError("timed out")

    monkeypatch.setattr(socket, "create_connection", silent)
    add(machines, "tcp://[::1]:2376")
    variables, warning = setting(machines.get("dev"), environ={})
    assert variables["DOCKER_HOST"] == "tcp://[::1]:2376"
    assert "dev" in warning
    assert "timed out" in warning


def test_another_machines_kubeconfig_is_unset_and_the_users_own_is_not(machines: Machines, port: int) -> None:
    add(machines, f"tcp://127.0.0.1:{port}")
    other = f"{machines.path}/machines/k1/kubeconfig"
    assert setting(machines.get("dev"), environ={"KUBECONFIG": other})[0]["KUBECONFIG"] is None
    assert unsetting(machines, environ={"KUBECONFIG": other})["KUBECONFIG"] is None
    for own in ("/home/me/.kube/config", f"/mine:{other}"):
        assert "KUBECONFIG" not in setting(machines.get("dev"), environ={"KUBECONFIG": own})[0]
        assert "KUBECONFIG" not in unsetting(machines, environ={"KUBECONFIG": own})


def test_what_a_provisioner_of_ones_own_has_set_is_unset_with_the_rest(
    machines: Machines, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(machines, f"tcp://127.0.0.1:{port}")
    given = {**machines.get("dev").environment(), "DINV_REGISTRY": "h:5000", "KUBECONFIG": "/k"}
    with monkeypatch.context() as patched:
        patched.setattr(Machine, "environment", lambda _: given)
        found, _ = setting(machines.get("dev"), environ={})
    assert found["DINV_MACHINE_VARIABLES"] == "DINV_REGISTRY"
    environ = {key: value for key, value in found.items() if value is not None}
    ours = {"DINV_REGISTRY": None, "DINV_MACHINE_VARIABLES": None}
    assert unsetting(machines, environ=environ) == {**dict.fromkeys(VARIABLES), **ours}
    # Another machine has none of these.
    assert setting(machines.get("dev"), environ=environ)[0].items() >= ours.items()


def test_names_that_are_not_a_variables_are_no_commands(machines: Machines) -> None:
    environ = {"DINV_MACHINE_VARIABLES": "A;rm -rf x,$(id),B,é,,KUBECONFIG", "KUBECONFIG": "/own"}
    found = unsetting(machines, environ=environ)
    assert found == {**dict.fromkeys(VARIABLES), "B": None, "DINV_MACHINE_VARIABLES": None}


def test_all_is_unset_whatever_there_is(machines: Machines) -> None:
    assert unsetting(machines, environ={}) == dict.fromkeys(VARIABLES)


@pytest.mark.parametrize(
    ("environ", "key", "left"),
    [
        ({"NO_PROXY": "a,127.0.0.1,b"}, "NO_PROXY", "a,b"),
        ({"no_proxy": "127.0.0.1"}, "no_proxy", None),
        ({"no_proxy": "a"}, "no_proxy", "a"),
        ({}, "NO_PROXY", None),
    ],
)
def test_the_proxy_exception_is_taken_out(
    machines: Machines, environ: dict[str, str], key: str, left: str | None
) -> None:
    add(machines, "tcp://127.0.0.1:1")
    found = unsetting(machines, no_proxy=True, environ={**environ, "DOCKER_MACHINE_NAME": "dev"})
    assert found == {**dict.fromkeys(VARIABLES), key: left}


@pytest.mark.parametrize("state", ["none", "spoilt", "without an address"])
def test_unsetting_works_whatever_became_of_the_machine(machines: Machines, state: str) -> None:
    """It would be left set, otherwise."""
    if state != "none":
        add(machines, "", "")
    if state == "spoilt":
        with open(f"{machines._store.directory('dev')}/config.json", "wb"):
            pass
    environ = {"NO_PROXY": "a", "DOCKER_MACHINE_NAME": "dev"}
    found = unsetting(machines, no_proxy=True, environ=environ)
    assert {key: found[key] for key in VARIABLES} == dict.fromkeys(VARIABLES)
    assert found.get("NO_PROXY", "a") == "a"
