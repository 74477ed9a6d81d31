"""What a kill -9 looks like, without one."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


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


class Changes:
    """What has been changed: in directories, and what `step` was called for.

    From the change of the number `last` on (the first is 0) there is a kill before each, and nothing is
    done any more.
    """

    def __init__(self, last: int) -> None:
        self.last = last
        self.seen: list[str] = []

    def step(self, name: str) -> None:
        """Count a change that is about to be made. Raises Killed."""
        self.seen.append(name)
        if len(self.seen) > self.last:
            raise Killed

    def counted(self, name: str) -> Callable[..., None]:
        """The function `name` of os, its calls counted."""
        real: Callable[..., None] = getattr(os, name)

        def change(*arguments: Any, **more: Any) -> None:
            self.step(name)
            real(*arguments, **more)

        return change


@contextlib.contextmanager
def killed_at_change(number: int) -> Iterator[Changes]:
    """Kill before the change of this number (the first is 0), and be dead from then on."""
    changes = Changes(number)
    with pytest.MonkeyPatch.context() as killed:
        for name in ("rename", "replace", "mkdir", "rmdir", "unlink"):
            killed.setattr(os, name, changes.counted(name))
        yield changes
