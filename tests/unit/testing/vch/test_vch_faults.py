from __future__ import annotations

import pytest

from dinv.drivers.docker.flavours.vch import VchFlavour
from dinv.errors import EngineError
from dinv.testing.vch.faults import MUTATING, Faults
from dinv.testing.vch.rules.errors import VicError


def test_none_unless_asked_for() -> None:
    faults = Faults()
    assert [faults.next("ContainerStart") for _ in range(50)] == [None] * 50


def test_each_nth_mutating_call_fails_once() -> None:
    faults = Faults(every=3)
    found = [faults.next("ContainerStart") is not None for _ in range(7)]
    assert found == [False, False, True, False, False, True, False]


def test_looking_is_not_counted_and_never_fails() -> None:
    faults = Faults(every=1)
    assert faults.next("ContainerInspect") is None
    assert faults.next("ContainerExecStart") is None
    assert faults.next("VolumeCreate") is not None


def test_the_errors_take_turns() -> None:
    faults = Faults(every=1)
    found = [faults.next("ContainerStart") for _ in range(6)]
    words = " ".join(error.message for error in found if error)
    assert {error.status for error in found if error} == {409, 423, 500}
    for part in (
        "collision of concurrent operations",
        "concurrent modification by another operation",
        "Resource locked",
        "Failed to lock",
    ):
        assert part in words


def test_copies_may_be_cut_short() -> None:
    faults = Faults(every=1)
    found = [faults.next("ContainerExtractToDir") for _ in range(2)]
    assert [error and error.message for error in found] == [
        "Server error from portlayer: unexpected copy failure may result in truncated copy, please try again",
        "Resource in use",
    ]


@pytest.mark.parametrize("operation", sorted(MUTATING))
def test_dinv_tries_all_of_them_again(operation: str) -> None:
    """And takes none for an answer: each is what a VCH says for a moment."""
    faults = Faults(every=1)
    for _ in range(6):
        found = faults.next(operation)
        assert found is not None
        assert VchFlavour.transient(EngineError(found.message, status=found.status)), found.message


def test_a_call_of_the_port_layers_that_there_is_not() -> None:
    with pytest.raises(ValueError, match="no Comit of the port layer's is simulated: AddContainer, "):
        Faults().port_layer("Comit", 500)


def test_planned_faults_go_first_and_once() -> None:
    faults = Faults()
    faults.fail("ContainerInspect", VicError(500, "boom"))
    faults.fail("ContainerStart", times=2)
    assert faults.next("ContainerStop") is None
    assert [error and error.status for error in (faults.next("ContainerStart") for _ in range(3))] == [
        409,
        409,
        None,
    ]
    found = faults.next("ContainerInspect")
    assert found is not None
    assert found.message == "boom"
    assert faults.next("ContainerInspect") is None
