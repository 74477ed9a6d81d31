"""Work in a thread, and whoever waits for it."""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING

import pytest

from dinv.background import Background

if TYPE_CHECKING:
    from collections.abc import Callable


def test_its_error_is_raised_where_its_result_is_asked_for() -> None:
    def work() -> None:
        raise KeyError("no")

    background = Background(work, "work")
    background.join()
    assert background.done(0)
    with pytest.raises(KeyError):
        background.result()


@pytest.mark.parametrize("wait", [Background.join, Background.result, lambda work: work.done(20)])
def test_who_was_interrupted_can_wait_again(wait: Callable[[Background], object]) -> None:
    ending, done = threading.Event(), []

    def work() -> None:
        assert ending.wait(20)
        done.append(1)

    background = Background(work, "work")
    threading.Timer(0.1, os.kill, [os.getpid(), signal.SIGINT]).start()
    with pytest.raises(KeyboardInterrupt):
        wait(background)
    assert not background.done(0)
    threading.Timer(0.1, ending.set).start()
    background.join()
    assert done
    assert background.done(0)
