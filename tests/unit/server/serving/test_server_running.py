"""The server run: its certificate, its first steps, its end; checked, saved and brought back."""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
import tarfile
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from known_people import ADDRESS, PASSWORD

from dinv.pki.chain import names_of
from dinv.server.database.database import Database
from dinv.server.problems import Conflict, Invalid, Problem
from dinv.server.serving import backup, certificates, running
from dinv.server.serving.assembling import assemble, database_of
from dinv.server.serving.certificates import Certificates
from dinv.server.serving.checking import check
from dinv.server.serving.connections import Connection, listener
from dinv.server.settings import Settings
from dinv.server.web import app as app_module
from dinv.system import files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(str(tmp_path / "server"), listen=("127.0.0.1", 0))


@contextmanager
def served(settings: Settings, tmp_path: Path) -> Iterator[list[str]]:
    """A server in a thread; what it says."""
    said: list[str] = []
    stopping, begun = threading.Event(), threading.Event()
    failed: list[BaseException] = []

    def say(text: str) -> None:
        said.append(text)
        if text.startswith("The page:"):
            begun.set()

    def run() -> None:
        try:
            running.serve(settings, store=str(tmp_path), say=say, stopping=stopping)
        except BaseException as error:  # noqa: BLE001
            failed.append(error)
        finally:
            begun.set()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert begun.wait(60)
        if failed:
            raise failed[0]
        yield said
    finally:
        stopping.set()
        thread.join(60)
        assert not thread.is_alive()


def url(said: list[str]) -> tuple[str, int]:
    page = next(text for text in said if text.startswith("The page:"))
    return "127.0.0.1", int(page.rpartition(":")[2])


def connection(said: list[str], settings: Settings) -> http.client.HTTPSConnection:
    context = ssl.create_default_context(cafile=os.path.join(settings.state, "tls", "ca.pem"))
    return http.client.HTTPSConnection(*url(said), context=context, timeout=30)


@pytest.fixture(autouse=True)
def no_engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")


def test_it_serves_with_nothing_and_ends_when_told(settings: Settings, tmp_path: Path) -> None:
    with served(settings, tmp_path) as said:
        with contextlib.closing(connection(said, settings)) as client:
            client.request("GET", "/readyz")
            assert client.getresponse().read() == b"ready\n"
        link = said[-1].strip()
        assert "/first/" in link
        assert oct(os.stat(settings.state).st_mode)[-3:] == "700"
        assert oct(os.stat(os.path.join(settings.state, "dinv.db")).st_mode)[-3:] == "600"
        with pytest.raises(Problem, match="runs already"):
            running.serve(replace(settings, listen=("127.0.0.1", 0)), store=str(tmp_path))
    again = [each.what for each in check(settings) if each.fault]
    assert again == ["endpoint local"]
    with served(settings, tmp_path) as said:
        assert not any("No Docker engine" in text for text in said)


