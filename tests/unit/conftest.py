"""What holds for the unit tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from dinv.store.store import Store

if TYPE_CHECKING:
    from pathlib import Path

# The computers that run tests are shared: how long one example takes says nothing.
settings.register_profile("dinv", deadline=None, max_examples=50)
settings.register_profile("thorough", deadline=None, max_examples=1000)
"""With --hypothesis-profile thorough: for whoever changes a parser."""
settings.load_profile("dinv")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store with nothing in it; its directory is not made yet."""
    return Store(str(tmp_path / "store"))
