"""docker-machine's options that have no meaning here: taken, and said; or refused, and why."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from dinv import machines
from dinv.cli import main
from dinv.cli.app import App
from dinv.cli.voice import Voice
from dinv.errors import InputError

if TYPE_CHECKING:
    from fake_driver import World


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
    taken(*words)
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
    taken(*words)
    assert capsys.readouterr() == ("", "")


def test_variables_stand_in_profiles_and_are_not_mentioned(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("GITHUB_API_TOKEN", "BUGSNAG_API_TOKEN", "NATIVE_SSH", "TLS_CA_CERT"):
        monkeypatch.setenv(f"MACHINE_{name}", "1")
    monkeypatch.setenv("MACHINE_DOCKER_INSTALL_URL", "https://example.com")
    taken()
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


def test_certificates_of_ones_own_are_refused_where_they_would_matter(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["--tls-ca-cert", "/ca.pem", "--tls-ca-key=/key.pem", "ls", "-q"]) == 0
    assert capsys.readouterr() == ("", "")
    assert main(["--tls-ca-cert", "/ca.pem", "--tls-ca-key=/key.pem", "create", "dev"]) == 1
    assert "--tls-ca-cert, --tls-ca-key: " in capsys.readouterr().err
    monkeypatch.setenv("MACHINE_TLS_CLIENT_KEY", "/key.pem")
    assert main(["create", "dev"]) == 1
    assert "$MACHINE_TLS_CLIENT_KEY: " in capsys.readouterr().err
    assert machines.open().names() == []


# create


@pytest.mark.parametrize("flag", [["--swarm"], ["--swarm-master"], ["--swarm-discovery", "token://1"]])
def test_the_swarm_that_is_gone(flag: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["create", *flag, "dev"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("--swarm: ")
    assert "docker --context dev swarm init" in said
    assert machines.open().names() == []


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
        main(["create", "--help"])
    said = capsys.readouterr().out
    assert "--swarm" not in said
    assert "--engine-label" in said


@pytest.mark.parametrize("verb", ["env", "config"])
def test_ours_are_no_swarm_masters(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    main(["create", "-q", "dev"])
    capsys.readouterr()
    words = ["--shell", "sh"] if verb == "env" else []
    assert main([verb, "--swarm", *words, "dev"]) == 1
    assert capsys.readouterr().err == (
        '"dev" is not a swarm master. The --swarm flag is intended for use with swarm masters\n'
    )
