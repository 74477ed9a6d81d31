from __future__ import annotations

from dinv.testing.vch.errors import VicError
from dinv.testing.vch.faults import Faults


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
    found = [faults.next("ContainerStart") for _ in range(5)]
    words = " ".join(error.message for error in found if error)
    assert {error.status for error in found if error} == {409, 423, 500}
    for part in (
        "collision of concurrent operations",
        "Resource locked",
        "Resource in use",
        "Failed to lock",
    ):
        assert part in words


def test_copies_may_be_cut_short() -> None:
    faults = Faults(every=1)
    found = [faults.next("ContainerExtractToDir") for _ in range(6)]
    assert any(error and "please try again" in error.message for error in found)


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
