"""What cannot be done with a server's machine, and what another version's server answers: in plain words."""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import io
import json
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

import dinv
from dinv.access import forward
from dinv.cli import main
from dinv.drivers.server import calls, driver
from dinv.errors import (
    AccessOver,
    ImageError,
    InputError,
    MachineGoneThere,
    MachineNotRunning,
    NobodyOfThatName,
    NotSupported,
    OptionError,
    PoolNotFound,
    ServerRefused,
    ServerUnreachable,
)
from dinv.lifecycle.host import Host
from dinv.lifecycle.renew import unattended
from dinv.machine import Machine
from dinv.store.login import Login
from dinv.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from web_site import Working

    from dinv.machines import Machines


@pytest.fixture
def dev(store: Machines) -> Iterator[Machine]:
    with store.create("dev", context=False) as made:
        yield made


DECIDED_THERE: list[tuple[Callable[[Machine], object], str]] = [
    (lambda made: made.change(memory="1g"), "create dev"),
    (lambda made: made.export(io.BytesIO()), "dinv login http://localhost"),
    (lambda made: made.access_log(), "dinv access ls dev"),
    (lambda made: made.renew_certificates(clients=True), "dinv access revoke dev WHO"),
    (lambda made: made.renew_certificates(tls_sans=["x"]), "not decided here"),
    (lambda made: made.renew_certificates(cert_lifetime="3d"), "not decided here"),
]


def test_what_the_server_decides_says_what_to_do_instead(dev: Machine) -> None:
    for asked, said in DECIDED_THERE:
        with pytest.raises(NotSupported, match=said):
            asked(dev)


def test_one_that_is_stopped_can_be_started(dev: Machine) -> None:
    dev.stop()
    with pytest.raises(MachineNotRunning, match=r"Stopped\. Start it: dinv start dev"):
        dev.known_url()


