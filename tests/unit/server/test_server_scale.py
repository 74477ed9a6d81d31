"""The simulation of benchmarks/scale.py, at a tiny size: it runs, and measures what it says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks import scale

from dinv.server.serving import interpreter

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_tiny_fleet_is_filled_and_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"CLAIMS": 40, "CLIENTS": 4, "WAITING": 20, "ON_EACH": 20}.items():
        monkeypatch.setattr(scale, name, value)
    monkeypatch.setattr(interpreter, "prepare", lambda: None)

    database_url = f"sqlite:///{tmp_path}/dinv.db"

    filled = scale.fill(database_url, str(tmp_path), 60)
    measured = scale.measure(database_url, str(tmp_path))

    assert float(filled["database, MB"]) > 0
    assert all(float(value.replace(",", "")) >= 0 for value in measured.values())
    assert {"somebody's page, ms", "a pass: watch, ms", "claim, a second"} <= measured.keys()
    assert scale.lines({"one": {"a": "1"}, "two": {"a": "2", "b": "3"}}) == [["a", "1", "2"], ["b", "", "3"]]
