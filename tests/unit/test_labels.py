"""Labels have one home: two spellings of one would part a machine from what belongs to it."""

from __future__ import annotations

from pathlib import Path

import dinv
from dinv import labels

ROOT = Path(dinv.__file__).parent
ELSEWHERE = {"labels.py", "testing/vch/state.py"}
"""The second has a label of the simulator's own."""


def test_no_other_file_spells_a_label() -> None:
    found = {
        str(path.relative_to(ROOT))
        for path in ROOT.rglob("*.py")
        if f'"{labels.PREFIX}' in path.read_text(encoding="utf-8")
    }
    assert found == ELSEWHERE


def test_all_begin_alike_and_no_two_are_the_same() -> None:
    found = [value for name, value in vars(labels).items() if name.startswith("LABEL")]
    assert len(found) > 5
    assert all(value.startswith(labels.PREFIX) for value in found)
    assert len(set(found)) == len(found)
