"""Fixtures of the tests of swarms: machines of a store whose daemons are in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from machines_of_swarm import in_memory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from machines_of_swarm import SwarmOfMachines


@pytest.fixture
def swarm(tmp_path: Path) -> Iterator[SwarmOfMachines]:
    with in_memory(str(tmp_path / "store")) as found:
        yield found