def test_an_empty_database_gets_this_computers_engine_and_a_template(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DINV_PUBLISH", "192.0.2.7")  # as in examples/server/compose.yaml
    with served(settings, tmp_path) as said:
        assert said[0] == f"Machines are made on this computer's engine, unix://{tmp_path}/docker.sock."
    database = database_of(settings)
    fleet = assemble(settings, database).parts.fleet
    from dinv.server.serving.first_steps import _ITSELF

    (endpoint,) = fleet.endpoints(_ITSELF)
    (template,) = fleet.templates(_ITSELF)
    assert endpoint.options == {"endpoint": f"unix://{tmp_path}/docker.sock", "publish": "192.0.2.7"}
    assert (template.name, template.is_default, template.ttl) == ("docker", True, 8 * 3600)
    database.close()


def test_a_port_that_is_taken_is_said(settings: Settings, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Problem, match=rf"at 127.0.0.1:{port}: Address already in use\. Another"):
            running.serve(replace(settings, listen=("127.0.0.1", port)), store=str(tmp_path))
    with pytest.raises(Problem, match="cannot listen at"):
        listener("host.invalid", 0)


def test_sigterm_ends_it_with_0(tmp_path: Path) -> None:
    command = (sys.executable, "-m", "dinv", "-s", str(tmp_path), "serve", "--listen", "127.0.0.1:0")
    # Containers and units do not have it, and what is said there is in a pipe.
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environ
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "/first/" in line:
                break
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert '"message": "stopped"' in errors
    assert "/first/" not in errors


def test_the_command_says_what_it_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from dinv.server import installed

    monkeypatch.setattr(installed, "find_spec", lambda name: None if name == "fastapi" else True)
    from dinv.cli.app import App
    from dinv.cli.voice import Voice
    from dinv.errors import ServerNotInstalled

    app = App(Voice("dinv"))
    app.store_path = str(tmp_path)
    from dinv.cli.verbs import serve

    with pytest.raises(ServerNotInstalled, match=r"\(fastapi\).*pip install 'dinv\[server\]'"):
        serve.run(app, app.parse("serve", serve, []))


# Connections


@contextmanager
def slow_peer(settings: Settings, tmp_path: Path) -> Iterator[socket.socket]:
    """A connection to a server."""
    with (
        served(replace(settings, plain=True), tmp_path) as said,
        socket.create_connection(url(said), timeout=30) as peer,
    ):
        yield peer


def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the server wait no more: not before the peer has what it is to get first."""
    monkeypatch.setattr(Connection, "header_seconds", 0.3)


def ended(peer: socket.socket) -> bool:
    """Wait until the other end closes."""
    try:
        while peer.recv(65536):
            pass
    except ConnectionError:
        pass
    return True


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\n",
    ],
)
def test_headers_that_do_not_end_are_not_waited_for(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    hurry(monkeypatch)
    with slow_peer(settings, tmp_path) as peer:
        peer.sendall(sent)
        assert ended(peer)


def test_a_body_that_does_not_end_after_the_answer_is_not_waited_for(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with slow_peer(settings, tmp_path) as peer:
        peer.sendall(b"POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n")
        assert peer.recv(65536).startswith(b"HTTP/1.1 404")
        hurry(monkeypatch)
        peer.sendall(b"a")
        assert ended(peer)


def test_an_answer_that_is_not_read_is_not_kept(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Connection, "unread_seconds", 0.3)
    with served(replace(settings, plain=True), tmp_path) as said, socket.socket() as peer:
        peer.settimeout(20)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.connect(url(said))
        # More than all buffers on the way hold: the end comes as an error of the sending.
        with pytest.raises(ConnectionError):
            peer.sendall(b"GET /api/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 1_000_000)


def test_nor_those_of_a_second_request(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with slow_peer(settings, tmp_path) as peer:
        peer.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert peer.recv(65536).startswith(b"HTTP/1.1 200")
        hurry(monkeypatch)
        peer.sendall(b"GET /healthz HTTP/1.1\r\n")
        assert ended(peer)


def test_an_idle_browser_does_not_hold_up_the_end(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "REQUESTS_SECONDS", 3600)
    with contextlib.ExitStack() as stack, served(settings, tmp_path) as said:
        client = stack.enter_context(contextlib.closing(connection(said, settings)))
        client.request("GET", "/healthz")
        client.getresponse().read()


def test_headers_that_are_too_large_are_refused(settings: Settings, tmp_path: Path) -> None:
    with served(replace(settings, plain=True), tmp_path) as said:
        for size, status in ((20_000, b" 413 "), (200_000, b" 400 ")):
            with socket.create_connection(url(said), timeout=30) as peer:
                peer.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * size + b"\r\n\r\n")
                assert status in peer.recv(65536)


def test_requests_under_way_are_finished(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered = threading.Event()
    real = app_module.make_app

    def make_app(parts: Any) -> Any:
        app = real(parts)

        @app.get("/slow")
        def slow() -> str:
            entered.set()
            assert parts.stopping.wait(30)
            time.sleep(0.3)
            return "finished"

        return app

    monkeypatch.setattr(running, "make_app", make_app)
    answers: list[bytes] = []

    def ask(said: list[str]) -> None:
        with contextlib.closing(connection(said, settings)) as client:
            client.request("GET", "/slow")
            answers.append(client.getresponse().read())

    with served(settings, tmp_path) as said:
        asking = threading.Thread(target=ask, args=(said,))
        asking.start()
        assert entered.wait(30)
    asking.join(30)
    assert answers == [b'"finished"']


# Certificates


def test_its_own_certificate_is_for_its_names(settings: Settings) -> None:
    everywhere = ("0.0.0.0", 1)  # noqa: S104
    made = Certificates(replace(settings, public_url="https://dinv.example.com", listen=everywhere))
    leaf = x509.load_pem_x509_certificate(files.read(made.paths[0]))
    names = names_of(leaf)
    assert {"dinv.example.com", "localhost", "127.0.0.1"} <= set(names)
    assert made.faults() == []
    assert oct(os.stat(made.paths[1]).st_mode)[-3:] == "600"
    assert len(made.fingerprint().split(":")) == 32
    assert made.refresh() is False


def test_its_own_certificate_is_renewed_by_the_same_ca(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Certificates(settings)
    ca, before = files.read(made.ca_path), files.read(made.paths[0])
    monkeypatch.setattr(certificates, "_RENEW_BEFORE", timedelta(days=91))
    assert made.refresh() is True
    assert files.read(made.ca_path) == ca
    assert files.read(made.paths[0]) != before
    monkeypatch.undo()
    other = Certificates(replace(settings, public_url="https://other.example.com"))
    assert files.read(other.ca_path) == ca
    assert other.faults() == []


def test_given_certificates_are_taken_up_when_they_change(settings: Settings, tmp_path: Path) -> None:
    own = Certificates(settings)
    given = replace(
        settings,
        tls_certificate=shutil.copy(own.paths[0], str(tmp_path / "c.pem")),
        tls_key=shutil.copy(own.paths[1], str(tmp_path / "k.pem")),
        public_url="https://other.example.com",
    )
    used = Certificates(given)
    assert (used.ca_path, used.fingerprint()) == ("", "")
    assert "is not valid for other.example.com" in used.faults()[0]
    os.utime(tmp_path / "c.pem", (1, 1))
    assert used.refresh() is True
    (tmp_path / "k.pem").write_text("nonsense")
    with pytest.raises(Problem, match="cannot be used"):
        used.refresh()
    with pytest.raises(Problem, match="cannot be used"):
        Certificates(replace(given, tls_key=str(tmp_path / "none")))


# Looked at, saved, brought back


def filled(settings: Settings) -> Database:
    database = database_of(settings)
    database.upgrade()
    people = assemble(settings, database).parts.people
    people.use_first_link(people.first_link().removeprefix("/first/"), "olga", PASSWORD, address=ADDRESS)
    return database


def test_a_check_says_what_is_wrong(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dinv.server.database.database.PATIENCE", 0.1)
    fresh = check(settings)
    assert [each.fault for each in fresh] == ["", ""]
    assert "made at the first start" in fresh[1].what
    filled(settings).close()
    assert {each.what: each.fault for each in check(settings)} == {
        "certificate": "",
        "database": "",
        "secret": "",
        "endpoints": "There are none, so nobody can have a machine.",
        "audit log": "",
    }
    with open(os.path.join(settings.state, "tls", "cert.pem"), "w", encoding="ascii") as file:
        file.write("nonsense")
    with sqlite3.connect(os.path.join(settings.state, "dinv.db")) as raw:
        raw.execute("UPDATE audit SET actor = 'eve'")
    raw.close()
    wrong = {each.what: each.fault for each in check(settings)}
    assert "Entry 1 was changed" in wrong["audit log"]
    assert wrong["certificate"]
    gone = check(replace(settings, database="postgresql://nobody@127.0.0.1:9/none"))
    assert "does not answer" in gone[-1].fault


def test_a_backup_is_brought_back(settings: Settings, tmp_path: Path) -> None:
    Certificates(settings)
    database = filled(settings)
    path = tmp_path / "backup.tar"
    backup.save(settings, str(path))
    database.close()
    assert oct(path.stat().st_mode)[-3:] == "600"
    with pytest.raises(Conflict):
        backup.restore(settings, str(path))
    elsewhere = replace(settings, state=str(tmp_path / "elsewhere"))
    backup.restore(elsewhere, str(path))
    for name in ("secret", "tls/key.pem", "tls/ca.pem"):
        with open(f"{settings.state}/{name}", "rb") as one, open(f"{elsewhere.state}/{name}", "rb") as two:
            assert one.read() == two.read()
    again = database_of(elsewhere)
    parts = assemble(elsewhere, again).parts
    assert parts.people.sign_in("olga", PASSWORD, address=ADDRESS)
    assert parts.audit.verify()[1] == ""
    again.close()
    assert [name for name in os.listdir(elsewhere.state) if name.startswith(".restore")] == []


def test_what_is_no_backup_is_refused(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="no database yet"):
        backup.save(settings, str(tmp_path / "b.tar"))
    with pytest.raises(Invalid, match="pg_dump"):
        backup.save(replace(settings, database="postgresql://x/y"), str(tmp_path / "b.tar"))
    (tmp_path / "text").write_text("nonsense")
    with pytest.raises(Problem):
        backup.restore(settings, str(tmp_path / "text"))
    evil = tmp_path / "evil.tar"
    with tarfile.open(evil, "w") as archive:
        for name in ("dinv.db", "../../etc/passwd"):
            archive.addfile(tarfile.TarInfo(name))
    with pytest.raises(Invalid, match="is not a backup"):
        backup.restore(settings, str(evil))
    linked = tmp_path / "linked.tar"
    with tarfile.open(linked, "w") as archive:
        member = tarfile.TarInfo("dinv.db")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(member)
    with pytest.raises(Invalid, match="not a file"):
        backup.restore(settings, str(linked))
    assert not os.path.exists(os.path.join(settings.state, "dinv.db"))
