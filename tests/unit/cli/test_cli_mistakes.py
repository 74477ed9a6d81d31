"""Errors that no code has reckoned with."""

from __future__ import annotations

import pytest

from dinv.cli.mistakes import unexpected
from dinv.errors import DinvError, Interrupted


class Fails:
    """What cached_property is in the midst of when a signal comes."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __set_name__(self, owner: type, name: str) -> None:
        raise self.error


@pytest.mark.parametrize(("error", "status"), [(Interrupted(15), 143), (KeyboardInterrupt(), 130)])
def test_an_interrupt_while_a_class_is_made_is_one(error: BaseException, status: int) -> None:
    with pytest.raises((RuntimeError, Interrupted, KeyboardInterrupt)) as caught:
        type("Engine", (), {"images": Fails(error)})
    if isinstance(caught.value, RuntimeError):  # up to Python 3.11
        assert unexpected(caught.value).exit_code == status
        assert isinstance(unexpected(caught.value), Interrupted)


def test_any_other_is_a_bug() -> None:
    assert str(unexpected(KeyError("x"))).startswith("A bug in dinv: KeyError: 'x'.")
    assert not isinstance(unexpected(RuntimeError("x")), Interrupted)
    assert isinstance(unexpected(RuntimeError("x")), DinvError)
