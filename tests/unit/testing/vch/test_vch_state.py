from __future__ import annotations

import pytest

from dinv.testing.vch.rules.errors import VicError
from dinv.testing.vch.state import Container


def _container() -> Container:
    return Container("dev", {}, memory=512, cpus=1)


@pytest.mark.parametrize(
    ("first", "second", "status", "words"),
    [
        ("start", "start", 409, "ContainerStart request is already in progress for container 'dev'"),
        ("start", "stop", 409, "collision of concurrent operations"),
        ("start", "archive", 500, "Resource in use"),
        ("archive", "archive", 500, "Resource in use"),
        ("archive", "start", 500, "Failed to lock the file"),
        ("stop", "remove", 409, "collision of concurrent operations"),
    ],
)
def test_two_operations_at_once(first: str, second: str, status: int, words: str) -> None:
    container = _container()
    with (
        container.operation(first),
        pytest.raises(VicError, match=words) as error,
        container.operation(second),
    ):
        pass
    assert error.value.status == status


def test_one_after_the_other_is_fine() -> None:
    container = _container()
    for name in ("start", "archive", "stop"):
        with container.operation(name):
            pass


def test_a_failed_operation_lets_go() -> None:
    container = _container()
    with pytest.raises(ValueError, match="x"), container.operation("start"):
        raise ValueError("x")
    with container.operation("stop"):
        pass
