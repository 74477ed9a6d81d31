"""The end of a certificate's validity, read without the library for certificates."""

from __future__ import annotations

import base64
import datetime as dt
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from own_certificates import CA, CLIENT, KEYS, Own, read

from dinv.pki.validity import Certificates, Validity, in_directory, rfc3339, validities
from dinv.system import files

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("days", [-1, 100, 36500])
def test_as_the_library_reads_it(kind: str, days: int) -> None:
    """From 2050 on the time is written in another way (RFC 5280, 4.1.2.5)."""
    own = Own("client", CLIENT, kind=kind, days=(-2, days))
    certificate = read(own.pem)
    (found,) = validities(own.pem)
    assert found is not None
    assert found.not_before == certificate.not_valid_before_utc
    assert found.not_after == certificate.not_valid_after_utc
    assert found.serial == f"{certificate.serial_number:x}"
    assert validities(b"noise\n" + own.pem + own.pem) == [found, found]


@given(st.binary(max_size=80))
def test_what_is_no_certificate_has_no_end(data: bytes) -> None:
    body = base64.encodebytes(data)
    assert validities(b"-----BEGIN CERTIFICATE-----\n" + body + b"-----END CERTIFICATE-----\n") == [None]
    assert validities(data) in ([], [None])


@given(st.data())
def test_a_spoilt_certificate_is_no_traceback(data: st.DataObject) -> None:
    pem = bytearray(SOUND)
    for _ in range(data.draw(st.integers(1, 3))):
        pem[data.draw(st.integers(0, len(pem) - 1))] = data.draw(st.integers(0, 255))
    for spoilt in (bytes(pem), SOUND[: data.draw(st.integers(0, len(SOUND)))]):
        for found in validities(spoilt):
            if found is not None:
                Certificates(found, found, found).remark(soon=True)
                assert (found.not_after - found.not_before).total_seconds() == found.life
                assert repr(found)


SOUND = Own("sound", CLIENT).pem


def put(directory: Path, **days: int) -> str:
    for name, left in days.items():
        (directory / f"{name}.pem").write_bytes(Own(name, CA, days=(left - 10, left)).pem)
    return str(directory)


def test_what_has_expired_is_told(tmp_path: Path) -> None:
    directory = put(tmp_path, ca=100, server=100, cert=100)
    assert in_directory(directory).remark(soon=True) == ("", "")
    put(tmp_path, cert=-3)
    day = dt.datetime.now(dt.UTC) - dt.timedelta(days=3)
    assert in_directory(directory).remark() == (
        "cert.pem",
        f"its client certificate expired on {day:%Y-%m-%d}",
    )
    put(tmp_path, server=-2)
    assert in_directory(directory).remark()[0] == "server.pem"
    put(tmp_path, ca=-1)
    assert in_directory(directory).remark()[0] == "ca.pem"
    # While a CA is being replaced there are two.
    (tmp_path / "ca.pem").write_bytes((tmp_path / "ca.pem").read_bytes() + Own("new", CA).pem)
    assert in_directory(directory).remark()[0] == "server.pem"


def test_of_a_set_that_is_half_in_place_the_new_files_count(tmp_path: Path) -> None:
    directory = put(tmp_path, ca=100, server=100, cert=-1)
    assert in_directory(directory).remark()[0] == "cert.pem"
    files.stage_set(directory, [("cert.pem", Own("new", CLIENT).pem, 0o600)])
    before = sorted(os.listdir(directory))
    assert in_directory(directory).remark() == ("", "")
    assert sorted(os.listdir(directory)) == before


def test_what_will_is_told_where_it_is_asked_for(tmp_path: Path) -> None:
    directory = put(tmp_path, ca=100, server=100, cert=1)
    assert in_directory(directory).remark() == ("", "")
    assert in_directory(directory).remark(soon=True)[1].startswith("its client certificate expires ")


