"""What a record may have for a URL, an address, a subnet."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dinv.formats.urls import is_ipv4, is_subnet

BYTES = st.integers(0, 300)
ADDRESSES = st.one_of(
    st.text(max_size=12), st.lists(BYTES, min_size=3, max_size=5).map(lambda b: ".".join(map(str, b)))
)


@given(ADDRESSES)
def test_an_ipv4_address_is_what_ipaddress_takes(text: str) -> None:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        assert not is_ipv4(text)
    else:
        assert is_ipv4(text)


@given(st.integers(0, 2**32 - 1), st.integers(0, 32))
def test_every_subnet_that_ipaddress_writes_is_one(number: int, length: int) -> None:
    network = ipaddress.IPv4Network((number, length), strict=False)
    assert is_subnet(str(network))


@given(st.integers(0, 2**32 - 1), st.integers(0, 33))
def test_what_ipaddress_does_not_take_is_none(number: int, length: int) -> None:
    text = f"{ipaddress.IPv4Address(number)}/{length}"
    try:
        ipaddress.IPv4Network(text)
    except ValueError:
        assert not is_subnet(text)
    else:
        assert is_subnet(text)


@pytest.mark.parametrize(
    "text",
    ["", "/", "10.0.0.0", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/\u0661", "x/8", "\0/8", "10.01.0.0/16"],
)
def test_these_are_no_subnets(text: str) -> None:
    assert not is_subnet(text)
