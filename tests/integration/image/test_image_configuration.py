"""What the image does with the files it is given, and what it refuses."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest
from image_machine import wait_until

from dinv.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Callable

    from image_machine import Machine

pytestmark = pytest.mark.integration


def test_without_certificates_it_says_what_is_missing(make_machine: Callable[..., Machine]) -> None:
    machine = make_machine()
    machine.start()
    assert machine.end() == 2
    lines = [line for line in machine.log().splitlines() if line.startswith("dinv: ")]
    assert len(lines) == 1
    assert "missing in /etc/dinv/certs: ca.pem server.pem server-key.pem" in lines[0]
    assert "docker cp" in lines[0]


def test_half_a_certificate_is_none(make_machine: Callable[..., Machine]) -> None:
    machine = make_machine()
    machine.put_certificates()
    machine.put({"etc/dinv/certs/server.pem": b"-----BEGIN CERTIFICATE-----\nMIIB"})
    machine.start()
    assert machine.end() == 2
    assert "missing in /etc/dinv/certs: server.pem." in machine.log()


def test_it_waits_for_certificates_and_starts_with_them(make_machine: Callable[..., Machine]) -> None:
    machine = make_machine(["DINV_WAIT_FOR_CERTS=30"])
    machine.start()
    time.sleep(1)
    assert machine.state()["Running"]
    machine.put_certificates()
    machine.wait_ready()


def test_it_waits_no_longer_than_it_is_told(make_machine: Callable[..., Machine]) -> None:
    machine = make_machine(["DINV_WAIT_FOR_CERTS=1"])
    machine.start()
    assert machine.end() == 2
    assert "after 1 s" in machine.log()


def test_it_stops_while_it_waits(make_machine: Callable[..., Machine]) -> None:
    machine = make_machine(["DINV_WAIT_FOR_CERTS=600"])
    machine.start()
    wait_until(lambda: machine.run("ls", "-d", "/run/dinv", check=False) == "/run/dinv", "it to begin")
    machine.engine.containers.stop(machine.name, grace=8)
    assert machine.state()["ExitCode"] == 0


@pytest.mark.parametrize("value", ["soon", "-1", "1e3"])
def test_a_wait_that_is_no_number_is_refused(make_machine: Callable[..., Machine], value: str) -> None:
    machine = make_machine([f"DINV_WAIT_FOR_CERTS={value}"])
    machine.start()
    assert machine.end() == 2
    assert f"DINV_WAIT_FOR_CERTS={value} is not a number of seconds" in machine.log()


@pytest.mark.parametrize(
    "argument",
    [
        "-H=tcp://0.0.0.0:2375",
        "-Htcp://0.0.0.0:2375",
        "-DHtcp://0.0.0.0:2375",
        "--host=tcp://0.0.0.0:2375",
        "--host",
        "--tls=false",
        "--tlsverify=false",
        "--tlscacert=/tmp/other.pem",
        "--config-file=/tmp/daemon.json",
        "--containerd=/tmp/containerd.sock",
    ],
)
def test_arguments_that_could_open_it_are_refused(
    make_machine: Callable[..., Machine], argument: str
) -> None:
    machine = make_machine()
    machine.put_certificates()
    machine.put({"etc/dinv/dockerd.args": f"--debug\n{argument}\n".encode()})
    machine.start()
    assert machine.end() == 2
    assert f"{argument.partition('=')[0]} is refused" in machine.log()


def test_certificates_that_cannot_be_used_end_it(make_machine: Callable[..., Machine]) -> None:
    """The front looks at them while dockerd starts; the end of the log says what is wrong all the same."""
    machine = make_machine()
    machine.put_certificates()
    garbled = b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
    machine.put({"etc/dinv/certs/server.pem": garbled})
    machine.start()
    assert machine.end() == 2
    last = machine.log().splitlines()[-1]
    assert last.startswith("dinv: front: ")
    assert "server.pem" in last


def test_dockerd_says_itself_what_it_does_not_take(make_machine: Callable[..., Machine]) -> None:
    machine = make_machine()
    machine.put_certificates()
    machine.put({"etc/dinv/dockerd.args": b"--no-such-option\n"})
    machine.start()
    assert machine.end() not in (0, 2)
    assert "unknown flag: --no-such-option" in machine.log()


def test_arguments_and_environment_reach_dockerd_as_they_are(make_machine: Callable[..., Machine]) -> None:
    machine = make_machine()
    machine.put_certificates()
    value = 'a "b" $HOME `id` \\ $(id)  *'
    machine.put(
        {
            "etc/dinv/dockerd.args": b"\n# a comment\n--label=kind=two words $(id)\n--label\nlast=1",
            "etc/dinv/dockerd.env": f"# a comment\n\nDINV_TEST={value}\nline=x\nHTTP_PROXY=http://proxy:1".encode(),
        }
    )
    machine.start()
    machine.wait_ready()
    labels = json.loads(machine.docker("info", "-f", "{{json .Labels}}"))
    assert sorted(labels) == ["kind=two words $(id)", "last=1"]
    assert machine.docker("info", "-f", "{{.HTTPProxy}}") == "http://proxy:1"
    environment = machine.run("sh", "-c", "tr '\\0' '\\n' </proc/$(cat /var/run/docker.pid)/environ")
    assert f"DINV_TEST={value}" in environment.splitlines()
    assert "line=x" in environment.splitlines()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("A=1\nsecret\n", "line 2 is not KEY=VALUE"),
        ("A-B=secret\n", "line 1: the name before ="),
        ("=secret\n", "line 1: the name before ="),
        ("1A=secret", "line 1: the name before ="),
    ],
)
def test_an_environment_that_is_none_is_refused_without_being_shown(
    make_machine: Callable[..., Machine], text: str, said: str
) -> None:
    machine = make_machine()
    machine.put_certificates()
    machine.put({"etc/dinv/dockerd.env": text.encode()})
    machine.start()
    assert machine.end() == 2
    assert said in machine.log()
    assert "secret" not in machine.log()


def test_a_daemon_json_that_has_other_settings_keeps_them(
    make_machine: Callable[..., Machine],
) -> None:
    machine = make_machine()
    machine.put_certificates()
    machine.put({"etc/docker/daemon.json": b'\n{\n  "labels": ["from=file"]\n}\n'})
    machine.start()
    machine.wait_ready()
    assert machine.docker("info", "-f", "{{.LiveRestoreEnabled}} {{json .Labels}}") == 'false ["from=file"]'
    assert '"live-restore":false' in machine.run("cat", "/etc/docker/daemon.json")


@pytest.mark.parametrize(
    ("content", "on"),
    [(b"{}", "false"), (b" { \n } \n", "false"), (b'{ "live-restore": true }', "true")],
    ids=["empty", "blanks", "asked for"],
)
def test_live_restore_with_little_in_daemon_json(
    make_machine: Callable[..., Machine], content: bytes, on: str
) -> None:
    machine = make_machine()
    machine.put_certificates()
    machine.put({"etc/docker/daemon.json": content})
    machine.start()
    machine.wait_ready()
    assert machine.docker("info", "-f", "{{.LiveRestoreEnabled}}") == on


def test_live_restore_can_be_had_for_good_by_argument(make_machine: Callable[..., Machine]) -> None:
    machine = make_machine()
    machine.put_certificates()
    machine.put({"etc/dinv/dockerd.args": b"--live-restore\n"})
    machine.start()
    machine.wait_ready()
    assert machine.docker("info", "-f", "{{.LiveRestoreEnabled}}") == "true"
    machine.put({"etc/dinv/dockerd.args": b"--live-restore=false\n"})
    machine.hang_up()
    assert machine.docker("info", "-f", "{{.LiveRestoreEnabled}}") == "false"


@pytest.mark.parametrize("variant", ["nft", "legacy"])
def test_iptables_can_be_chosen(make_machine: Callable[..., Machine], variant: str) -> None:
    machine = make_machine([f"DINV_IPTABLES={variant}"])
    machine.put_certificates()
    machine.start()
    # Whether dockerd can live with it is the kernel's to say.
    wait_until(lambda: _iptables_link(machine), "the choice of iptables")
    assert _iptables_link(machine) == f"/usr/local/lib/dinv/iptables-{variant}"


def _iptables_link(machine: Machine) -> str:
    try:
        return machine.engine.containers.archive_stat(machine.name, "/run/dinv/iptables").link_target
    except NotFound:
        return ""
