"""The flags of `dinv create` follow what is chosen: driver, authority, provisioner, image contract."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from fake_driver import install

from dinv import authorities
from dinv.authorities.local import LocalAuthority
from dinv.cli import main
from dinv.cli.completion.commands import command
from dinv.cli.flags import create as create_flags
from dinv.cli.parser import Parser
from dinv.declaration import Option

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class House(LocalAuthority):
    name = "house"

    @classmethod
    def create_flags(cls) -> Sequence[Option]:
        return (
            Option("ca-url", "HOUSE_URL", "where 100% of it is"),
            Option("ca-token", "HOUSE_TOKEN", "what lets one in", secret=True),
        )


@pytest.fixture(autouse=True)
def house(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("MACHINE_DRIVER", raising=False)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("MACHINE_STORAGE_PATH", str(tmp_path / "store"))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    install(monkeypatch, str(tmp_path / "endpoint"))
    monkeypatch.setitem(authorities.BUILT_IN, "house", f"{__name__}:House")


def helped(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit):
        main(["create", *words, "--help-all"])
    return capsys.readouterr().out


def test_the_help_has_the_options_of_what_is_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    plain = helped(capsys)
    assert "\ndriver docker:" in plain
    assert "\nprovisioner docker:" in plain
    assert "--tls-ca-cert FILE" in plain
    assert "--ca-url" not in plain
    house = helped(capsys, "--authority=house", "-driver", "fake")
    assert "\ndriver fake:" in house
    assert "\nauthority house ($HOUSE_TOKEN: what lets one in):" in house
    assert "--ca-url VALUE" in house
    assert "where 100% of it is ($HOUSE_URL)" in house
    assert "--ca-token" not in house, "command lines can be read by others"
    assert "--tls-ca-cert FILE" not in house


def test_a_variable_chooses_too(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DINV_AUTHORITY", "house")
    monkeypatch.setenv("MACHINE_DRIVER", "none")
    said = helped(capsys)
    assert "\nauthority house" in said
    assert "\ndriver none:" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--url", "tcp://h:1", "dev"], 'It is an option of the driver "none": --driver none\n'),
        (["--ca-url=x", "dev"], 'It is an option of the authority "house": --authority house\n'),
        (["--role=worker", "dev"], '"kubernetes", "swarm": --provisioner PROVISIONER\n'),
        (["-d", "none", "--memory=1g", "dev"], 'It is an option of the driver "docker": --driver docker\n'),
        (["--memroy=1g", "dev"], 'Did you mean "--memory"?'),
        (["--authority", "hose", "dev"], 'Authority "hose" not found. Did you mean "house"?'),
    ],
)
def test_a_flag_that_there_is_not_is_said_whose_it_is(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["create", *words]) == 1
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["dev"], {}),
        (["-d", "none", "dev"], {"driver": "none"}),
        (["--driver=none", "-authority", "house"], {"driver": "none", "authority": "house"}),
        (
            ["--image-contract", "dind", "--provisioner=docker"],
            {"image_contract": "dind", "provisioner": "docker"},
        ),
        (["-d"], {"driver": ""}),
    ],
)
def test_what_is_named_is_known_before_the_rest_is_parsed(words: list[str], found: dict[str, str]) -> None:
    assert create_flags.named(words) == found


def parsed(*words: str) -> dict[str, Any]:
    parser = Parser("dinv", "create", "", list(words))
    create_flags.add_arguments(parser)
    return create_flags.given(
        parser.parse(list(words)), {"tls-ca-cert": "before.pem", "tls-ca-key": "key.pem"}
    )


def test_flags_are_keywords_and_what_is_not_given_is_left_to_the_variables() -> None:
    found = parsed("--no-context", "--dns", "1.1.1.1", "--dns=9.9.9.9", "--tls-ca-cert", "mine.pem", "dev")
    assert found.pop("engine_install_url", None) is None
    assert found == {
        "context": False,
        "dns": ["1.1.1.1", "9.9.9.9"],
        "tls_ca_cert": "mine.pem",
        "tls_ca_key": "key.pem",
    }


def test_what_is_wrong_is_said_of_flags(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["create", "--memory=lots", "dev"]) == 1
    assert capsys.readouterr().err.startswith('dinv: --memory "lots" is not a size')


def test_completion_offers_the_names_of_every_seam() -> None:
    parser = Parser("dinv", "create", "", ["--authority", "house"])
    create_flags.add_arguments(parser)
    offered = {flag.names[-1]: flag.choices for flag in command("create", parser, takes_rest=False).flags}
    assert {"docker", "none", "fake"} <= set(offered["--driver"])
    assert {"local", "shared", "house"} <= set(offered["--authority"])
    assert {"docker", "none"} <= set(offered["--provisioner"])
    assert {"dinv", "dind", "dch-photon"} <= set(offered["--image-contract"])
    assert "--ca-url" in offered
    assert "--swarm" not in offered
