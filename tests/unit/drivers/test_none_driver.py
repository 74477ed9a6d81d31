"""The none driver: what is made of its flags, what `ls` sees, what cannot be done."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest

from dinv import open as open_store
from dinv.endpoints import contexts
from dinv.errors import InputError, MachineError, MachineUnusable
from dinv.listing.asking import statuses
from dinv.progress import Progress
from dinv.shells.env import setting
from dinv.states import RUNNING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from dinv.machine import Machine
    from dinv.machines import Machines


@pytest.fixture
def machines(tmp_path: Path) -> Machines:
    return open_store(str(tmp_path / "store"))


@pytest.fixture
def listener() -> Iterator[str]:
    """The URL of something that accepts connections."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield f"tcp://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    directory = tmp_path / "certificates"
    directory.mkdir()
    for name in ("ca", "cert", "key"):
        (directory / f"{name}.pem").write_text(f"-----BEGIN {name}-----")
    return directory


@pytest.mark.parametrize("driver", ["none", "ci-test"])
def test_it_is_recorded_and_nothing_is_asked(machines: Machines, driver: str) -> None:
    with machines.create("dev", driver=driver, url="tcp://192.0.2.1:2376") as machine:
        assert (machine.url, machine.ip) == ("tcp://192.0.2.1:2376", "192.0.2.1")
    config = machines._store.load("dev")
    assert config.driver_name == driver
    assert not config.unfinished


def test_without_tls_there_is_none_anywhere(machines: Machines) -> None:
    with machines.create("dev", driver="none", url="tcp://h:2375") as machine:
        assert machine.docker_flags() == ["-H=tcp://h:2375"]
        assert machine.docker_kwargs() == {"base_url": "tcp://h:2375"}
        assert getattr(machine.engine().transport, "tls", "another transport") is None
        assert not machine.has_context
        variables, _ = setting(machine)
    # Those that another machine has set would make the docker CLI try TLS.
    assert (variables["DOCKER_TLS_VERIFY"], variables["DOCKER_CERT_PATH"]) == (None, None)
    assert variables["DOCKER_HOST"] == "tcp://h:2375"


def store_certificates(machines: Machines) -> str:
    """Those that docker-machine has in a store."""
    directory = os.path.join(machines.path, "certs")
    os.makedirs(directory)
    for name in ("ca", "cert", "key"):
        with open(os.path.join(directory, f"{name}.pem"), "w", encoding="ascii") as file:
            file.write(f"-----BEGIN {name}-----")
    return directory


def test_the_stores_certificates_are_its(machines: Machines) -> None:
    directory = store_certificates(machines)
    with machines.create("dev", driver="none", url="tcp://h:2376") as machine:
        assert machine.environment()["DOCKER_CERT_PATH"] == machine.cert_path == directory
        assert machine.docker_flags()[1] == f'--tlscacert="{directory}/ca.pem"'
        assert getattr(machine.engine().transport, "tls", None)
        assert machine.inspect()["HostOptions"]["AuthOptions"]["ClientKeyPath"] == f"{directory}/key.pem"
    assert contexts.read("dev") is not None
    os.unlink(os.path.join(directory, "ca.pem"))
    with machines.get("dev") as machine:
        # Not without TLS, now that they are lost.
        assert getattr(machine.engine().transport, "tls", None)
        with pytest.raises(MachineUnusable, match=r"certs/ca\.pem"):
            setting(machine)


def test_they_are_looked_for_again(machines: Machines) -> None:
    machines.create("dev", driver="none", url="tcp://h:2376").close()
    machines.create("plain", driver="none", url="tcp://h:2375", url_cert_path="").close()
    machines.create("socket", driver="none", url="unix:///var/run/docker.sock").close()
    assert not any(machine.has_tls for machine in machines)
    directory = store_certificates(machines)
    found = {machine.name: machine.environment().get("DOCKER_CERT_PATH") for machine in machines}
    assert found == {"dev": directory, "plain": None, "socket": None}


