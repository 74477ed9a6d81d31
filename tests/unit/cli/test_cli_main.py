"""The program: exit statuses, errors in a few lines, and no traceback unless it is asked for."""

from __future__ import annotations

import os
import pkgutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import dinv
from dinv.cli import main, verbs
from dinv.cli.verbs import VERBS, module_name, version
from dinv.errors import DinvError, Interrupted, MachineBusy, PreCreateCheckFailed
from dinv.store.record import READY, MachineConfig
from dinv.store.store import Store
from dinv.wording import command


@pytest.fixture(autouse=True)
def _called_dinv(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "argv", ["/usr/bin/dinv"])
    monkeypatch.setenv("MACHINE_STORAGE_PATH", str(tmp_path / "store"))


def failing(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def run(*_: object) -> None:
        raise error

    monkeypatch.setattr(version, "run", run)


def python(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, **more},
    )


def test_there_is_a_file_for_each_verb_and_a_verb_for_each_file() -> None:
    files = {module.name for module in pkgutil.iter_modules(verbs.__path__)}
    modules = {module_name(verb).rpartition(".")[2] for verb in VERBS}
    assert files == modules


@pytest.mark.parametrize("words", [["--version"], ["-v"], ["version"]])
def test_the_version(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 0
    assert capsys.readouterr().out == f"dinv version {dinv.__version__}\n"


def test_called_as_docker_machine_its_version_is_the_one_it_stands_in_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["docker-machine"])
    assert main(["-v"]) == 0
    assert capsys.readouterr().out == f"docker-machine version 0.16.2, build dinv-{dinv.__version__}\n"


def test_ls_takes_no_names_and_docker_machines_takes_no_notice(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ls", "-q", "dev"]) == 1
    assert "--filter name=" in capsys.readouterr().err
    monkeypatch.setattr(sys, "argv", ["docker-machine"])
    assert main(["ls", "-q", "dev"]) == 0
    assert "--filter name=" in capsys.readouterr().err


@pytest.mark.parametrize("words", [[], ["--help"], ["help"], ["-h"], ["h"], ["-help"]])
def test_help_names_every_verb(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 0
    said = capsys.readouterr().out
    assert all(f"  {verb} " in said for verb in VERBS)


@pytest.mark.parametrize(
    "words", [["help", "ls"], ["h", "ls"], ["ls", "-h"], ["ls", "--help"], ["ls", "-help"]]
)
def test_the_help_of_a_verb(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert not caught.value.code
    assert "dinv ls" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["nosuch"], ["help", "nosuch"], ["--nosuch"], ["ls", "--nosuch"], ["-s"]])
def test_what_is_not_understood(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("dinv: ")
    assert "--help" in captured.err


MISSING = (
    'Docker machine "x" does not exist. Use "docker-machine ls" to list machines. '
    'Use "docker-machine create" to add a new one.'
)

# docker-machine's words, which its scripts and its own tests compare


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["create"], "Error: No machine name specified"),
        (["create", "a", "b", "c"], "Invalid command line. Found extra arguments [b c]"),
        (
            ["create", "\u221e"],
            "Error creating machine: Invalid hostname specified. Allowed hostname chars are: 0-9a-zA-Z . -",
        ),
        (["rm"], "Error: Expected to get one or more machine names as arguments"),
        (["scp", "a"], "Improper number of arguments"),
        (["scp", "a", "b", "c"], "Improper number of arguments"),
        (["active", "x"], "Error: Too many arguments given"),
        (["inspect", "a", "b"], "Error: Expected one machine name as an argument"),
        (["version", "a", "b"], "Error: Expected one machine name as an argument"),
        (["url"], 'Error: No machine name(s) specified and no "default" machine exists'),
        (["stop"], 'Error: No machine name(s) specified and no "default" machine exists'),
        (["env", "-u", "x", "--shell", "sh"], "Error: Expected no machine name when the -u flag is present"),
        (
            ["inspect", "x"],
            MISSING,
        ),
        (["bogus"], "docker-machine: 'bogus' is not a docker-machine command. See 'docker-machine --help'."),
        (["ls", "--bogus"], "flag provided but not defined: -bogus"),
        (["active"], "No active host found"),
    ],
)
def test_called_as_docker_machine_errors_are_its_own(
    words: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["/usr/local/bin/docker-machine"])
    assert main(words) == 1
    first, *_ = capsys.readouterr().err.split("\n")
    assert first == said


