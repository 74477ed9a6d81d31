from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from dinv.caches import status
from dinv.caches.status import parse
from dinv.registries.cache_record import KEPT, REMOVING, CacheRecord, Registry

if TYPE_CHECKING:
    from dinv.caches.status import CacheStatus

COUNTERS = (
    '{"cache": {}, "proxy": {"blobs": {"Requests":3,"Hits":2,"Misses":1,"BytesPulled":70,"BytesPushed":9}, '
    '"manifests": {"Requests":4,"Hits":1,"Misses":3,"BytesPulled":5,"BytesPushed":0}}}'
)


def test_a_line_for_each_registry() -> None:
    said = parse(f"docker.io\tonline\t12\t{COUNTERS}\npush\toffline\t0\t\n")
    assert {name: (state, size) for name, (state, size, _) in said.items()} == {
        "docker.io": ("online", 12288),
        "push": ("offline", 0),
    }
    assert status._counted(said["docker.io"][2]) == (7, 3, 75)
    assert status._counted(said["push"][2]) == (0, 0, 0)


@given(st.text())
def test_whatever_is_said_is_no_traceback(text: str) -> None:
    for _, _, counters in parse(text).values():
        status._counted(counters)


@given(st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.dictionaries(st.text(), inner)))
def test_whatever_is_counted_is_no_traceback(counters: object) -> None:
    for document in ({"proxy": counters}, {"proxy": {"blobs": counters}}):
        assert all(isinstance(number, int) for number in status._counted(document))


def asked(phase: str) -> CacheStatus:
    record = CacheRecord.new(
        "hub",
        identity="id",
        created="",
        endpoint={"URL": "unix:///nowhere.sock"},
        registries=[Registry("docker.io", "https://registry-1.docker.io", 5000)],
    )
    record["Phase"] = phase
    return status.status(record, ("dev",))


def test_one_whose_data_were_kept_is_not_asked_for() -> None:
    found = asked(KEPT)
    assert (found.state, found.error, found.size) == ("Removed", "", None)


def test_an_endpoint_that_is_gone_is_an_error_and_no_exception() -> None:
    found = asked("ready")
    assert found.state == "Error"
    assert "nowhere.sock" in found.error
    assert found.machines == ("dev",)


def test_what_was_interrupted_is_unfinished() -> None:
    assert asked(REMOVING).state == "Unfinished"
