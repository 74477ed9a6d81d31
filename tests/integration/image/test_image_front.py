"""The machine's TLS front: who gets in, and what goes on while that changes."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import subprocess
import threading
import warnings
from typing import TYPE_CHECKING, Self

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from image_machine import wait_until
from own_certificates import CA, CLIENT, SERVER, Own, read

from dinv.authorities import open_authority
from dinv.image_building.builder import sources
from dinv.pki import certificates

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from image_machine import Machine

pytestmark = pytest.mark.integration

RELOAD = ("/usr/local/lib/dinv/front", "reload")
PING = b"GET /_ping HTTP/1.1\r\nHost: machine\r\n\r\n"
EVENTS = b"GET /events HTTP/1.1\r\nHost: machine\r\n\r\n"


class Client:
    """A client's certificate and key, and connections with them."""

    def __init__(self, machine: Machine, directory: Path, name: str, certificate: Own) -> None:
        self.machine = machine
        self.files = certificate.put(directory, name)
        self.serial = f"{read(certificate.pem).serial_number:x}"

    def context(self, *, old: bool = False) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=os.path.join(self.machine.directory, "ca.pem"))
        context.load_cert_chain(*self.files)
        if old:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
            context.set_ciphers("ALL:@SECLEVEL=0")
        return context

    def connect(
        self, context: ssl.SSLContext | None = None, session: ssl.SSLSession | None = None
    ) -> ssl.SSLSocket:
        ports = self.machine.engine.containers.inspect(self.machine.name)["NetworkSettings"]["Ports"]
        address = ("127.0.0.1", int(ports["2376/tcp"][0]["HostPort"]))
        plain = socket.create_connection(address, timeout=10)
        return (context or self.context()).wrap_socket(plain, server_hostname=address[0], session=session)

    def ask(self, context: ssl.SSLContext | None = None, session: ssl.SSLSession | None = None) -> str:
        """What `GET /_ping` is answered with; the error's text if it is not."""
        try:
            with self.connect(context, session) as connection:
                return ask(connection)
        except OSError as error:
            return str(error)


def ask(connection: ssl.SSLSocket, request: bytes = PING) -> str:
    connection.sendall(request)
    return connection.recv(65536).decode()


