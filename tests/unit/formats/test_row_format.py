"""`ls --format`: rows by a template, with docker-machine's headings and layout."""

from __future__ import annotations

import os
import re

import pytest

from dinv.cli.show.machine_rows import COLUMNS, cells
from dinv.cli.show.machine_rows import fields as fields_of
from dinv.errors import TemplateError
from dinv.formats.row_format import HEADINGS, RowFormat
from dinv.formats.table import table
from dinv.formats.template.functions import FUNCTIONS
from dinv.listing.status import MachineStatus
from dinv.states import ERROR, RUNNING, STOPPED, Status
from dinv.store.record import MachineConfig

URL = "tcp://127.0.0.1:2376"
DEFAULT = (
    r"table {{ .Name }}\t{{ .Active }}\t{{ .DriverName}}\t{{ .State }}\t{{ .URL }}\t{{ .Swarm }}\t"
    r"{{ .DockerVersion }}\t{{ .Error}}"
)


def fields() -> list[dict[str, object]]:
    return [fields_of(row) for row in rows()]


def rows() -> list[MachineStatus]:
    config = MachineConfig.new(name="dev", store_path="/s", driver_name="docker", identity="x", created="now")
    config.driver.update(URL=URL, IPAddress="127.0.0.1", Image="dinv:latest", Endpoint={"URL": "unix:///d"})
    config.ours["DockerVersion"] = "26.1.5"
    config.engine_options["Labels"] = ["a=1", "b"]
    stopped = MachineConfig.new(
        name="a-longer-name", store_path="/s", driver_name="none", identity="y", created="now"
    )
    return [
        MachineStatus("dev", config, Status(RUNNING), URL, seconds=0.0514),
        MachineStatus("a-longer-name", stopped, Status(STOPPED), URL),
        MachineStatus("spoilt", None, Status(ERROR, "config.json:\nnot JSON"), URL),
    ]


def test_docker_machines_own_table() -> None:
    assert [line.rstrip() for line in RowFormat(DEFAULT).render(fields()).splitlines()] == [
        "NAME            ACTIVE   DRIVER      STATE     URL                    SWARM   DOCKER    ERRORS",
        "dev             *        docker      Running   tcp://127.0.0.1:2376           v26.1.5",
        "a-longer-name   -        none        Stopped                                  Unknown",
        f"spoilt{'':<19}not found   Error{'':<46}config.json: not JSON",
    ]


def test_the_default_is_the_plain_table() -> None:
    plain = table(COLUMNS, [cells(row) for row in rows()])
    assert RowFormat(DEFAULT).render(fields()) == f"{plain}\n"


@pytest.mark.parametrize(
    ("template", "first"),
    [
        (r"{{.Name}}\t{{.URL}}", f"dev\t{URL}"),
        ("  {{.Name}}:{{.State}}  ", "dev:Running"),
        (r"{{.Name}}\n{{.ResponseTime}}", "dev\n51ms"),
        ("{{json .EngineOptions.Labels}}", '["a=1","b"]'),
        (
            "{{.ActiveHost}} {{.ActiveSwarm}} {{.Endpoint}} {{.Image}}",
            "true False unix:///d dinv:latest".lower(),
        ),
        ("{{.SwarmOptions.IsSwarm}}{{if .Error}}!{{end}}", "false"),
    ],
)
def test_templates(template: str, first: str) -> None:
    assert RowFormat(template).render(fields()[:1]) == f"{first}\n"


def test_every_field_has_a_heading_and_every_heading_a_field() -> None:
    for row in rows():
        assert set(fields_of(row)) == set(HEADINGS)
        assert tuple(HEADINGS[field] for field in ("Name", "State", "Error")) == (
            COLUMNS[0],
            COLUMNS[3],
            COLUMNS[-1],
        )


def test_headings_survive_functions() -> None:
    said = RowFormat(r"table{{upper .Name}}\t{{json .EngineOptions.Labels}}").render(fields()[:1])
    assert said.splitlines() == ["NAME   ENGINE_OPTIONS", 'DEV    ["a=1","b"]']


@pytest.mark.parametrize(
    ("template", "column"), [("{{.Nmae}}", 3), ("table {{nosuch}}", 9), ("table  {{", 8)]
)
def test_mistakes_are_told_where_they_are(template: str, column: int) -> None:
    with pytest.raises(TemplateError) as caught:
        RowFormat(template).render(fields())
    assert caught.value.column == column


def test_swarms_of_old() -> None:
    master = MachineConfig.new(name="m", store_path="/s", driver_name="docker", identity="x", created="now")
    master.driver.update(URL="tcp://10.0.0.1:2376", IPAddress="10.0.0.1")
    master.swarm_options.update(Master=True, Discovery="token://x", Host="tcp://0.0.0.0:3376")
    row = MachineStatus("m", master, Status(RUNNING), "tcp://10.0.0.1:3376", master="m")
    assert (
        RowFormat("{{.Active}}|{{.ActiveSwarm}}|{{.Swarm}}").render([fields_of(row)])
        == "* (swarm)|true|m (master)\n"
    )


def test_the_page_on_formats_has_every_field_and_every_function() -> None:
    page = os.path.join(os.path.dirname(__file__), "..", "..", "..", "docs", "formats.md")
    with open(page, encoding="utf-8") as file:
        words = set(re.findall(r"[A-Za-z]+", " ".join(re.findall(r"`[^`\n]+`", file.read()))))
    assert set(HEADINGS) <= words
    assert set(FUNCTIONS) <= words
