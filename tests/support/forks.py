"""Forks of the process that runs the tests."""

from __future__ import annotations

import contextlib
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def forking() -> Iterator[None]:
    """Around a fork: Python 3.12 warns where there are threads, of whichever test, and warnings are errors.

    The child has none of them, so it must not wait for what they hold; what tests do in one needs no thread.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
        yield
