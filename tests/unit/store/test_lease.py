"""A lease in a record and in labels, and its times."""

from __future__ import annotations

import calendar
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dinv.store import lease
from dinv.store.lease import Lease

EXPIRES = "2026-11-30T12:00:00Z"
ends = st.integers(0, 4102444799).map(lambda s: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(s)))
leases = st.builds(
    Lease,
    ttl=st.integers(1, lease.LONGEST_SECONDS),
    idle_ttl=st.integers(0, lease.LONGEST_IDLE_SECONDS),
    expires=ends,
    on_expiry=st.sampled_from(lease.ON_EXPIRY),
    keep_cache=st.booleans(),
    warned=st.just("") | ends,
)


@given(leases)
def test_a_record_keeps_all_of_it(given: Lease) -> None:
    assert lease.is_one(given.document())
    assert Lease.of(given.document()) == given


@given(leases)
def test_labels_tell_all_but_what_hooks_were_told(given: Lease) -> None:
    given.warned = ""
    assert Lease.of_labels(given.labels()) == given


@given(st.integers(0, 4102444799))
def test_times_are_read_as_they_are_written(moment: int) -> None:
    assert lease.seconds(time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))) == moment


@given(st.text(max_size=24))
def test_other_texts_are_no_times(text: str) -> None:
    if lease.seconds(text) is not None:
        assert calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ"))


@pytest.mark.parametrize(
    "labels",
    [
        {},
        {"io.dinv.lease.expires": EXPIRES},
        {"io.dinv.lease.expires": "soon", "io.dinv.lease.on-expiry": "remove"},
        {"io.dinv.lease.expires": EXPIRES, "io.dinv.lease.on-expiry": "explode"},
        {"io.dinv.lease.expires": EXPIRES, "io.dinv.lease.on-expiry": "remove", "io.dinv.lease.ttl": "-5"},
        {"io.dinv.lease.on-expiry": "remove"},
        {"io.dinv.lease.idle-ttl": "9" * 30, "io.dinv.lease.on-expiry": "remove"},
    ],
)
def test_labels_that_make_no_sense_are_no_lease(labels: dict[str, str]) -> None:
    assert Lease.of_labels(labels) is None


def test_of_several_ends_the_latest_holds() -> None:
    assert lease.later("", EXPIRES, "2026-12-01T00:00:00Z", "zzz") == "2026-12-01T00:00:00Z"
    assert lease.later("", "nonsense") == ""


@pytest.mark.parametrize(
    ("ttl", "left", "near"),
    [(28800, 3600, "near"), (28800, 3601, ""), (600, 150, "near"), (600, 151, "")],
)
def test_an_end_is_near_for_an_hour_or_a_quarter_of_it(ttl: int, left: int, near: str) -> None:
    assert Lease(ttl=ttl, expires=EXPIRES).is_near(left) is bool(near)


@pytest.mark.parametrize(
    "document",
    [
        [],
        {"TTL": True},
        {"TTL": -1},
        {"Expires": 7},
        {"Expires": "2026-13-01T00:00:00Z"},
        {"OnExpiry": "explode"},
        {"KeepCache": "yes"},
    ],
)
def test_what_was_edited_is_not_taken_for_one(document: object) -> None:
    assert not lease.is_one(document)
