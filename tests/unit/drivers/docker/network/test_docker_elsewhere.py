"""Why a machine that listens is not reached."""

from __future__ import annotations

import re

import pytest
from docker_machine import made
from fake_engine import FakeEngine
from hypothesis import given
from hypothesis import strategies as st

from dinv.drivers.docker.network import elsewhere
from dinv.drivers.docker.network.elsewhere import listens, why

_TABLE = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0B00007F:8C1F 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 11
   1: 00000000:{port} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000     0        0 12
"""


@pytest.mark.parametrize(
    ("port", "state", "found"), [("0948", "0A", True), ("0948", "01", False), ("0949", "0A", False)]
)
def test_what_listens(port: str, state: str, found: bool) -> None:  # noqa: FBT001
    assert listens(_TABLE.format(port=port, state=state)) is found


@given(st.text())
def test_no_table_is_too_odd(text: str) -> None:
    listens(text)


@pytest.mark.parametrize(
    ("host", "values", "said"),
    [
        (None, {}, r"published on 127\.0\.0\.1 of unix:.*looks like a tunnel.*publish=ADDRESS"),
        ("localhost", {}, "looks like a tunnel"),
        ("lab.test", {}, "perhaps a firewall.*publish=ADDRESS:PORT"),
        ("lab.test", {"publish": "none"}, "no route from here to network bridge.*--publish"),
    ],
)
def test_what_is_said_of_one_that_listens(
    host: str | None, values: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = made(FakeEngine(host=host), **values)
    monkeypatch.setattr(elsewhere, "_listens", lambda _: False)
    assert why(driver.site) == ""
    monkeypatch.setattr(elsewhere, "_listens", lambda _: True)
    assert re.search(said, why(driver.site))
