"""A store whose machines have the driver of `listed`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fake_driver import install
from listed import Asked

from dinv import drivers
from dinv.store.store import Store

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    install(monkeypatch, str(tmp_path / "endpoint"))
    monkeypatch.setitem(drivers._BUILT_IN, "asked", "listed:Asked")
    Asked.calls, Asked.answers = [], {}
    return Store(str(tmp_path / "store"))
