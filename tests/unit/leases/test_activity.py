"""What a machine says of its use."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dinv.leases import activity


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.integers(0, 10**9))
def test_its_lines_are_read(connections: int, containers: int, idle: int) -> None:
    found = activity.parse(f"connections {connections}\ncontainers {containers}\nidle {idle}\n".encode())
    assert found is not None
    assert (found.connections, found.containers, found.idle_seconds) == (connections, containers, idle)
    assert found.unused_for == (0 if connections or containers else idle)


@given(st.binary(max_size=200))
def test_anything_else_is_read_or_refused(said: bytes) -> None:
    activity.parse(said)


@pytest.mark.parametrize(
    "said",
    [b"", b"idle 3\n", b"connections 0\ncontainers -1\nidle 5\n", b"connections 0\ncontainers 0\nidle 1e9\n"],
)
def test_what_is_not_all_of_it_is_nothing(said: bytes) -> None:
    assert activity.parse(said) is None
