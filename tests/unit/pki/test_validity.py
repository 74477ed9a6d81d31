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

from dinv.pki.validity import ends, remark
from dinv.system import files

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("days", [-1, 100, 36500])
def test_as_the_library_reads_it(kind: str, days: int) -> None:
    """From 2050 on the time is written in another way (RFC 5280, 4.1.2.5)."""
    own = Own("client", CLIENT, kind=kind, days=(-2, days))
    assert ends(own.pem) == [f"{read(own.pem).not_valid_after_utc:%Y%m%d%H%M%S}"]
    assert ends(b"noise\n" + own.pem + own.pem) == ends(own.pem) * 2


@given(st.binary(max_size=80))
def test_what_is_no_certificate_has_no_end(data: bytes) -> None:
    body = base64.encodebytes(data)
    assert ends(b"-----BEGIN CERTIFICATE-----\n" + body + b"-----END CERTIFICATE-----\n") == [""]
    assert ends(data) in ([], [""])


@given(st.data())
def test_a_spoilt_certificate_is_no_traceback(data: st.DataObject) -> None:
    pem = bytearray(SOUND)
    for _ in range(data.draw(st.integers(1, 3))):
        pem[data.draw(st.integers(0, len(pem) - 1))] = data.draw(st.integers(0, 255))
    assert all(end == "" or (len(end) == 14 and end.isdecimal()) for end in ends(bytes(pem)))
    assert all(end == "" or len(end) == 14 for end in ends(SOUND[: data.draw(st.integers(0, len(SOUND)))]))


SOUND = Own("sound", CLIENT).pem


def put(directory: Path, **days: int) -> str:
    for name, left in days.items():
        (directory / f"{name}.pem").write_bytes(Own(name, CA, days=(left - 10, left)).pem)
    return str(directory)


def test_what_has_expired_is_told(tmp_path: Path) -> None:
    directory = put(tmp_path, ca=100, server=100, cert=100)
    assert remark(directory, soon=True) == ("", "")
    put(tmp_path, cert=-3)
    day = dt.datetime.now(dt.UTC) - dt.timedelta(days=3)
    assert remark(directory) == ("cert.pem", f"its client certificate expired on {day:%Y-%m-%d}")
    put(tmp_path, server=-2)
    assert remark(directory)[0] == "server.pem"
    put(tmp_path, ca=-1)
    assert remark(directory)[0] == "ca.pem"
    # While a CA is being replaced there are two.
    (tmp_path / "ca.pem").write_bytes((tmp_path / "ca.pem").read_bytes() + Own("new", CA).pem)
    assert remark(directory)[0] == "server.pem"


def test_of_a_set_that_is_half_in_place_the_new_files_count(tmp_path: Path) -> None:
    directory = put(tmp_path, ca=100, server=100, cert=-1)
    assert remark(directory)[0] == "cert.pem"
    files.stage_set(directory, [("cert.pem", Own("new", CLIENT).pem, 0o600)])
    before = sorted(os.listdir(directory))
    assert remark(directory) == ("", "")
    assert sorted(os.listdir(directory)) == before


def test_what_will_is_told_where_it_is_asked_for(tmp_path: Path) -> None:
    directory = put(tmp_path, ca=100, server=100, cert=5)
    assert remark(directory) == ("", "")
    assert remark(directory, soon=True)[1].startswith("its client certificate expires on ")


def test_files_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").mkdir()
    (tmp_path / "cert.pem").write_bytes(b"-----BEGIN CERTIFICATE-----\n????\n")
    assert remark(str(tmp_path)) == ("", "")


def test_it_costs_no_library() -> None:
    code = (
        "import sys, dinv.pki.validity as v; v.remark('/nonexistent'); print('cryptography' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
