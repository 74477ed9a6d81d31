"""The client that authorities' servers are asked with: deadlines, bounds, TLS, and what its errors say."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from engine_certificates import CA, server_context
from engine_server import answer, tcp_server

from dinv.authorities.http import LARGEST_ANSWER, MOST_WORDS, Server
from dinv.errors import AuthorityError, AuthorityRefused, AuthorityUnreachable, InputError, OptionError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from engine_server import Peer, Request

SECRET = "s.verySecretToken"


def server(port: int, path: str = "", *, timeout: float = 5.0) -> Server:
    return Server("cfssl", f"http://127.0.0.1:{port}{path}", url_option="cfssl-url", timeout=timeout)


def saying(data: bytes, seen: list[Request] | None = None) -> Callable[[Peer], None]:
    def play(peer: Peer) -> None:
        request = peer.request()
        if seen is not None:
            seen.append(request)
        peer.send(data)

    return play


def test_a_call_sends_json_below_the_url_and_gives_any_status() -> None:
    seen: list[Request] = []
    bad = answer(b'{"errors": ["no"]}', "400 Bad Request")
    with tcp_server(saying(answer(b'{"a": 1}'), seen), saying(bad, seen)) as port:
        there = server(port, "/pki/")
        first = there.post("sign", {"csr": "x"}, headers={"X-Token": SECRET})
        assert (first.status, first.ok, first.json()) == (200, True, {"a": 1})
        second = there.get("info")
        assert (second.status, second.ok, second.json()) == (400, False, {"errors": ["no"]})
        refused = second.refused(there.quoted("no"), "Ask.")
    assert [each.line for each in seen] == ["POST /pki/sign HTTP/1.1", "GET /pki/info HTTP/1.1"]
    assert seen[0].body == b'{"csr": "x"}'
    assert seen[0].headers["x-token"] == SECRET
    assert seen[0].headers["host"] == f"127.0.0.1:{port}"
    assert seen[0].headers["connection"] == "close"
    assert refused.status == 400
    assert str(refused) == (
        f'The authority "cfssl" at http://127.0.0.1:{port}/pki answered with HTTP status 400: no. Ask.'
    )


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("ca.example", "is not a URL that begins with https://"),
        ("ftp://ca.example", "is not a URL that begins with https://"),
        ("https://", "names no host"),
        ("https://ca.example:0", "is not a port"),
        ("https://ca.example:99999", "is not a port"),
        ("https://ca example/", "is not the URL of a server"),
        ("https://ca.example/?a=b", "is not the URL of a server"),
        ("https://ca.example/#a", "is not the URL of a server"),
        ("https://ca.example/\x1b", "is not the URL of a server"),
        ("http://ca.example", "is not https"),
        ("http://10.0.0.1:8888", "is not https"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused(url: str, why: str) -> None:
    with pytest.raises(OptionError, match=why) as caught:
        Server("cfssl", url, url_option="cfssl-url")
    assert caught.value.option == "cfssl-url"


def test_a_password_in_a_url_is_refused_and_not_shown() -> None:
    with pytest.raises(InputError, match="has a user or a password") as caught:
        Server("cfssl", f"https://me:{SECRET}@ca.example", url_option="cfssl-url")
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("HTTPS://ca.example", "https://ca.example"),
        ("https://ca.example:443/", "https://ca.example"),
        ("https://[fd00::1]:8443/a/b/", "https://[fd00::1]:8443/a/b"),
        ("http://[::1]:80", "http://[::1]"),
        ("http://localhost:8888", "http://localhost:8888"),
    ],
)
def test_an_address_is_shown_in_its_short_form(url: str, address: str) -> None:
    assert Server("cfssl", url, url_option="cfssl-url").address == address


def test_nothing_listens() -> None:
    with tcp_server() as port:
        pass
    with pytest.raises(AuthorityUnreachable, match="nothing listens there") as caught:
        server(port).get("info")
    assert "engine" not in str(caught.value)
    assert "cfssl_url" in str(caught.value)


@pytest.mark.parametrize("drip", [b"", b"HTTP/1.1 200 OK\r\n\r\n", b"H"])
def test_a_server_that_stalls_or_drips_is_given_up_in_time(drip: bytes) -> None:
    """A byte now and then does not count: the deadline is that of the whole call."""

    def play(peer: Peer) -> None:
        peer.request()
        peer.send(drip)
        while drip.endswith(b"\n"):  # until the client hangs up
            time.sleep(0.02)
            peer.send(b"x")
        peer.read_to_end()

    with tcp_server(play) as port, pytest.raises(AuthorityUnreachable, match=r"no answer within 0\.3 s"):
        server(port, timeout=0.3).get("info")


def test_a_server_that_stalls_in_the_handshake_is_given_up_in_time() -> None:
    with tcp_server(lambda peer: peer.read_to_end()) as port:
        there = Server("cfssl", f"https://127.0.0.1:{port}", url_option="cfssl-url", timeout=0.3)
        with pytest.raises(AuthorityUnreachable, match="no answer within"):
            there.get("info")


def test_an_answer_without_end_is_not_read() -> None:
    def play(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
        for _ in range(64):
            peer.send(b"x" * LARGEST_ANSWER)

    with tcp_server(play) as port, pytest.raises(AuthorityError, match=f"more than {LARGEST_ANSWER} bytes"):
        server(port).get("info")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_refused_and_shown_without_its_path(status: int) -> None:
    elsewhere = f"Location: https://u:p@evil.example/{SECRET}\r\n"
    with (
        tcp_server(saying(answer(b"", f"{status} Moved", elsewhere))) as port,
        pytest.raises(AuthorityRefused, match=r"sends us elsewhere, to https://evil\.example \(") as caught,
    ):
        server(port).post("sign", {})
    assert caught.value.status == status
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"<html>\x1b[31mhello", r"not JSON: <html>\x1b[31mhello"),
        (b"[1]", "not JSON: [1]"),
        (b"\xff", "not JSON: \ufffd"),
        (b"", "an empty answer"),
        (b'{"a":' * 500 + b"1" + b"}" * 500, "not JSON"),
        (SECRET.encode(), "not JSON: ***"),
        (b"x" * 2000, "x" * MOST_WORDS + "..."),
    ],
)
def test_what_is_not_a_json_object_is_shown_bounded_and_without_secrets(body: bytes, said: str) -> None:
    with tcp_server(saying(answer(body))) as port:
        there = server(port)
        there.hide(SECRET)
        found = there.get("info")
        with pytest.raises(AuthorityError) as caught:
            found.json()
    assert said in str(caught.value)
    assert SECRET not in str(caught.value)


def test_an_error_page_is_shown_with_its_status() -> None:
    with tcp_server(saying(answer(b"404 page not found\n", "404 Not Found"))) as port:
        with pytest.raises(AuthorityRefused, match="HTTP status 404: 404 page not found") as caught:
            server(port).get("info").json()
        assert caught.value.status == 404


@pytest.mark.parametrize(
    "data", [b"SSH-2.0-x\r\n\r\n", b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}"]
)
def test_what_is_not_http_or_cut_short_is_an_error_of_the_authority(data: bytes) -> None:
    with tcp_server(saying(data)) as port, pytest.raises(AuthorityError) as caught:
        server(port).get("info")
    assert "Docker" not in str(caught.value)


def test_the_ca_that_signed_is_asked_for(tmp_path: Path) -> None:
    ca, other = CA(tmp_path), CA(tmp_path, "other")
    context = server_context(ca.issue("server"), None)

    def asked(file: str) -> int:
        with tcp_server(saying(answer(b"{}")), context=context) as port:
            there = Server(
                "cfssl",
                f"https://127.0.0.1:{port}",
                url_option="cfssl-url",
                ca=file,
                ca_option="cfssl-ca",
            )
            return there.get("info").status

    assert asked(ca.path) == 200
    for wrong in (other.path, ""):
        with pytest.raises(AuthorityUnreachable, match=r"signed by another CA.*cfssl_ca"):
            asked(wrong)
    with pytest.raises(AuthorityUnreachable, match="No such file"):
        asked(str(tmp_path / "none.pem"))


def test_a_certificate_for_another_name_is_refused(tmp_path: Path) -> None:
    ca = CA(tmp_path)
    context = server_context(ca.issue("server", names=("other.example",)), None)
    with tcp_server(saying(answer(b"{}")), context=context) as port:
        there = Server("cfssl", f"https://127.0.0.1:{port}", url_option="cfssl-url", ca=ca.path)
        with pytest.raises(AuthorityUnreachable, match=r"is not for the address 127\.0\.0\.1"):
            there.get("info")


def test_a_client_certificate_is_sent(tmp_path: Path) -> None:
    ca = CA(tmp_path)
    context = server_context(ca.issue("server"), ca.path)
    with tcp_server(saying(answer(b"{}")), context=context) as port:
        cert, key = ca.issue("client")
        there = Server(
            "cfssl", f"https://127.0.0.1:{port}", url_option="cfssl-url", ca=ca.path, cert=cert, key=key
        )
        assert there.get("info").status == 200
    with tcp_server(saying(answer(b"{}")), context=context) as port:
        bare = Server("cfssl", f"https://127.0.0.1:{port}", url_option="cfssl-url", ca=ca.path)
        with pytest.raises(AuthorityUnreachable, match="wants a client certificate"):
            bare.get("info")


def test_proxies_in_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with tcp_server(saying(answer(b"{}"))) as port:
        assert server(port).get("info").ok
