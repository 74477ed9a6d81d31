"""The record of issuance and revocation: appended, never torn for readers, bounded."""

from __future__ import annotations

import errno
import json
import os
import stat
from typing import TYPE_CHECKING

import pytest
from forks import forking
from hypothesis import given
from hypothesis import strategies as st

from dinv.errors import StoreError, StoreNotWritable
from dinv.store import access_log
from dinv.store.access_log import ENDED, ISSUED, REVOKED, Record

if TYPE_CHECKING:
    from pathlib import Path

serials = st.integers(1, 2**159).map(lambda number: f"{number:x}")
records = st.builds(
    Record,
    event=st.sampled_from([ISSUED, REVOKED, ENDED]),
    role=st.sampled_from(["server", "client"]),
    holder=st.text(max_size=20),
    serial=serials,
    not_after=st.just("2027-01-01T00:00:00Z"),
    names=st.lists(st.text(max_size=10), max_size=3),
    by=st.text(min_size=1, max_size=20),
)


def one(holder: str = "alice", event: str = ISSUED, serial: str = "1f") -> Record:
    return Record(event=event, role="client", holder=holder, serial=serial, not_after="2027-01-01T00:00:00Z")


def lines(found: list[Record]) -> bytes:
    return b"".join(json.dumps(record.document()).encode() + b"\n" for record in found)


def test_what_is_appended_is_read_in_its_order(tmp_path: Path) -> None:
    first, second = one("alice"), one("bob", serial="2a")
    access_log.append(str(tmp_path), [first])
    access_log.append(str(tmp_path), [second, first.again(REVOKED)])
    found, remarks = access_log.read(str(tmp_path))
    assert [(record.holder, record.event) for record in found] == [
        ("alice", ISSUED),
        ("bob", ISSUED),
        ("alice", REVOKED),
    ]
    assert found[:2] == [first, second]
    assert remarks == []
    assert access_log.revoked(found) == ["1f"]


def test_what_is_refused_without_being_named_is_not_in_the_list() -> None:
    ended, revoked = one(event=REVOKED, serial="1f"), one(event=REVOKED, serial="2a")
    old = Record(event=REVOKED, role="client", serial="3b", not_after="2020-01-01T00:00:00Z")
    assert access_log.revoked([ended, revoked, old, ended.again(ENDED)]) == ["2a"]
    just = Record(event=REVOKED, role="client", serial="3b", not_after=access_log.now())
    assert access_log.revoked([just]) == ["3b"]


def test_it_is_private_and_says_who_and_when(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "carol")
    os.umask(os.umask(0))
    access_log.append(str(tmp_path), [one()])
    path = tmp_path / access_log.FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    written = json.loads(path.read_text())
    assert written["by"] == f"carol@{os.uname().nodename}"
    assert written["time"].endswith("Z")
    assert list(written) == ["time", "event", "role", "holder", "serial", "not_after", "by", "names"]


def test_without_a_log_there_is_nothing(tmp_path: Path) -> None:
    assert access_log.read(str(tmp_path)) == ([], [])


def test_nothing_appended_makes_no_log(tmp_path: Path) -> None:
    access_log.append(str(tmp_path), [])
    assert os.listdir(tmp_path) == []


@given(records=st.lists(records, min_size=1, max_size=5), data=st.data())
def test_a_torn_last_line_loses_that_record_only(records: list[Record], data: st.DataObject) -> None:
    whole = lines(records)
    start = len(lines(records[:-1]))
    cut = data.draw(st.integers(start + 1, len(whole) - 1))
    found, remarks = access_log.parse(whole[:cut])
    assert found == records[:-1]
    assert len(remarks) == 1
    assert "not finished" in remarks[0]


@given(st.lists(records, max_size=5))
def test_what_is_written_is_read(records: list[Record]) -> None:
    assert access_log.parse(lines(records)) == (records, [])


@given(st.binary(max_size=300), records)
def test_whatever_else_there_is_a_good_line_is_read(rubbish: bytes, record: Record) -> None:
    found, remarks = access_log.parse(rubbish + b"\n" + lines([record]))
    assert found[-1] == record
    assert len(found) + len(remarks) <= rubbish.count(b"\n") + 2


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=5), inside, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from(Record.__slots__), json_values)
def test_a_field_of_another_kind_is_no_record(field: str, value: object) -> None:
    document = one().document() | {field: value}
    found, remarks = access_log.parse(json.dumps(document).encode() + b"\n")
    assert all(isinstance(getattr(record, field), str | tuple) for record in found)
    assert len(found) + len(remarks) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"serial": "0F"},
        {"serial": ""},
        {"serial": "00ff"},
        {"serial": "f" * 41},
        {"event": "lost"},
        {"role": "ca"},
        {"time": ""},
        {"by": ""},
        {"names": "alice"},
    ],
)
def test_a_wrong_field_is_passed_over_with_a_remark(wrong: dict[str, str]) -> None:
    found, remarks = access_log.parse(json.dumps(one().document() | wrong).encode() + b"\n" + lines([one()]))
    assert len(found) == 1
    assert remarks == ["access.log: line 1 cannot be read; it is passed over"]


def test_a_line_without_end_is_not_parsed() -> None:
    found, remarks = access_log.parse(b"[" * (access_log.LONGEST_LINE + 1) + b"\n" + b"[" * 5000 + b"\n")
    assert found == []
    assert len(remarks) == 2


def test_the_next_writer_closes_a_torn_line(tmp_path: Path) -> None:
    path = tmp_path / access_log.FILE
    path.write_bytes(lines([one("alice")]) + lines([one("bob")])[:40])
    access_log.append(str(tmp_path), [one("carol")])
    found, remarks = access_log.read(str(tmp_path))
    assert [record.holder for record in found] == ["alice", "carol"]
    assert remarks == [f"{path}: line 2 cannot be read; it is passed over"]


def test_a_full_disk_leaves_the_log_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    access_log.append(str(tmp_path), [one()])
    before = (tmp_path / access_log.FILE).read_bytes()
    real = os.write

    def half(descriptor: int, data: bytes) -> int:
        if len(data) < 60:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(descriptor, data[:50])

    monkeypatch.setattr(os, "write", half)
    with pytest.raises(StoreNotWritable, match="No space left"):
        access_log.append(str(tmp_path), [one("bob")])
    assert (tmp_path / access_log.FILE).read_bytes() == before


def test_it_is_not_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("")
    (tmp_path / access_log.FILE).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreNotWritable):
        access_log.append(str(tmp_path), [one()])
    assert (tmp_path / "elsewhere").read_text() == ""


def test_a_pipe_in_its_place_blocks_nobody(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / access_log.FILE)
    with pytest.raises(StoreNotWritable, match="not a file"):
        access_log.append(str(tmp_path), [one()])
    with pytest.raises(StoreError, match="a named pipe"):
        access_log.read(str(tmp_path))


def test_one_that_is_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_log, "LARGEST", 100)
    access_log.append(str(tmp_path), [one(), one()])
    with pytest.raises(StoreError, match="more than 100 bytes"):
        access_log.read(str(tmp_path))


def test_writers_at_the_same_time_lose_nothing(tmp_path: Path) -> None:
    """They hold the machine's lock; even without it each writes its lines in one piece."""
    children = []
    for number in range(4):
        with forking():
            child = os.fork()
        if not child:
            for _ in range(10):
                access_log.append(str(tmp_path), [one(f"holder {number}")])
            os._exit(0)
        children.append(child)
    for child in children:
        assert os.waitpid(child, 0)[1] == 0
    found, remarks = access_log.read(str(tmp_path))
    assert (len(found), remarks) == (40, [])