def test_hints_name_the_program_as_it_was_called(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failing(monkeypatch, DinvError(command("rm", "x") + "; what is dinv's; `" + command("ls") + "`"))
    for program, prefix in (("dinv", "dinv: "), ("docker-machine", ""), ("machine", "machine: ")):
        monkeypatch.setattr(sys, "argv", [program])
        main(["version"])
        assert capsys.readouterr().err == (f"{prefix}{program} rm x; what is dinv's; `{program} ls`\n")


def test_rm_by_force_of_what_is_not_there_is_no_failure(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rm", "-f", "nosuch"]) == 0
    assert "does not exist" in capsys.readouterr().err
    assert main(["rm", "-y", "nosuch"]) == 1


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (DinvError("ill"), 1),
        (MachineBusy("dev"), 1),
        (PreCreateCheckFailed("no"), 3),
        (KeyboardInterrupt(), 130),
        (Interrupted(15), 143),
        (RuntimeError("oops"), 1),
    ],
)
def test_exit_statuses(
    error: BaseException, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    error.add_note("And this is how to go on")
    failing(monkeypatch, error)
    assert main(["version"]) == status
    said = capsys.readouterr().err
    assert said.startswith("dinv: ")
    assert said.endswith("And this is how to go on\n")
    assert "Traceback" not in said


def test_a_bug_is_told_as_one_and_shown_with_debug(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failing(monkeypatch, ZeroDivisionError("division by zero"))
    assert main(["version"]) == 1
    said = capsys.readouterr().err
    assert "bug" in said
    assert "ZeroDivisionError" in said
    with pytest.raises(ZeroDivisionError):
        main(["--debug", "version"])


def test_what_a_verb_returns_is_the_status(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(version, "run", lambda *_: 7)
    assert main(["version"]) == 7
    monkeypatch.setattr(version, "run", lambda *_: None)
    assert main(["version"]) == 0


def test_as_a_module_it_calls_itself_dinv() -> None:
    done = python("-m", "dinv", "nosuch")
    assert done.returncode == 1
    assert done.stderr.startswith("dinv: ")
    assert done.stdout == ""


def test_a_reader_that_has_had_enough_is_no_error() -> None:
    """Standard output is a pipe that nobody reads any more."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "dinv", "help"],
            stdout=writing,
            stderr=subprocess.PIPE,
            check=False,
            timeout=60,
        )
    finally:
        os.close(writing)
    assert done.stderr == b""
    assert done.returncode == 1


@pytest.mark.parametrize(
    "words", [["ls", "-q"], ["url", "nosuch"], ["env", "--shell", "sh", "nosuch"], ["status", "nosuch"]]
)
def test_verbs_of_prompts_import_almost_nothing(words: list[str]) -> None:
    """What each of these takes, every prompt waits for."""
    heavy = [
        "rich",
        "cryptography",
        "ssl",
        "subprocess",
        "importlib.metadata",
        "asyncio",
        "pathlib",
        "typing",
    ]
    code = (
        "import sys\n"
        "from dinv.cli import main\n"
        f"before = set(sys.modules)\nmain({words!r})\n"
        f"print(*(name for name in {heavy!r} if name in sys.modules))"
    )
    done = python("-I", "-S", "-c", f"import sys; sys.path[:0] = {sys.path!r}\n{code}")
    assert done.stdout.split() == []


@pytest.mark.parametrize(
    ("words", "needless"),
    [
        (
            ["url", "dev"],
            ["dinv.lifecycle", "dinv.machine", "dinv.machines", "dinv.formats.visible", "dinv.system.locks"],
        ),
        (
            ["ls", "-q"],
            ["dinv.lifecycle", "dinv.machine", "dinv.listing.asking", "dinv.system.locks", "contextlib"],
        ),
        (
            ["ls"],
            ["dinv.machine", "dinv.errors.machine", "dinv.access.connect", "dinv.system.locks", "socket"],
        ),
        (
            ["env", "--shell", "sh", "dev"],
            [
                "dinv.machines",
                "dinv.drivers",
                "dinv.images",
                "dinv.errors.machine",
                "dinv.system.locks",
                "socket",
            ],
        ),
        (
            ["status", "dev"],
            ["dinv.machines", "dinv.access.connect", "dinv.system.locks", "ipaddress", "socket"],
        ),
    ],
)
def test_verbs_of_prompts_import_only_what_they_use(words: list[str], needless: list[str]) -> None:
    """On a machine that is there, of the docker driver, that has an address of its own."""
    store = Store()
    config = MachineConfig.new(
        name="dev", store_path=store.path, driver_name="docker", identity="x", created="now"
    )
    own_network = {"Subnet": "127.0.0.0/24", "Gateway": "127.0.0.1", "Bridge": "b"}
    with socket.create_server(("127.0.0.1", 0)) as server:
        config.driver.update(
            URL=f"tcp://127.0.0.1:{server.getsockname()[1]}",
            Endpoint={"URL": "unix:///nonexistent.sock"},
            OwnNetwork=own_network,
        )
        config.ours["Phase"] = READY
        with store.claim("dev", "creating it"):
            store.save(config)
            for name in ("ca", "cert", "key"):
                Path(config.directory, f"{name}.pem").write_bytes(b"")
        needless = [
            *needless,
            "dinv.registries.ca",
            "dinv.channel",
            "dinv.cli.docker_machine",
            "dinv.cli.mistakes",
            *(f"dinv.errors.{file}" for file in ("daemon", "input", "plugin")),
        ]
        code = (
            f"import sys\nfrom dinv.cli import main\nmain({words!r})\n"
            f"print([name for name in {needless!r} if name in sys.modules])"
        )
        done = python("-I", "-S", "-c", f"import sys; sys.path[:0] = {sys.path!r}\n{code}")
    assert done.stdout.splitlines()[-1] == "[]", done


def test_importing_dinv_imports_nothing_of_it() -> None:
    code = "import sys, dinv; print(*(name for name in sys.modules if name.startswith('dinv.')))"
    assert python("-c", code).stdout.split() == []