class Stream:
    """An open `GET /events`, which is asked for what has just happened."""

    def __init__(self, client: Client) -> None:
        self.connection = client.connect()
        assert "200 OK" in ask(self.connection, EVENTS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def hears(self, machine: Machine) -> bool:
        """Whether it hears of a volume that is made now."""
        name = machine.docker("volume", "create")
        machine.docker("volume", "rm", name)
        heard = ""
        while name not in heard:
            try:
                piece = self.connection.recv(65536)
            except OSError:
                return False
            if not piece:
                return False
            heard += piece.decode()
        return True


@pytest.fixture(scope="module")
def ca(machine: Machine) -> Own:
    """The CA of the machine."""
    own = Own.__new__(Own)
    with open(os.path.join(machine.directory, "ca-key.pem"), "rb") as file:
        key = load_pem_private_key(file.read(), None)
    with open(os.path.join(machine.directory, "ca.pem"), "rb") as file:
        own.pem = file.read()
    own.key = key  # type: ignore[assignment]
    own.name = x509.load_pem_x509_certificate(own.pem).subject
    return own


@pytest.fixture
def client(machine: Machine, ca: Own, tmp_path: Path) -> Callable[[str], Client]:
    return lambda name: Client(machine, tmp_path, name, Own(name, CLIENT, issuer=ca))


@pytest.fixture
def revoke(machine: Machine) -> Iterator[Callable[..., None]]:
    """Have the machine refuse these serial numbers."""

    def do(*serials: str) -> None:
        machine.put({"etc/dinv/certs/revoked": "".join(f"{serial}\n" for serial in serials).encode()})
        machine.run(*RELOAD)

    yield do
    do()


@pytest.fixture
def put_back(machine: Machine) -> Iterator[None]:
    """The certificates that the machine had before."""
    yield
    machine.put_certificates()
    machine.run(*RELOAD)


def daemon(machine: Machine) -> str:
    return machine.run("cat", "/var/run/docker.pid")


def front(machine: Machine) -> str:
    return machine.run("cat", "/run/dinv/front.now/pid")


def test_only_a_client_of_the_machines_ca_gets_in(
    machine: Machine, ca: Own, client: Callable[[str], Client], tmp_path: Path
) -> None:
    alice = client("alice")
    assert "200 OK" in alice.ask()
    for name, certificate in (
        ("expired", Own("expired", CLIENT, issuer=ca, days=(-9, -1))),
        ("not-yet", Own("not-yet", CLIENT, issuer=ca, days=(1, 9))),
        ("server", Own("server", SERVER, issuer=ca)),
        ("stranger", Own("stranger", CLIENT, issuer=Own("another CA", CA))),
    ):
        said = Client(machine, tmp_path, name, certificate).ask()
        assert "alert" in said, f"{name}: {said}"
    nobody = ssl.create_default_context(cafile=os.path.join(machine.directory, "ca.pem"))
    assert "alert" in alice.ask(nobody).lower()
    assert "alert" in alice.ask(alice.context(old=True)).lower()


def test_new_certificates_cut_nothing(
    machine: Machine, client: Callable[[str], Client], put_back: None, tmp_path: Path
) -> None:
    alice = client("alice")
    before, pid = front(machine), daemon(machine)
    with open(os.path.join(machine.directory, "server.pem"), "rb") as file:
        former = file.read()
    with Stream(alice) as stream:
        files = {}
        authority = open_authority("local", machine="under-test", directory=machine.directory)
        work = tmp_path / "renewed"
        work.mkdir()
        certificates.issue(authority, machine="under-test", directory=str(work), names=["127.0.0.1"])
        for name in ("server.pem", "server-key.pem"):
            files[f"etc/dinv/certs/{name}"] = (work / name).read_bytes()
        machine.put(files)
        machine.run(*RELOAD)
        assert stream.hears(machine)
        with alice.connect() as connection:
            der = connection.getpeercert(binary_form=True)
        assert der == ssl.PEM_cert_to_DER_cert((work / "server.pem").read_text())
        assert der != ssl.PEM_cert_to_DER_cert(former.decode())
        assert front(machine) != before
        assert daemon(machine) == pid
    wait_until(
        lambda: machine.run("pgrep", "-c", "haproxy") == "1", "the former haproxy to end without connections"
    )


def test_when_a_reload_returns_nobody_is_served_by_the_former_certificates(
    make_machine: Callable[..., Machine], ca: Own, tmp_path: Path
) -> None:
    """However long it takes the former haproxy to stop listening."""
    machine = make_machine()
    machine.put_certificates()
    with open(os.path.join(sources(), "rootfs", RELOAD[0].lstrip("/")), encoding="utf-8") as text:
        script = text.read()
    slow = script.replace('\task "$former" \'shutdown', '\tsleep 1\n\task "$former" \'shutdown')
    assert slow != script
    machine.put({RELOAD[0].lstrip("/"): slow.encode()}, 0o755)
    machine.start()
    machine.wait_ready()
    authority = open_authority("local", machine="under-test", directory=machine.directory)
    certificates.issue(authority, machine="under-test", directory=str(tmp_path), names=["127.0.0.1"])
    for name in ("server.pem", "server-key.pem"):
        machine.put({f"etc/dinv/certs/{name}": (tmp_path / name).read_bytes()})
    machine.run(*RELOAD)
    alice = Client(machine, tmp_path, "alice", Own("alice", CLIENT, issuer=ca))
    wanted = ssl.PEM_cert_to_DER_cert((tmp_path / "server.pem").read_text())
    for _ in range(20):
        with alice.connect() as connection:
            assert connection.getpeercert(binary_form=True) == wanted


def test_a_revoked_client_is_refused_and_cut_and_nobody_else(
    machine: Machine, client: Callable[[str], Client], revoke: Callable[..., None]
) -> None:
    alice, bob = client("alice"), client("bob")
    context = bob.context()
    with (
        Stream(alice) as hers,
        Stream(bob) as his,
        bob.connect(context) as kept,
        alice.connect() as hers_kept,
    ):
        assert "200 OK" in ask(kept)
        assert "200 OK" in ask(hers_kept)
        session = kept.session
        running = front(machine)
        revoke(bob.serial, "abc")
        assert not his.hears(machine)
        with contextlib.suppress(OSError):
            assert ask(kept) == ""
        for said in (bob.ask(), bob.ask(context, session)):
            assert "403 Forbidden" in said
            assert '{"message":"this machine refuses your client certificate: it has been revoked"}' in said
        assert hers.hears(machine)
        assert "200 OK" in ask(hers_kept)
        assert "200 OK" in alice.ask()
        # It takes no other process, and the next one knows of it.
        assert front(machine) == running
        machine.run("kill", "-KILL", running)
    wait_until(lambda: "200 OK" in alice.ask(), "the front to be back", told=machine.log)
    assert "403 Forbidden" in bob.ask()
    # Whoever is not on the list any more is let in again.
    revoke()
    assert "200 OK" in bob.ask()


def test_a_front_that_is_killed_comes_back_and_nobody_in_the_machine_notices(
    machine: Machine, client: Callable[[str], Client]
) -> None:
    pid, killed = daemon(machine), front(machine)
    alice = client("alice")
    machine.run("kill", "-KILL", killed)
    wait_until(lambda: "200 OK" in alice.ask(), "the front to be back", told=machine.log)
    assert front(machine) != killed
    assert daemon(machine) == pid
    assert "the front ended with status 137: starting it again" in machine.log()


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("server.pem", b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n", "server.pem"),
        ("server-key.pem", Own("another").key_pem(), "inconsistencies between private key and certificate"),
        ("ca.pem", b"nothing\n-----END NOTHING-----\n", "ca.pem"),
        ("ca.pem", b"-----BEGIN CERTIFICATE-----\n", "missing or incomplete in /etc/dinv/certs: ca.pem"),
        ("revoked", b"abc\nnot a number\n", "revoked has lines that are not serial numbers"),
    ],
    ids=["garbled", "another key", "no CA", "half a CA", "not a list"],
)
@pytest.mark.usefixtures("put_back")
def test_files_that_cannot_be_used_leave_the_former_in_use(
    machine: Machine, client: Callable[[str], Client], file: str, content: bytes, said: str
) -> None:
    before = front(machine)
    machine.put({f"etc/dinv/certs/{file}": content})
    try:
        told = machine.run("sh", "-c", f"{' '.join(RELOAD)} 2>&1; echo status $?")
        line, status = told.splitlines()
        assert status == "status 1"
        assert line.startswith("dinv: front: ")
        assert said in line
        assert "200 OK" in client("alice").ask()
        assert front(machine) == before
    finally:
        machine.put({"etc/dinv/certs/revoked": b""})


