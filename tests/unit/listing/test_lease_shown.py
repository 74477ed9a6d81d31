"""`ls` and `status` show leases, and warn of one that ends soon."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from fake_driver import FakeDriver, install, without_keys

import dinv
from dinv.cli.show import machine_rows

if TYPE_CHECKING:
    from pathlib import Path

    from dinv.machines import Machines


@pytest.fixture
def machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machines:
    without_keys(monkeypatch)
    monkeypatch.setattr(
        FakeDriver,
        "system_time",
        lambda *_, **__: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 1)),
    )
    install(monkeypatch, str(tmp_path / "endpoint"))
    machines = dinv.open(str(tmp_path / "store"))
    machines.create("free", driver="fake", context=False)
    return machines


def test_without_a_lease_the_table_is_docker_machines(machines: Machines) -> None:
    heads, rows = machine_rows.table(machines.list())
    assert heads == list(machine_rows.COLUMNS)
    assert len(rows[0]) == len(heads)


def test_a_lease_has_a_column(machines: Machines) -> None:
    machines.create("dev", driver="fake", context=False, ttl="8h")
    heads, rows = machine_rows.table(machines.list())
    place = heads.index("EXPIRES")
    assert [row[place] for row in rows] == ["in 8 hours", ""]
    dev, free = machines.list()
    assert (dev.error, free.error) == ("", "")
    assert machine_rows.document(dev)["Expires"] == dev.config.lease.expires  # type: ignore[union-attr]
    assert machine_rows.document(free)["Expires"] == ""


def test_one_that_ends_soon_is_warned_of(machines: Machines) -> None:
    machines.create("dev", driver="fake", context=False, ttl="8h")
    config = machines.get("dev").config
    lease = config.lease
    assert lease is not None
    end = lease.end
    assert end is not None
    assert lease.remark("dev", end - 3000) == (
        "its lease ends in 50 minutes, it is removed then: dinv extend dev DURATION"
    )
    assert lease.remark("dev", end + 1).startswith("its lease is over")
    assert lease.remark("dev", end - 7200) == ""
