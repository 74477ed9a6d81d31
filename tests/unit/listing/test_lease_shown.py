"""`ls` and `status` show leases, and warn of one that ends soon."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from fake_driver import FakeDriver, install, without_keys

import dinv
from dinv.cli.show import machine_rows
from dinv.pki.validity import rfc3339
from dinv.store.lease import Lease
from dinv.store.store import Store

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from dinv.machines import Machines


@pytest.fixture
def machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machines:
    without_keys(monkeypatch)
    monkeypatch.setattr(
        FakeDriver,
        "system_time",
        # A minute ahead: as much as may pass until what is left of a lease is less than whole hours.
        lambda *_, **__: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 60)),
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


def test_an_end_that_is_near_is_marked_and_coloured(
    machines: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeDriver, "features", frozenset({"activity"}))
    leases: list[tuple[str, dict[str, Any]]] = [("a", {}), ("b", {}), ("c", {"idle_ttl": "2h"})]
    for name, lease in leases:
        machines.create(name, driver="fake", context=False, ttl="8h", **lease)
    store, now = Store(machines.path), time.time()
    for name, left in (("a", 1859), ("b", -5)):
        config = store.load(name)
        config.lease = Lease(ttl=8 * 3600, expires=rfc3339(now + left))
        with store.lock(name, "x"):
            store.save(config)
    heads, rows = machine_rows.table(machines.list())
    place = heads.index("EXPIRES")
    cells = [row[place] for row in rows]
    assert cells == ["in 30 minutes!", "over!", "in 8 hours or 2 hours unused", ""]
    assert machine_rows.colours(heads, rows)["EXPIRES"] == {"in 30 minutes!": "yellow", "over!": "red"}


def test_one_that_nobody_uses_is_marked_for_as_long_as_that_is_known() -> None:
    lease, now = Lease(idle_ttl=7200, warned_idle="2030-01-01T12:00:00Z", on_expiry="stop"), 1893499200
    assert rfc3339(now) == "2030-01-01T12:00:00Z"
    assert (lease.about(now - 600), lease.urgency(now - 600)) == ("2 hours unused!", "soon")
    assert lease.remark("dev", now - 600) == (
        "nobody used it when it was last looked at: it is stopped in 10 minutes unless it is used"
    )
    assert (lease.about(now), lease.urgency(now), lease.remark("dev", now)) == ("2 hours unused", "", "")
    assert Lease.of(lease.document()) == lease
