"""Records of `--format`: one set of keys."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from dinv.access.disk_usage import DiskUsage
from dinv.cli.show import machine_rows, records
from dinv.endpoints.local.engine import EngineStatus
from dinv.image_building.builder import MachineImage
from dinv.listing.status import MachineStatus
from dinv.machine import Machine
from dinv.states import RUNNING, Status
from dinv.store.record import MachineConfig

if TYPE_CHECKING:
    from dinv.store.store import Store

URL = "tcp://127.0.0.1:2376"


def machine(store: Store, **driver: object) -> Machine:
    config = MachineConfig.new(
        name="dev", store_path=store.path, driver_name="docker", identity="x", created="now"
    )
    config.driver.update(URL=URL, IPAddress="127.0.0.1", Image="dinv:latest", **driver)
    return Machine.recorded(config, store)


def test_all_records_of_a_machine_have_the_same_keys(store: Store) -> None:
    dev = machine(store, Endpoint={"URL": "unix:///d"})
    row = MachineStatus("dev", dev.config, Status(RUNNING), URL)
    for record in (
        records.of_status(dev, Status(RUNNING)),
        records.of_environment(dev, {"DOCKER_HOST": URL}),
        records.of_flags(dev, dev.docker_flags()),
        records.of_document(dev),
        records.of_creation(dev),
        machine_rows.document(row),
        machine_rows.fields(row),
    ):
        for key, value in records.known(dev.config).items():
            assert record[key] == value
        assert tuple(records.known(dev.config)) == records.KNOWN


def test_the_page_on_formats_has_every_key(store: Store) -> None:
    dev = machine(store)
    usage = DiskUsage("dev", "cache", size=2, available=1, usage={})
    image = MachineImage("sha256:1", ("a:1",), "dinv", "1", "debian", 7, datetime.now(UTC))
    keys = {
        *records.of_status(dev, Status(RUNNING)),
        *records.of_environment(dev, {}),
        *records.of_flags(dev, []),
        *records.of_creation(dev),
        *records.of_disk_usage(dev, usage),
        *records.of_engine(EngineStatus(socket="/s", data_root="/d", log="/l")),
        *records.of_versions("0.16.2"),
        *(key for record in records.of_images([image], "unix:///d") for key in record),
    }
    page = os.path.join(os.path.dirname(__file__), "..", "..", "..", "..", "docs", "formats.md")
    with open(page, encoding="utf-8") as file:
        words = set(re.findall(r"[A-Za-z]+", " ".join(re.findall(r"`[^`\n]+`", file.read()))))
    assert keys <= words


def test_an_endpoint_that_is_no_endpoint(store: Store) -> None:
    for endpoint in (None, "x", 7):
        assert records.known(machine(store, Endpoint=endpoint).config)["Endpoint"] == ""


def test_flags_without_a_shell(store: Store) -> None:
    flags = records.of_flags(machine(store), ['--tlscacert="/s p/ca.pem"', f"-H={URL}"])["Flags"]
    assert flags == ["--tlscacert=/s p/ca.pem", f"-H={URL}"]


def test_what_is_unset_belongs_to_no_machine() -> None:
    assert records.of_environment(None, {"DOCKER_HOST": None}) == {"Environment": {"DOCKER_HOST": None}}


def test_images_by_name() -> None:
    created = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    image = MachineImage("sha256:1", ("a:1", "b:2"), "dinv", "1", "debian", 7, created)
    nameless = MachineImage("sha256:2", (), "dinv", "1", "debian", 7, created)
    found = records.of_images([image, nameless], "unix:///d")
    assert [record["Image"] for record in found] == ["a:1", "b:2", "sha256:2"]
    assert found[0]["Created"] == "2026-01-02T03:04:05+00:00"
    assert found[0]["Endpoint"] == "unix:///d"


def test_the_engine() -> None:
    status = EngineStatus(socket="/s/docker.sock", data_root="/s/data", log="/s/log")
    assert records.of_engine(status)["State"] == "Stopped"
    status.pid, status.reason = 7, "silent"
    assert records.of_engine(status)["State"] == "Error"
    status.version = "26.1.5"
    found = records.of_engine(status)
    assert (found["State"], found["DockerVersion"]) == ("Running", "v26.1.5")
    assert found["URL"] == "unix:///s/docker.sock"
