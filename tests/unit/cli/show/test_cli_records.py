"""`--format` of every verb that prints a record: json, table, templates, and what is none of these."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from fake_program import Program

import dinv
from dinv.access.disk_usage import DiskUsage
from dinv.cli.show import records
from dinv.endpoints.local.engine import EngineStatus, LocalEngine
from dinv.image_building import builder
from dinv.image_building.builder import MachineImage
from dinv.machine import Machine
from dinv.machines import Machines
from dinv.pki.validity import Certificates, Validity

if TYPE_CHECKING:
    from fake_driver import World

URL = "tcp://127.0.0.1:1000"
END = "2099-12-31T23:59:59Z"

ONE = (
    ("status", "dev"),
    ("url", "dev"),
    ("env", "dev", "--shell", "sh"),
    ("active",),
    ("config", "dev"),
    ("version", "dev"),
    ("inspect", "dev"),
    ("create", "other"),
)
SEVERAL = (("ls",), ("ip", "dev"), ("df", "dev"))
OTHERS = (("version",), ("env", "-u"), ("engine", "status"), ("image", "ls"))


class FakeEndpoint:
    address = "unix:///fake"

    def close(self) -> None:
        pass


@pytest.fixture
def program(world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Program:
    """With the machine `dev`, which runs, and which DOCKER_HOST points at."""
    program = Program(capsys)
    assert program("create", "dev", "-q") == 0
    dates = Certificates(client=Validity("1f", 0, 4102444799))
    monkeypatch.setattr("dinv.pki.validity.in_directory", lambda _directory: dates)
    monkeypatch.setenv("DOCKER_HOST", URL)
    monkeypatch.setattr("dinv.access.connect.check", lambda *_, **__: None)
    monkeypatch.setattr(Machine, "daemon_version", lambda _machine: "26.1.5")
    usage = DiskUsage("dev", "dinv-dev-cache", size=2**30, available=2**29, usage={"LayersSize": 2048})
    monkeypatch.setattr(Machine, "disk_usage", lambda _machine: usage)
    status = EngineStatus(socket="/s", data_root="/d", log="/l", pid=7, version="26.1.5")
    monkeypatch.setattr(LocalEngine, "status", lambda _engine: status)
    monkeypatch.setattr(Machines, "endpoint", lambda *_, **__: FakeEndpoint())
    image = MachineImage("sha256:1", ("dinv:latest",), "dinv", "1", "debian", 7, datetime.now(UTC))
    monkeypatch.setattr(builder, "image_list", lambda _engine: [image])
    return program


@pytest.mark.parametrize("words", [*ONE, *SEVERAL], ids=" ".join)
def test_a_machines_record_is_json_with_one_set_of_keys(program: Program, words: tuple[str, ...]) -> None:
    assert program(*words, "--format", "json") == 0
    found = json.loads(program.out)
    record = found if words in ONE else found[0]
    assert set(records.KNOWN) <= set(record)
    assert record["Name"] == words[1] if len(words) > 1 else "dev"
    assert record["URL"] == URL
    assert record["IPAddress"] == "127.0.0.1"


@pytest.mark.parametrize("words", [*ONE, *SEVERAL], ids=" ".join)
def test_a_template_and_a_table(program: Program, words: tuple[str, ...]) -> None:
    assert program(*words, "--format", "{{.Name}} {{.URL}}") == 0
    name = words[1] if len(words) > 1 else "dev"
    assert program.out == f"{name} {URL}\n"
    if words[0] == "create":
        return
    assert program(*words, "--format", "table") == 0
    assert program.out.splitlines()[1].split()[0] == name
    if words[0] != "inspect":
        assert program(*words, "--format", r"table {{.Name}}\t{{.Image}}") == 0
        assert program.out.splitlines()[0].split() == ["NAME", "IMAGE"]


@pytest.mark.parametrize("words", [*ONE, *SEVERAL, *OTHERS], ids=" ".join)
def test_what_is_no_format(world: World, program: Program, words: tuple[str, ...]) -> None:
    world.steps.clear()
    for text in ("yaml", "jsno", "{{.Name"):
        assert program(*words, "--format", text) == 1
        assert program.out == ""
        said = f'There is no --format "{text}"' if "{" not in text else "template parsing error"
        assert said in program.err
        assert ('Did you mean "json"?' in program.err) is (text == "jsno")
    assert world.steps == []  # nothing was made, and nobody was asked


@pytest.mark.parametrize("words", [*ONE[:-1], *SEVERAL, *OTHERS], ids=" ".join)
def test_a_key_that_is_not_there(program: Program, words: tuple[str, ...]) -> None:
    status = program(*words, "--format", "{{.Nmae}}")
    if words[0] == "inspect":  # docker-machine's document
        assert (status, program.out) == (0, "<no value>\n")
    else:
        assert status == 1
        assert "can't evaluate field Nmae" in program.err


def test_what_each_verb_adds(program: Program) -> None:
    for words, template, said in (
        (("status", "dev"), "{{.State}}", "Running"),
        (("env", "dev"), "{{.Environment.DOCKER_HOST}}", URL),
        (("env", "-u"), "{{json .Environment.DOCKER_HOST}}", "null"),
        (("active",), "{{.Name}}", "dev"),
        (("config", "dev"), "{{index .Flags 0}}", "--tlsverify"),
        (("version", "dev"), "{{.DockerVersion}} {{.Version}}", f"v26.1.5 {dinv.__version__}"),
        (("version",), "{{.DockerMachineVersion}}", "0.16.2"),
        (("inspect", "dev"), "{{.ConfigVersion}} {{.Name}}", "3 dev"),
        (("inspect", "dev"), "{{.Certificates.Client.NotAfter}}", END),
        (("ls",), "{{.CertExpiry}} {{.CAExpiry}}", f"{END} "),
        (("df", "dev"), "{{.CacheVolume}} {{.Size}} {{.UsedPercent}}", "dinv-dev-cache 1073741824 50"),
        (("engine", "status"), "{{.State}} {{.URL}}", "Running unix:///s"),
        (("image", "ls"), "{{.Image}} {{.Endpoint}}", "dinv:latest unix:///fake"),
    ):
        assert program(*words, "--format", template) == 0, program.err
        assert program.out == f"{said}\n"


def test_of_several_addresses_there_is_a_list_in_the_order_asked_for(program: Program) -> None:
    program("create", "other", "-q")
    assert program("ip", "other", "dev", "other", "--format", "json") == 0
    assert [record["Name"] for record in json.loads(program.out)] == ["other", "dev"]


def test_create_with_a_format_prints_nothing_else_on_standard_output(program: Program) -> None:
    assert program("create", "third", "--format", "json") == 0
    assert json.loads(program.out)["Context"] == "third"
    assert "ready at" in program.err


def test_docker_machines_templates_stay_as_they_are(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["docker-machine"])
    assert (program("ls", "-f", "x"), program.out) == (0, "x\n")
    assert (program("inspect", "-f", "x", "dev"), program.out) == (0, "x\n")


def test_without_a_format_nothing_of_it_is_imported(program: Program) -> None:
    code = (
        "import sys\nfrom dinv.cli import main\n"
        "[main(words.split()) for words in ('url dev', 'status dev', 'env dev --shell sh', 'ls', 'ip dev')]\n"
        "sys.exit(any(name in sys.modules for name in ('dinv.cli.show.records', 'dinv.cli.show.formatting')))"
    )
    assert program("url", "dev") == 0
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=60)
