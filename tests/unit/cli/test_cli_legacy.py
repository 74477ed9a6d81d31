"""docker-machine's options that have no meaning here: taken, and said; or refused, and why."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

import pytest

from dinv import machines
from dinv.cli import main
from dinv.cli.app import App
from dinv.cli.voice import Voice
from dinv.drivers.docker.driver import DockerDriver
from dinv.errors import InputError
from dinv.lifecycle.create.creation import Creation
from dinv.lifecycle.steps import Step

if TYPE_CHECKING:
    from pathlib import Path

    from fake_driver import World

    from dinv.store.record import MachineConfig

    Recorded = list[tuple[MachineConfig, list[str]]]


@pytest.fixture(autouse=True)
def _called_docker_machine(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/usr/bin/docker-machine"])


def taken(*words: str) -> App:
    app = App(Voice("dinv"))
    assert app.take_global_options([*words, "ls"]) == ("ls", [])
    return app


@pytest.mark.parametrize(
    "words",
    [
        ["--github-api-token", "x"],
        ["-github-api-token=x"],
        ["--bugsnag-api-token", "x"],
    ],
)
def test_what_makes_no_difference_is_said_in_one_line_without_its_value(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    main([*words, "ls", "-q"])
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert line.startswith(f"--{words[0].partition('=')[0].lstrip('-')} does nothing here: ")


@pytest.mark.parametrize(
    "words", [["--bugsnag-api-token=no-report"], ["--native-ssh=false"], ["--native-ssh"]]
)
def test_what_asks_for_what_is_so_is_not_worth_a_line(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "ls", "-q"]) == 0
    assert capsys.readouterr() == ("", "")


def test_variables_stand_in_profiles_and_are_not_mentioned(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("GITHUB_API_TOKEN", "BUGSNAG_API_TOKEN", "NATIVE_SSH", "TLS_CA_CERT"):
        monkeypatch.setenv(f"MACHINE_{name}", "1")
    monkeypatch.setenv("MACHINE_DOCKER_INSTALL_URL", "https://example.com")
    assert main(["ls", "-q"]) == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("value", "debug"), [("1", True), ("true", True), ("0", False), ("F", False), ("", False)]
)
def test_the_debug_variable(monkeypatch: pytest.MonkeyPatch, value: str, *, debug: bool) -> None:
    monkeypatch.setenv("MACHINE_DEBUG", value)
    assert taken().debug == debug
    assert taken("--debug").debug


def test_a_debug_variable_that_is_no_boolean(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MACHINE_DEBUG", "yes")
    assert main(["ls"]) == 1
    assert capsys.readouterr().err == (
        'Error parsing boolean value from MACHINE_DEBUG: strconv.ParseBool: parsing "yes": invalid syntax\n'
    )


@pytest.mark.parametrize(
    "words", [["--tls-ca-cert"], ["--debug=maybe"], ["--native-ssh=2"], ["--"], ["---s", "x"]]
)
def test_what_is_wrong_before_the_verb(words: list[str]) -> None:
    if words == ["---s", "x"]:
        assert taken(*words).store_path == "x"  # Go is strict, and nobody is served by that
        return
    with pytest.raises(InputError):
        App(Voice("dinv")).take_global_options(words)


# Certificates


def recorded(name: str) -> dict[str, str]:
    config = machines.open_machines().get(name).config
    assert config.ours["Authority"] == "shared"
    found = config.shown()["HostOptions"]["AuthOptions"]
    return {key: found[key] for key in ("CaCertPath", "CaPrivateKeyPath", "ClientCertPath", "ClientKeyPath")}


@pytest.mark.parametrize("place", ["before", "behind", "environment"])
def test_a_ca_of_ones_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    pki = tmp_path / "pki"
    words = [f"--tls-ca-cert={pki}/ca.pem", f"--tls-ca-key={pki}/ca-key.pem"]
    if place == "environment":
        monkeypatch.setenv("MACHINE_TLS_CA_CERT", f"{pki}/ca.pem")
        monkeypatch.setenv("MACHINE_TLS_CA_KEY", f"{pki}/ca-key.pem")
    line = {"before": [*words, "create", "dev"], "behind": ["create", "dev", *words]}.get(
        place, ["create", "dev"]
    )
    assert main(line) == 0
    said = capsys.readouterr().out
    assert f"Whoever has a client certificate of the CA {pki}/ca.pem can reach dev too" in said
    assert recorded("dev") == {
        "CaCertPath": f"{pki}/ca.pem",
        "CaPrivateKeyPath": f"{pki}/ca-key.pem",
        "ClientCertPath": f"{tmp_path}/store/machines/dev/cert.pem",
        "ClientKeyPath": f"{tmp_path}/store/machines/dev/key.pem",
    }
    assert sorted(os.listdir(pki)) == ["ca-key.pem", "ca.pem"]


def test_a_flag_wins_over_its_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ca_cert", "ca_key", "client_cert", "client_key"):
        monkeypatch.setenv(f"MACHINE_TLS_{name.upper()}", f"{tmp_path}/variable/{name}.pem")
    flags = [f"--tls-client-cert={tmp_path}/flag/cert.pem", f"--tls-client-key={tmp_path}/flag/key.pem"]
    assert main([*flags, "create", "-q", "dev"]) == 0
    assert recorded("dev") == {
        "CaCertPath": f"{tmp_path}/variable/ca_cert.pem",
        "CaPrivateKeyPath": f"{tmp_path}/variable/ca_key.pem",
        "ClientCertPath": f"{tmp_path}/flag/cert.pem",
        "ClientKeyPath": f"{tmp_path}/flag/key.pem",
    }


def test_half_a_pair_makes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([f"--tls-ca-cert={tmp_path}/ca.pem", "create", "dev"]) == 1
    assert "--tls-ca-cert is given without --tls-ca-key" in capsys.readouterr().err
    assert machines.open_machines().names() == []


def test_elsewhere_they_make_no_difference(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--tls-ca-cert", "/ca.pem", "--tls-client-key=/key.pem", "ls", "-q"]) == 0
    assert capsys.readouterr() == ("", "")


def test_a_driver_that_makes_no_certificates_says_what_to_use(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [f"--tls-ca-cert={tmp_path}/ca.pem", f"--tls-ca-key={tmp_path}/ca-key.pem"]
    assert main([*words, "create", "-d", "none", "--url", "tcp://127.0.0.1:2376", "dev"]) == 1
    assert "use --url-cert-path." in capsys.readouterr().err
    assert os.listdir(tmp_path / "store" / "machines") == []


# create


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch) -> Recorded:
    """The records of machines that would be made, and the notes on each; none is made."""
    found: Recorded = []

    def configure(creation: Creation) -> None:
        notes: list[str] = []
        monkeypatch.setattr(creation.progress, "note", notes.append)
        real(creation)
        found.append((creation.machine.config, notes))
        raise InputError("as far as this test goes")

    real = Creation.configure
    monkeypatch.setattr(DockerDriver, "set_config_from_flags", lambda *_: None)
    monkeypatch.setattr("dinv.lifecycle.create.STEPS", (Step("configure", configure, undo=Creation.forget),))
    return found


@pytest.mark.parametrize(
    ("flags", "options"),
    [
        (["--swarm-master"], {}),
        (["--swarm", "--swarm-master"], {}),
        (["--swarm-master", "--swarm-addr", "192.0.2.7:3376"], {"advertise_addr": "192.0.2.7"}),
        (["--swarm", "--join", "m1"], {"join": "m1"}),
        (["-swarm", "--join", "m1", "--role", "manager"], {"join": "m1", "role": "manager"}),
        (["--swarm-master", "--join", "m1"], {"join": "m1", "role": "manager"}),
    ],
)
def test_swarm_flags_mean_swarm_mode(flags: list[str], options: dict[str, str], configured: Recorded) -> None:
    assert main(["create", *flags, "dev"]) == 1
    ((config, notes),) = configured
    assert config.provisioner == "swarm"
    assert {key: value for key, value in config.provisioner_options.items() if value} == options
    assert notes == []
    assert not config.swarm_options["IsSwarm"]


def test_swarm_flags_without_a_meaning_say_so(configured: Recorded) -> None:
    more = ["--swarm-discovery", "token://1", "--swarm-strategy", "binpack", "--swarm-opt", "a=b"]
    assert main(["create", "--swarm-master", *more, "dev"]) == 1
    ((_, notes),) = configured
    assert [note.partition(" ")[0] for note in notes] == [
        "--swarm-discovery",
        "--swarm-opt",
        "--swarm-strategy",
    ]
    assert all("does nothing here" in note for note in notes)


def test_joining_takes_a_name(configured: Recorded, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["create", "--swarm", "--swarm-discovery", "token://1", "dev"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("--swarm: name a manager")
    assert "--join NAME" in said
    assert "--swarm-master" in said
    assert configured == []


def test_swarm_flags_and_another_provisioner(
    configured: Recorded, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["create", "--provisioner", "docker", "--swarm-master", "dev"]) == 1
    assert "--provisioner swarm" in capsys.readouterr().err
    assert configured == []


def test_hosts_of_somebody_elses_are_listed_by_their_master(capsys: pytest.CaptureFixture[str]) -> None:
    url = ["-d", "none", "--url", "none", "--swarm", "--swarm-discovery", "token://1"]
    assert main(["create", "-q", *url, "--swarm-master", "--swarm-opt", "a=b", "queen"]) == 0
    assert main(["create", "-q", *url, "worker"]) == 0
    assert main(["create", "-q", "-d", "none", "--url", "none", "other"]) == 0
    capsys.readouterr()
    assert main(["ls", "-q", "--filter", "swarm=queen"]) == 0
    assert capsys.readouterr().out == "queen\nworker\n"
    main(["inspect", "queen"])
    found = json.loads(capsys.readouterr().out)
    options = found["HostOptions"]["SwarmOptions"]
    assert (options["Master"], options["Image"], options["ArbitraryFlags"]) == (True, "swarm:latest", ["a=b"])
    assert found["Driver"]["SwarmDiscovery"] == "token://1"


def test_a_discovery_that_is_no_url(capsys: pytest.CaptureFixture[str]) -> None:
    url = ["-d", "none", "--url", "none", "--swarm", "--swarm-discovery", "foo"]
    assert main(["create", *url, "queen"]) == 1
    assert capsys.readouterr().err == (
        "Error parsing swarm discovery: Swarm Discovery URL was in the wrong format: foo\n"
    )


def test_swarm_flags_that_do_nothing_without_swarm(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--swarm=false", "--swarm-image", "swarm", "--swarm-opt=a", "--swarm-opt=b", "--swarm-addr=h"]
    assert main(["create", "-q", *words, "dev"]) == 0
    assert capsys.readouterr() == ("dev\n", "")


def test_the_engine_comes_with_the_image(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["create", "-q", "--engine-install-url", "https://get.example.com", "dev"]) == 0
    captured = capsys.readouterr()
    assert captured.out == "dev\n"
    assert captured.err.startswith("--engine-install-url does nothing here: ")


def test_a_create_says_what_docker_machines_says(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["create", "dev"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "Running pre-create checks..."
    assert "Creating machine..." in said
    assert said[-1] == (
        "To see how to connect your Docker Client to the Docker Engine running on this virtual machine, run: "
        "docker-machine env dev"
    )


def test_dinv_says_it_in_its_own_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["/usr/bin/dinv"])
    assert main(["create", "dev"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert not any(line.endswith("...") for line in said)
    assert said[-1].startswith("To use it:   eval $(dinv env dev)")


@pytest.mark.parametrize("verb", ["env", "config", "url", "status", "version"])
def test_what_shells_evaluate_is_no_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([verb, "a", "b"]) == 1
    assert capsys.readouterr() == ("", "Error: Expected one machine name as an argument\n")


def test_a_storage_driver_that_is_gone(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["create", "-q", "--engine-storage-driver", "overlay", "dev"]) == 0
    said = "--engine-storage-driver overlay is not in Docker any more: overlay2 takes its place.\n"
    assert capsys.readouterr() == ("dev\n", said)


def test_registry_mirrors_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ENGINE_REGISTRY_MIRROR", "https://a.example,https://b.example")
    assert main(["create", "-q", "--engine-registry-mirror=https://c.example", "dev"]) == 0
    capsys.readouterr()
    main(["inspect", "dev"])
    options = json.loads(capsys.readouterr().out)["HostOptions"]["EngineOptions"]
    assert options["RegistryMirror"] == ["https://a.example", "https://b.example", "https://c.example"]


def test_they_are_not_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["create", "--help-all"])
    said = capsys.readouterr().out
    assert "--swarm" not in said
    assert "--engine-label" in said


@pytest.mark.parametrize("verb", ["env", "config"])
def test_ours_are_no_swarm_masters(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    main(["create", "-q", "dev"])
    capsys.readouterr()
    words = ["--shell", "sh"] if verb == "env" else []
    assert main([verb, "--swarm", *words, "dev"]) == 1
    before = "Error checking TLS connection" if verb == "env" else "Error running connection boilerplate"
    assert capsys.readouterr().err == (
        f'{before}: "dev" is not a swarm master. The --swarm flag is intended for use with swarm masters\n'
    )
