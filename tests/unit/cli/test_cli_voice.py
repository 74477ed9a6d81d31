"""What is said on standard error, as dinv and as docker-machine, whose words scripts compare."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from dinv.cli.voice import Voice
from dinv.errors import (
    ConfigError,
    DinvError,
    DriverRefused,
    ImageMissing,
    InputError,
    InvalidName,
    MachineDied,
    MachineNotFound,
    MachineNotRunning,
    MachineUnusable,
    NobodyToAsk,
    PluginNotFound,
    PreCreateCheckFailed,
    UsageError,
)
from dinv.wording import command

if TYPE_CHECKING:
    from collections.abc import Callable


def about(machine: str, error: DinvError) -> DinvError:
    error.about = machine
    return error


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Callable[..., list[str]]:
    """The lines on standard error; standard output stays empty."""

    def lines(error: DinvError, *, program: str = "docker-machine", verb: str = "") -> list[str]:
        voice = Voice(program)
        voice.verb = verb
        voice.tell(error, ["A note: " + command("rm", "dev")])
        captured = capsys.readouterr()
        assert captured.out == ""
        return captured.err.splitlines()

    return lines


@pytest.mark.parametrize(
    ("verb", "first"),
    [
        ("url", "Host is not running"),
        ("version", "Host is not running"),
        ("env", "Error checking TLS connection: Host is not running"),
        ("config", "Error running connection boilerplate: Host is not running"),
        ("ip", "Error getting IP address: Host is not running"),
        ("ssh", 'Error: Cannot run SSH command: Host "dev" is not running'),
    ],
)
def test_a_machine_that_is_not_running(said: Callable[..., list[str]], verb: str, first: str) -> None:
    hint = 'machine "dev" is Stopped. Start it: docker-machine start dev'
    assert said(MachineNotRunning("dev"), verb=verb) == [first, hint, "A note: docker-machine rm dev"]


def test_as_dinv_it_is_one_line(said: Callable[..., list[str]]) -> None:
    assert said(MachineNotRunning("dev"), program="dinv", verb="env") == [
        'dinv: Host is not running: machine "dev" is Stopped. Start it: dinv start dev',
        "A note: dinv rm dev",
    ]


@pytest.mark.parametrize(
    ("error", "verb", "first"),
    [
        (
            PluginNotFound("driver", "bogus", ["docker"], "dinv.drivers"),
            "create",
            (
                'Driver "bogus" not found. Do you have the plugin binary "docker-machine-driver-bogus" '
                "accessible in your PATH?"
            ),
        ),
        (
            InvalidName("eco_x", "eco-x"),
            "create",
            "Error creating machine: Invalid hostname specified. Allowed hostname chars are: 0-9a-zA-Z . -",
        ),
        (
            ConfigError("dev", "/s/config.json", "not valid JSON"),
            "url",
            (
                "Error getting migrated host: /s/config.json: not valid JSON. Restore the file from a "
                "backup, or forget the machine: docker-machine rm -f dev"
            ),
        ),
        (NobodyToAsk("--force"), "regenerate-certs", "EOF"),
        (
            about("x", MachineNotFound("x")),
            "rm",
            (
                'Error removing host "x": Docker machine "x" does not exist. Use "docker-machine ls" to list '
                'machines. Use "docker-machine create" to add a new one.'
            ),
        ),
        (
            about("x", DinvError("why not")),
            "rm",
            'Error removing host "x": why not',
        ),
        (
            MachineUnusable("dev", "tcp://h:1", "open c: gone", "Mend it: dinv rm dev", connection=True),
            "config",
            (
                "Error running connection boilerplate: Error checking and/or regenerating the certs: There "
                'was an error validating certificates for host "h:1": open c: gone'
            ),
        ),
        (
            MachineUnusable("dev", "tcp://h:1", "its create did not finish"),
            "env",
            "Error checking TLS connection: its create did not finish",
        ),
        (PreCreateCheckFailed('no "room"'), "create", 'Error with pre-create check: "no \\"room\\""'),
        (
            ImageMissing("i", "unix:///e", "refused", "Build it."),
            "create",
            'Error with pre-create check: "Image i is not on unix:///e and cannot be pulled: refused"',
        ),
        (
            MachineDied("dev", 1, ["a", "b"]),
            "create",
            (
                "Error creating machine: Error in driver during machine creation: "
                'The Docker daemon of machine "dev" ended with status 1. Its last lines:'
            ),
        ),
        (
            DriverRefused(InputError("--url option is required when no driver is selected")),
            "create",
            (
                "Error setting machine configuration from flags provided: "
                "--url option is required when no driver is selected"
            ),
        ),
        (DinvError("what it is"), "create", "what it is"),
    ],
)
def test_the_first_line_is_docker_machines(
    said: Callable[..., list[str]], error: DinvError, verb: str, first: str
) -> None:
    assert said(error, verb=verb)[0] == first
    assert said(error, program="dinv", verb=verb)[0].startswith("dinv: ")


def test_help_comes_before_an_error_of_usage_where_docker_machine_has_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    error = UsageError("Improper number of arguments", "usage: ...")
    Voice("docker-machine").tell(error)
    assert capsys.readouterr() == ("usage: ...\n", "Improper number of arguments\n")
    Voice("dinv").tell(error)
    assert capsys.readouterr() == ("", "dinv: Improper number of arguments\n")


def test_warnings_name_the_program_as_it_was_called(capsys: pytest.CaptureFixture[str]) -> None:
    Voice("docker-machine").warn("try " + command("ls"))
    assert capsys.readouterr().err == "Warning: try docker-machine ls\n"


def test_each_line_is_written_in_one_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several machines are worked on at once: their lines must not run into each other."""
    written: list[str] = []
    for stream in (sys.stdout, sys.stderr):
        monkeypatch.setattr(stream, "write", lambda text: written.append(text) if text else None)
    voice = Voice("docker-machine")
    voice.say("a")
    voice.warn("b")
    voice.tell(DinvError("c"), ["d"])
    assert written == ["a\n", "Warning: b\n", "c\nd\n"]