def test_reloads_at_once_take_turns(machine: Machine, client: Callable[[str], Client]) -> None:
    failed = []

    def reload() -> None:
        try:
            machine.run(*RELOAD)
        except AssertionError as error:
            failed.append(error)

    threads = [threading.Thread(target=reload) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert "200 OK" in client("alice").ask()


def test_options_wait_for_a_restart_until_there_has_been_one(machine: Machine) -> None:
    def pending() -> bool:
        return machine.run("sh", "-c", "/usr/local/lib/dinv/pending; echo $?") == "0"

    assert not pending()
    machine.put({"etc/dinv/dockerd.args": b"--label=a=b\n"})
    try:
        assert pending()
    finally:
        machine.put({"etc/dinv/dockerd.args": b""})


def test_half_closed_streams_come_through_whole(machine: Machine, client: Callable[[str], Client]) -> None:
    alice = client("alice")
    ports = machine.engine.containers.inspect(machine.name)["NetworkSettings"]["Ports"]
    certificate, key = alice.files
    ran = subprocess.run(
        [
            *("docker", "-H", f"tcp://127.0.0.1:{ports['2376/tcp'][0]['HostPort']}", "--tlsverify"),
            *("--tlscacert", os.path.join(machine.directory, "ca.pem"), "--tlscert", certificate),
            *("--tlskey", key, "run", "-i", "--rm", "busybox", "busybox", "wc", "-c"),
        ],
        input=os.urandom(300_000),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert ran.stdout.strip() == b"300000", ran.stderr