def test_one_that_is_restarted_elsewhere_is_found_there(
    store: Machines, dev: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    where = dev.url
    dev.config.driver["URL"] = "tcp://192.0.2.7:2376"
    Store(store.path).save(dev.config)
    with store.get("dev") as old:
        old.ensure_context()
        old.restart()
    with store.get("dev") as again:
        assert again.url == where != "tcp://192.0.2.7:2376"
    name = hashlib.sha256(b"dev").hexdigest()
    meta = json.loads((tmp_path / "docker" / "contexts" / "meta" / name / "meta.json").read_text())
    assert meta["Endpoints"]["docker"]["Host"] == where


def test_a_port_can_be_forwarded_through_its_shell(dev: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr(Host, "channel", lambda self: opened.append(self.name))
    forward.check(dev._host)
    assert opened == ["dev"]


def test_who_has_access_is_asked_there_and_taken_away_there(dev: Machine) -> None:
    dev.share("bo", lifetime="1h")
    dev.share("cy", lifetime="1h")
    dev.renew_certificates()
    found = dev.access()
    assert [(each.holder, each.state, each.current) for each in found] == [
        ("", "valid", False),
        ("", "valid", True),
        ("bo", "valid", False),
        ("cy", "valid", False),
    ]
    assert found[2].by == "jane"
    assert [each.holder for each in dev.revoke("bo")] == ["bo"]
    assert [each.state for each in dev.access()] == ["valid", "valid", "revoked", "valid"]
    with pytest.raises(AccessOver, match=r"was revoked on 20\S+Z: there"):
        dev.revoke("bo")
    with pytest.raises(NobodyOfThatName):
        dev.revoke("nobody")
    with pytest.raises(NotSupported, match=r"your own certificate.*regenerate-certs dev"):
        dev.revoke(serial=found[1].serial)
    dev.revoke(serial=found[0].serial[:12])
    assert [each.state for each in dev.access()] == ["revoked", "valid", "revoked", "valid"]


def _certificate(machine: Machine) -> bytes:
    with open(os.path.join(machine.directory, "cert.pem"), "rb") as file:
        return file.read()


def test_its_certificate_is_renewed_when_it_is_due(
    store: Machines, dev: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    dev.ensure_context()
    before = _certificate(dev)
    (nothing,) = store.renew(["dev"])
    assert (nothing.reason, nothing.error) == ("nothing is due", None)
    (planned,) = store.renew(["dev"], before=dt.timedelta(days=40), dry_run=True)
    assert planned.roles == ("client",)
    assert _certificate(dev) == before
    (done,) = store.renew(["dev"], before=dt.timedelta(days=40), ca=True)
    assert (done.roles, done.error) == (("client",), None)
    assert _certificate(dev) != before
    name = hashlib.sha256(b"dev").hexdigest()
    kept = tmp_path / "docker" / "contexts" / "tls" / name / "docker" / "cert.pem"
    assert kept.read_bytes() == _certificate(dev)


def test_its_certificate_is_renewed_by_itself(
    store: Machines, dev: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = _certificate(dev)
    own = Store(store.path)
    assert unattended.renew_if_due(own, "dev") is False
    monkeypatch.setattr("dinv.pki.validity.Certificates.due", lambda *_, **__: True)
    assert unattended.renew_if_due(own, "dev") is True
    assert _certificate(dev) != before


def test_images_without_an_engine_to_take_them_from(dev: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dinv.access.image_sources._engines", lambda *_: iter(()))
    monkeypatch.setattr("dinv.lifecycle.host.clients.engine", lambda *_: contextlib.nullcontext())
    monkeypatch.setattr("dinv.access.load._Kept", lambda *_: None)
    with pytest.raises(ImageError, match="there is none here to take busybox from"):
        dev.load_images(["busybox"])


def test_a_template_that_is_none_names_those_there_are(store: Machines) -> None:
    with pytest.raises(ServerRefused) as error:
        store.create("dev", template="none", context=False)
    assert error.value.__notes__ == ["Its templates: docker, large."]


def test_faults_are_named_without_pointers(store: Machines) -> None:
    with pytest.raises(ServerRefused) as error:
        store.create("dev", ttl="90d", context=False)
    assert error.value.reason.endswith("at a time (ttl: at most 86400 seconds)")


def test_pools_are_its_templates(store: Machines) -> None:
    with pytest.raises(PoolNotFound) as error:
        store.create("dev", pool="ci")
    (note,) = error.value.__notes__
    assert "dinv create --template NAME dev" in note
    with pytest.raises(InputError, match="its operators' to set up"):
        store.pools.create("ci", size=1)


def test_a_url_is_no_option() -> None:
    with pytest.raises(OptionError) as error:
        calls.Calls("ftp://x")
    assert (
        str(error.value) == '"ftp://x" is not a URL that begins with https://, as https://dinv.example.com is'
    )


def test_a_token_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none: No such file or directory$"):
        dinv.open(str(tmp_path)).server.log_in("https://x", token_file=str(tmp_path / "none"))


class Odd:
    """A server of some other version: answers by a table of method and path, the rest with `otherwise`."""

    def __init__(self, answers: dict[str, tuple[int, Any]], otherwise: tuple[int, Any]) -> None:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, value = answers.get(f"{self.command} {self.path.partition('?')[0]}", otherwise)
                data = json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_DELETE = do  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Odd:  # noqa: PYI034
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


V = "/api/v1"


@pytest.mark.parametrize(
    "answers",
    [
        {f"POST {V}/machines": (202, {"name": "dev"})},
        {f"POST {V}/machines": (202, [])},
        {f"POST {V}/machines": (202, {"id": 7})},
        {f"POST {V}/machines": (202, {"id": "m"}), f"GET {V}/machines/m": (200, {"id": "m"})},
        {
            f"POST {V}/machines": (202, {"id": "m"}),
            f"GET {V}/machines/m": (200, {"id": "m", "state": "creating"}),
            f"GET {V}/machines/m/events": (200, [{"ID": 1}]),
        },
    ],
)
def test_an_answer_of_another_version_is_said_to_be_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answers: dict[str, Any]
) -> None:
    monkeypatch.setattr(driver, "REMOVE_SECONDS", 0.1)  # what is removed is never seen to be gone
    answers = {**answers, f"DELETE {V}/machines/m": (404, {"kind": "not-found"})}
    with Odd(answers, (200, {})) as odd:
        Login(odd.url, "dinv_x").save(str(tmp_path))
        with pytest.raises(ServerUnreachable, match="is not understood"):
            dinv.open(str(tmp_path)).create("dev", context=False)


@pytest.mark.parametrize("begun", [[], {}, {"device_code": "x", "expires_in": "soon"}, {"token": 1}])
def test_a_login_of_another_version_is_said_to_be_one(tmp_path: Path, begun: Any) -> None:
    with Odd({}, (200, begun)) as odd:
        server = dinv.open(str(tmp_path)).server
        with pytest.raises(ServerUnreachable, match="is not understood"):
            server.log_in(odd.url, token="dinv_x")
        with pytest.raises(ServerUnreachable, match="is not understood"):
            server.log_in(odd.url, show=lambda *_: None)
    assert server.login is None


@pytest.mark.parametrize("machines", [None, 7, "x", [7], {"id": "x"}])
def test_a_list_of_another_version_breaks_nothing(tmp_path: Path, machines: Any) -> None:
    with Odd({}, (200, {"machines": machines})) as odd:
        Login(odd.url, "dinv_x").save(str(tmp_path))
        assert dinv.open(str(tmp_path)).server.others() == []


@pytest.mark.parametrize("status", [404, 405])
def test_what_an_older_server_does_not_know_is_no_machine_that_is_gone(
    site: Working, store: Machines, dev: Machine, status: int
) -> None:
    kind = "urn:dinv:problem:" + {404: "no-route", 405: "method-not-allowed"}[status]
    with Odd({}, (status, {"type": kind, "detail": "There is nothing at this address."})) as odd:
        dev.config.driver["Server"] = odd.url
        Store(store.path).save(dev.config)
        Login(odd.url, "dinv_x").save(store.path)
        asked: list[Callable[[Machine], object]] = [Machine.access, lambda made: made.extend("1h")]
        for ask in asked:
            with store.get("dev") as made, pytest.raises(ServerRefused, match="older than this dinv"):
                ask(made)


def test_the_server_itself_says_that_there_is_no_such_route(site: Working) -> None:
    asked = calls.Calls(site.url, token=site.world.token("jane"))
    with contextlib.closing(asked), pytest.raises(ServerRefused, match="older") as error:
        asked.call("GET", "nothing/of/the/kind")
    assert error.value.kind == calls.NO_ROUTE


def test_a_machine_that_is_gone_is_gone(site: Working, store: Machines, dev: Machine) -> None:
    dev.config.driver["MachineID"] = "nothing"
    Store(store.path).save(dev.config)
    for asked in (dev.access, dev.renew_certificates, lambda: dev.extend("1h")):
        with pytest.raises(MachineGoneThere, match="dinv rm dev"):
            asked()


def test_a_machine_of_another_login_is_not_asked_for_with_its_token(
    store: Machines, dev: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    Login("https://other.example.com", "dinv_x").save(store.path)
    assert main(["-s", store.path, "stop", "dev"]) == 1
    said = capsys.readouterr().err
    assert "logged in to another one, https://other.example.com" in said