def test_tls_files_are_copied(machines: Machines, certificates: Path) -> None:
    with machines.create(
        "dev", driver="none", url="tcp://h:2376", url_cert_path=str(certificates)
    ) as machine:
        assert machine.docker_flags()[0] == "--tlsverify"
        assert machine.environment()["DOCKER_CERT_PATH"] == machine.directory
        modes = {
            name: os.stat(os.path.join(machine.directory, name)).st_mode & 0o777
            for name in ("ca.pem", "cert.pem", "key.pem")
        }
    assert modes == {"ca.pem": 0o644, "cert.pem": 0o644, "key.pem": 0o600}
    context = contexts.read("dev")
    assert context is not None
    assert context.host == "tcp://h:2376"
    machines.remove("dev")
    assert contexts.read("dev") is None
    assert machines.names() == []


@pytest.mark.parametrize(
    ("url", "said"),
    [("", "url option is required"), ("tcp://a b", "not the URL"), ("tcp://a\n", "not the URL")],
)
def test_urls_that_are_none(machines: Machines, url: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        machines.create("dev", driver="none", url=url)
    assert machines.names() == []


def test_tls_files_that_are_none(machines: Machines, certificates: Path) -> None:
    (certificates / "key.pem").write_text("nonsense")
    with pytest.raises(InputError, match="PEM"):
        machines.create("dev", driver="none", url="tcp://h:1", url_cert_path=str(certificates))
    (certificates / "key.pem").unlink()
    with pytest.raises(InputError, match="No such file"):
        machines.create("dev", driver="none", url="tcp://h:1", url_cert_path=str(certificates))
    assert machines.names() == []


def test_ls_says_who_answers(machines: Machines, listener: str) -> None:
    """The state is docker-machine's; what is wrong stands beside it."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        refused = f"tcp://127.0.0.1:{closed.getsockname()[1]}"
    urls = {
        "a": listener,
        "b": refused,
        "c": "none",
        "d": "unix:///x.sock",
        "e": "tcp://127.0.0.9",
        "f": "h:x",
    }
    for name, url in urls.items():
        machines.create(name, driver="none", url=url).close()
    found = {row.name: row.status for row in statuses(machines._store, timeout=2)}
    assert {status.state for status in found.values()} == {RUNNING}
    assert found["a"].error == ""
    assert "refused" in found["b"].error
    assert all("is not the URL of a Docker daemon" in found[name].error for name in "cf")
    assert "refused" in found["e"].error  # at docker's own port
    assert "there is no unix:///x.sock" in found["d"].error
    # docker-machine's own suite looks for that.
    assert all(found[name].error.startswith("Unable to query docker version: ") for name in "bcdef")
    with machines.get("a") as machine:
        assert machine.status().error == ""


def test_silence_costs_no_more_than_the_deadline(machines: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def connect_all(hosts: object, *, timeout: float) -> dict[object, str]:
        asked.append(timeout)
        return {}

    monkeypatch.setattr("dinv.drivers.listening.connect_all", connect_all)
    machines.create("dev", driver="none", url="tcp://h:1").close()
    machines.create("dev2", driver="none", url="tcp://h:2").close()
    for row in statuses(machines._store, timeout=1.5):
        assert "within 1.5 s" in row.status.error
    assert asked == [1.5]


@pytest.mark.parametrize(
    ("what", "said"),
    [
        (lambda machine: machine.start(Progress()), "already running"),
        (lambda machine: machine.stop(), "has no driver, and cannot be stopped"),
        (lambda machine: machine.kill(), "has no driver, and cannot be killed"),
        (
            lambda machine: machine._host.driver.restart(timeout=1),
            "has no driver, and cannot be restarted",
        ),
        (lambda machine: machine.restart(Progress()), "has no driver, and cannot be restarted"),
        (lambda machine: machine.channel(), "no way into it"),
        (lambda machine: list(machine.logs()), "no driver"),
        (lambda machine: machine._host.provisioner.provision(), "puts nothing into it"),
    ],
)
def test_what_changes_a_machine_is_not_to_be_had(
    machines: Machines, what: Callable[[Machine], object], said: str
) -> None:
    with (
        machines.create("dev", driver="none", url="tcp://h:1") as machine,
        pytest.raises(MachineError, match=said),
    ):
        what(machine)
