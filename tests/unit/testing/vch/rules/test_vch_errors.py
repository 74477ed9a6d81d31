from __future__ import annotations

import pytest

from dinv.testing.vch.rules import errors


@pytest.mark.parametrize(
    ("message", "status"),
    [
        ("network lan not found", 404),
        ("Get vol: no such volume", 404),
        ("bad parameter: path cannot be empty", 400),
        ("No command specified", 400),
        ("a conflict of names", 409),
        ("that is impossible", 406),
        ("Unauthorized: log in", 401),
        ("vSphere Integrated Containers does not yet implement ContainerPause", 500),
    ],
)
def test_the_status_of_a_bare_error_is_in_its_words(message: str, status: int) -> None:
    assert errors.bare(message).status == status


def test_not_found_wins_over_conflict() -> None:
    assert errors.bare("not found, and a conflict").status == 404


def test_unimplemented_is_told_from_other_errors() -> None:
    assert errors.not_implemented("ContainerTop").unimplemented
    assert errors.swarm().unimplemented
    assert not errors.no_such_container("x").unimplemented
