"""What a kill -9 looks like, without one."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


class Killed(BaseException):
    """What a kill -9 looks like from inside, where nothing after it is done."""


@contextlib.contextmanager
def killed_at_rename(number: int) -> Iterator[None]:
    """Every rename from this one on (the first is 0) fails, and nothing is cleared away after it."""
    count = 0
    real = os.replace

    def replace(source: str, target: str) -> None:
        nonlocal count
        if count == number:
            raise OSError(5, "killed")
        count += 1
        real(source, target)

    with pytest.MonkeyPatch.context() as killed:
        killed.setattr(os, "replace", replace)
        killed.setattr(os, "unlink", lambda _: None)
        yield
