"""What holds for the unit tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from hypothesis.database import DirectoryBasedExampleDatabase

from dinv.store.store import Store

if TYPE_CHECKING:
    from pathlib import Path

# The computers that run tests are shared: how long one example takes says nothing. The examples are the same
# ones each time: a rare one that has always failed must not stop a change that has nothing to do with it.
settings.register_profile("dinv", deadline=None, max_examples=50, derandomize=True)
settings.register_profile(
    "thorough",
    deadline=None,
    max_examples=1000,
    # These are said because they are otherwise where CI is set in the environment.
    derandomize=False,
    database=DirectoryBasedExampleDatabase(".hypothesis/examples"),
    print_blob=True,
)
"""With --hypothesis-profile thorough: for whoever changes a parser, with new examples each time."""
settings.load_profile("dinv")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store with nothing in it; its directory is not made yet."""
    return Store(str(tmp_path / "store"))