def test_files_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").mkdir()
    (tmp_path / "cert.pem").write_bytes(b"-----BEGIN CERTIFICATE-----\n????\n")
    assert in_directory(str(tmp_path)).remark() == ("", "")


def test_it_costs_no_library() -> None:
    code = (
        f"import sys; sys.path[:0] = {sys.path!r}\n"
        "import dinv.pki.validity as v; v.in_directory('/nonexistent').remark(soon=True)\n"
        "print({'cryptography', 'datetime', 'typing', 'calendar'} & {*sys.modules})"
    )
    command = [sys.executable, "-I", "-S", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


@given(st.datetimes(dt.datetime(1950, 1, 1), dt.datetime(9999, 12, 31)))  # noqa: DTZ001
def test_times_are_those_of_the_calendar(when: dt.datetime) -> None:
    when = when.replace(tzinfo=dt.UTC, microsecond=0)
    assert rfc3339(when.timestamp()) == f"{when:%Y-%m-%dT%H:%M:%SZ}"
    assert Validity("1", 0, int(when.timestamp())).not_after == when


DAY = 86400


@pytest.mark.parametrize(
    ("life", "left", "said"),
    [
        (825 * DAY, 15 * DAY, ""),
        (825 * DAY, 13 * DAY, "expires on 19"),
        (60 * DAY, 11 * DAY, ""),
        (60 * DAY, 9 * DAY, "expires on 19"),
        (DAY, DAY // 5, ""),
        (DAY, DAY // 7, " UTC on 19"),
        (DAY, -1, "expired on 19"),
        (DAY, 0, " UTC on 19"),  # the last second is one of them
    ],
)
def test_a_short_life_is_told_later(life: int, left: int, said: str) -> None:
    file, words = Certificates(client=Validity("1", 0, life)).remark(soon=True, now=life - left)
    assert said in words
    assert (file, bool(words)) == (("cert.pem", True) if said else ("", False))


def test_they_cannot_be_changed() -> None:
    found = Certificates(client=Validity("1f", 0, 1))
    with pytest.raises(AttributeError):
        found.client = None  # type: ignore[misc]
    assert found.document() == {
        "Client": {"Serial": "1f", "NotBefore": "1970-01-01T00:00:00Z", "NotAfter": "1970-01-01T00:00:01Z"}
    }
    assert found.first_end == 1
    assert Certificates().first_end is None


@given(st.integers(600, 3650 * DAY), st.text(max_size=40))
def test_when_it_is_due(life: int, identity: str) -> None:
    """A third of the life is left, or up to a twentieth more; for one machine always the same."""
    each = Validity("1", 0, life)
    at = each.due_at(identity)
    assert life * (2 / 3 - 1 / 20) - 1 <= at <= life * 2 / 3 + 1
    assert each.due_at(identity) == at
    dates = Certificates(Validity("2", 0, 2 * life), each, each)
    assert not dates.due(each, identity, now=at - 1)
    assert dates.due(each, identity, now=at + 1)


def test_machines_made_at_one_time_are_not_due_at_one_time() -> None:
    times = {Validity("1", 0, 100 * DAY).due_at(f"machine-{number}") for number in range(100)}
    assert max(times) - min(times) > 4 * DAY


def test_within_some_time_of_the_end_it_is_due_whatever_its_life() -> None:
    each = Validity("1", 0, 100 * DAY)
    for left, due in ((31, False), (30, True), (-1, True)):
        assert Certificates(client=each).due(each, "x", now=(100 - left) * DAY, before=30 * DAY) is due


def test_one_that_ends_with_its_ca_is_not_due() -> None:
    """Renewed, it would end at the same time: again and again."""
    each = Validity("1", 0, DAY)
    assert Certificates(client=each).due(each, "x", now=DAY)
    assert not Certificates(Validity("2", 0, DAY + 5), client=each).due(each, "x", now=DAY)
    assert not Certificates().due(None, "x", now=DAY)
