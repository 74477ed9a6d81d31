"""Records, and the certificates by them: one secret for all servers, one version, nothing given twice."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from working_server import Server

from dinv.errors import CertificateError, InvalidHolder
from dinv.server.database.database import Database
from dinv.server.problems import Conflict, Invalid, Problem, Unavailable
from dinv.server.work.records import Records, Secret
from dinv.server.work.service import Place, Work
from dinv.system.deadline import Deadline

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fake_machines import World

    from dinv.server.models import Actor, Machine


def ready(server: Server, ann: Actor) -> Machine:
    machine = server.fleet.request(ann)
    server.drain()
    return server.fleet.machine(ann, machine.id)


@pytest.fixture
def other(server: Server, database_url: str, world: World, tmp_path: Path) -> Iterator[Server]:
    """Another server of the same database, with the same secret."""
    database = Database(database_url)
    yield Server(database, world, tmp_path / "other", secret=os.path.join(server.settings.state, "secret"))
    database.close()


# The secret


def test_the_secret_is_made_once_and_is_its_owners(server: Server) -> None:
    path = os.path.join(server.settings.state, "secret")
    assert os.stat(path).st_mode & 0o777 == 0o600
    assert Secret.opened(server.settings).fingerprint == Secret.opened(server.settings).fingerprint


def test_a_server_with_another_secret_is_refused(server: Server, world: World, tmp_path: Path) -> None:
    server.working._begin()
    stranger = Server(server.database, world, tmp_path / "stranger")
    with pytest.raises(Problem, match="another secret"):
        stranger.working._begin()


def test_a_second_server_with_the_same_directory_is_refused(server: Server) -> None:
    server.working._begin()
    again = Work(server.database, server.audit, server.settings, place=server.place)
    with pytest.raises(Problem, match="runs already"):
        again._begin()
    server.working.stop(timeout=0.1)
    again._begin()


@pytest.mark.parametrize("content", ["", "abc", "x" * 64, "00" * 31])
def test_a_file_that_is_no_secret_is_refused(server: Server, tmp_path: Path, content: str) -> None:
    path = tmp_path / "wrong"
    path.write_text(content)
    with pytest.raises(Problem, match="32 bytes in hexadecimal"):
        Place.opened(server.database, replace(server.settings, secret_file=str(path)))


def test_a_named_secret_that_is_missing_is_not_made(server: Server, tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")
    with pytest.raises(Problem, match="cannot be read"):
        Place.opened(server.database, replace(server.settings, secret_file=missing))
    assert not os.path.exists(missing)


def test_a_record_is_tied_to_its_machine() -> None:
    secret = Secret(bytes(32))
    sealed = secret.encrypted(b"keys", "one")
    assert secret.decrypted(sealed, "one") == b"keys"
    for wrong in (sealed[:-1], sealed[:5], b"", bytes([sealed[0] ^ 1]) + sealed[1:]):
        with pytest.raises(Problem):
            secret.decrypted(wrong, "one")
    with pytest.raises(Problem):
        secret.decrypted(sealed, "two")
    with pytest.raises(Problem):
        Secret(bytes([1] * 32)).decrypted(sealed, "one")


# Versions


def test_each_writer_says_what_it_has_seen(server: Server) -> None:
    ann = server.prepared()
    machine = ready(server, ann)
    with server.database.read() as connection:
        version = Records.version(connection, machine.id)
    assert version >= 1

    def write(seen: int) -> bool:
        return server.database.write(lambda c: Records.write(c, machine.id, b"x", seen=seen))

    assert not write(0)
    assert not write(version - 1) or version == 1
    assert write(version)
    assert not write(version)


def test_a_copy_is_made_anew_when_another_server_has_changed_it(server: Server, other: Server) -> None:
    ann = server.prepared()
    machine = ready(server, ann)
    place = other.place
    serials = [other.fleet.share(ann, machine.id, "bob", timedelta(hours=1)).serial for _ in range(2)]
    serials.append(server.fleet.share(ann, machine.id, "cid", timedelta(hours=1)).serial)
    place.copies.bring(machine.id, machine.host_name)
    document = other.hosts._get(machine.host_name)
    assert [serial for serial, _ in document["log"]] == serials


def test_a_certificate_that_another_server_does_not_know_is_given_to_nobody(
    server: Server, other: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = server.prepared()
    machine = ready(server, ann)
    certify = server.hosts.certify
    lost: list[str] = []

    def slow(*arguments: object, **options: object) -> object:
        signed = certify(*arguments, **options)  # type: ignore[arg-type]
        if not lost:
            lost.append(signed.serial)
            other.fleet.share(ann, machine.id, "bob", timedelta(hours=1))
        return signed

    monkeypatch.setattr(server.hosts, "certify", slow)
    given = server.fleet.share(ann, machine.id, "cid", timedelta(hours=1))
    assert given.serial not in lost
    other.place.copies.bring(machine.id, machine.host_name)
    known = [serial for serial, _ in other.hosts._get(machine.host_name)["log"]]
    assert given.serial in known
    assert len(known) == 2


# Certificates


def test_a_key_is_not_kept(server: Server) -> None:
    ann = server.prepared()
    machine = ready(server, ann)
    given = server.fleet.certificate(ann, machine.id)
    assert given.key is not None
    assert b"PRIVATE" not in server.hosts.pack(machine.host_name)
    assert "PRIVATE" not in repr(given)


@pytest.mark.parametrize(
    ("error", "pointer"),
    [
        (CertificateError("This is not a request."), "/csr"),
        (InvalidHolder("x y", "it contains ' '"), "/holder"),
    ],
)
def test_what_cannot_be_signed_is_said(
    server: Server, monkeypatch: pytest.MonkeyPatch, error: Exception, pointer: str
) -> None:
    ann = server.prepared()
    machine = ready(server, ann)

    def refuses(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(server.hosts, "certify", refuses)
    with pytest.raises(Invalid) as caught:
        server.place.access.certify(machine, "bob", None, timedelta(hours=1))
    assert caught.value.fields["errors"][0]["pointer"] == pointer


def test_there_is_none_for_one_that_is_not_ready(server: Server) -> None:
    ann = server.prepared()
    machine = server.fleet.request(ann)
    with pytest.raises(Conflict):
        server.place.access.certify(machine, "ann", None, timedelta(hours=1))


def test_nobody_waits_long_for_a_machine_that_is_in_use(server: Server) -> None:
    ann = server.prepared()
    machine = ready(server, ann)
    with (
        server.place.copies.holding(machine.host_name),
        pytest.raises(Unavailable),
        server.place.copies.holding(machine.host_name, seconds=0.05),
    ):
        pytest.fail("two hold it")


# What it says


def test_a_log_is_read_and_followed_within_bounds(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    ann = server.prepared()
    machine = ready(server, ann)
    pieces = list(server.fleet.log(ann, machine.id, tail=2))
    assert pieces == [f"line {number} of {machine.host_name}\n".encode() for number in range(2)]
    monkeypatch.setattr("dinv.server.work.access.LONGEST_LOG", 100)
    assert sum(map(len, server.fleet.log(ann, machine.id, tail=3, follow=Deadline(60)))) == 100
    monkeypatch.setattr("dinv.server.work.access.LONGEST_LOG", 1 << 30)
    until = Deadline(0.1)  # which ends it as if the machine had said no more
    assert b"more\n" in list(server.fleet.log(ann, machine.id, tail=3, follow=until))


def test_a_log_of_an_endpoint_that_is_gone(server: Server, world: World) -> None:
    ann = server.prepared()
    machine = ready(server, ann)
    world.fail("here")
    with pytest.raises(Conflict, match="does not answer"):
        # At once: whoever asks by HTTP gets an answer that says so, and not one that breaks off.
        server.fleet.log(ann, machine.id)
