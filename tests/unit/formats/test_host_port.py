"""HOST:PORT: read back as it was written, and read in URLs as the engine's client reads them."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dinv.engine import SSHTransport, TCPTransport, TLSFiles, parse_address
from dinv.errors import InputError
from dinv.formats import host_port
from dinv.formats.urls import LARGEST_PORT, PLAIN_PORT, TLS_PORT

NAMES = st.from_regex(r"\A[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?(\.[a-z0-9]{1,5}){0,2}\Z")
IPV4 = st.integers(0, 2**32 - 1).map(lambda number: str(ipaddress.IPv4Address(number)))
IPV6 = st.integers(0, 2**128 - 1).map(lambda number: str(ipaddress.IPv6Address(number)))
HOSTS = st.one_of(NAMES, IPV4, IPV6, IPV6.map(lambda host: f"{host}%eth0"))
PORTS = st.integers(1, LARGEST_PORT)


@given(HOSTS, PORTS)
def test_what_is_joined_is_split_again(host: str, port: int) -> None:
    text = host_port.join(host, port)
    assert host_port.split(text) == (host, port)
    assert host_port.split(host_port.bracketed(host)) == (host, None)
    assert host_port.unbracketed(host_port.bracketed(host)) == host
    for url in (text, f"tcp://{text}", f"TCP://{text}/", f"https://{text}/docker/?x#y", f"ssh://ann@{text}"):
        assert host_port.of_url(url) == (host, port), url


SCHEMES = st.sampled_from(["tcp://", "http://", "https://", "ssh://", "unix://", "npipe://", "TCP://", ""])
URLS = st.builds(
    "{}{}{}{}{}".format,
    SCHEMES,
    st.sampled_from(["", "ann@", "ann:x@"]),
    st.one_of(HOSTS.map(host_port.bracketed), HOSTS, st.text(":[]%/@.a1", max_size=6)),
    st.one_of(st.just(""), st.just(":"), st.integers(-1, 70000).map(":{}".format)),
    st.sampled_from(["", "/", "/a/b", "?a", "#a", " "]),
)


@given(url=URLS, tls=st.booleans())
@example(url="tcp://::1:2376", tls=True)
@example(url="tcp://[fe80::1%25eth0]", tls=False)
@example(url=f"tcp://h:{'9' * 5000}", tls=False)
def test_where_a_url_leads_is_where_the_client_connects(url: str, *, tls: bool) -> None:
    found = host_port.of_url(url, missing=TLS_PORT if tls or url.startswith("https") else PLAIN_PORT)
    try:
        transport = parse_address(url, TLSFiles() if tls else None)
    except InputError:
        return
    if isinstance(transport, TCPTransport):
        # A client takes no host for this computer; a machine's URL has to name one.
        assert (found or ("localhost", transport.port)) == (transport.host, transport.port)
    elif isinstance(transport, SSHTransport):
        assert found == (transport.destination, transport.port or 22)
    else:
        assert found is None


@pytest.mark.parametrize(
    "text", ["::1", "::1:2376", "[::1", "[::1]2376", "a:b", "a b:1", "-a:1", "a:0", "a:65536", "a:\u0661"]
)
def test_what_is_not_host_and_port_is_told_with_a_reason(text: str) -> None:
    with pytest.raises(ValueError, match=r"IPv6 address in brackets|is not a port"):
        host_port.split(text)
    assert host_port.of_url(f"tcp://{text}") is None


@pytest.mark.parametrize("url", ["", "tcp://", "tcp://:2376", "unix:///run/x.sock", "name", "fd://a:1"])
def test_what_names_no_host(url: str) -> None:
    assert host_port.of_url(url) is None


def test_a_missing_port_is_the_default_one() -> None:
    assert host_port.of_url("tcp://h") == ("h", TLS_PORT)
    assert host_port.of_url("tcp://h/", missing=PLAIN_PORT) == ("h", PLAIN_PORT)
    assert host_port.of_url("ssh://ann@h") == ("h", 22)
