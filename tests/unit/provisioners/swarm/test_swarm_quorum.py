"""Raft's arithmetic, against what a vote among managers comes to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dinv.provisioners.swarm import quorum

managers = st.lists(st.booleans(), min_size=1, max_size=9)


def votes(up: list[bool]) -> bool:
    """Whether more than half of all are there to agree."""
    return sum(up) * 2 > len(up)


@given(managers)
def test_a_quorum_is_more_than_half(up: list[bool]) -> None:
    assert quorum.has(len(up), sum(up)) == votes(up)


@given(managers, st.data())
def test_leaving(up: list[bool], data: st.DataObject) -> None:
    who = data.draw(st.integers(0, len(up) - 1))
    rest = up[:who] + up[who + 1 :]
    found = quorum.survives(len(up), sum(up), leaver_reachable=up[who])
    assert found == (votes(up) and bool(rest) and votes(rest))


@pytest.mark.parametrize(("number", "lost"), [(1, 0), (2, 0), (3, 1), (4, 1), (5, 2), (7, 3)])
def test_the_table_of_dockers_admin_guide(number: int, lost: int) -> None:
    assert quorum.has(number, number - lost)
    assert not quorum.has(number, number - lost - 1)
