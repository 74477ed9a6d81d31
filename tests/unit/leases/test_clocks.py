"""A clock that jumps ends no lease, until it has proved itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dinv.leases import clocks
from dinv.store.store import Store

if TYPE_CHECKING:
    from pathlib import Path

DAY, HOUR = 86400, 3600
AT = "unix:///e"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store"))


def test_clocks_that_go_alike_are_believed(store: Store) -> None:
    for hours in (0, 1, 500):
        assert clocks.distrust(store, AT, 7 * HOUR + hours * HOUR, here=hours * HOUR) == ""


def test_a_jump_is_not_believed_until_an_hour_has_gone_by(store: Store) -> None:
    assert clocks.distrust(store, AT, 0, here=0) == ""
    assert "1 day longer than" in clocks.distrust(store, AT, DAY + 700, here=600)
    assert "Nothing is ended" in clocks.distrust(store, AT, DAY + 1300, here=1200)
    assert clocks.distrust(store, "unix:///other", 1200, here=1200) == ""
    assert clocks.distrust(store, AT, DAY + HOUR + 800, here=HOUR + 700) == ""


def test_one_that_is_set_back_meanwhile_has_to_wait_as_well(store: Store) -> None:
    clocks.distrust(store, AT, 0, here=0)
    assert clocks.distrust(store, AT, 9 * DAY, here=600)
    assert clocks.distrust(store, AT, 1200, here=1200)
    assert clocks.distrust(store, AT, 2 * HOUR, here=2 * HOUR) == ""


def test_less_than_a_day_is_believed_and_so_is_going_back(store: Store) -> None:
    clocks.distrust(store, AT, 0, here=0)
    assert clocks.distrust(store, AT, DAY - 1, here=0) == ""
    assert clocks.distrust(store, AT, 5, here=10) == ""


def test_an_endpoint_that_is_new_is_compared_with_this_computer(store: Store) -> None:
    assert "ahead of this computer" in clocks.distrust(store, AT, 9 * DAY, here=0)
    assert clocks.distrust(store, "unix:///behind", 0, here=9 * DAY) == ""


@pytest.mark.parametrize(
    "content", [b"", b"[]", b'{"unix:///e": 3}', b'{"unix:///e": {"There": "x", "Here": 1}}']
)
def test_a_damaged_file_counts_for_none(store: Store, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / clocks.FILE).write_bytes(content)
    assert clocks.distrust(store, AT, 0, here=0) == ""
