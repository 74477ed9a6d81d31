"""Rotation, sharing, revocation and a reloadable change: everything that is open at a machine lives on.

On each flavour of endpoint. Only the one who is revoked is cut, and soon.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from users import User
from watched import Watched

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from flavours import Place, Resident

CUT_SECONDS = 5.0
"""From the end of `access revoke` to that of the stream. On an idle computer it is well below two seconds."""
WATCHED = ("ps", "--filter", "name=watched", "--format", "{{.Names}}")


@pytest.fixture(scope="module")
def machine(resident: Resident) -> str:
    """A machine with the image `hello` in it."""
    name = resident.name("open")
    resident.dinv("create", name, "--timeout", "90")
    resident.import_hello(name)
    return name


@pytest.fixture
def watched(resident: Resident, place: Place, machine: str) -> Iterator[Watched]:
    """Everything that can be open at it. A machine on a VCH or a Podman may publish its ports elsewhere."""
    address = resident.dinv("ip", machine).stdout.strip() if place.flavour == "engine" else ""
    with Watched(resident, machine, address=address) as found:
        yield found
        found.check()


class Holder(User):
    """Somebody with docker only, and a share of a machine as its context `theirs`."""

    def __init__(self, home: str, owner: User, machine: str, holder: str) -> None:
        super().__init__(home, owner.endpoint)
        os.makedirs(home)
        share = os.path.join(home, "machine.dinv")
        owner.dinv("share", machine, "--for", holder, "--output", share)
        self.run("docker", "context", "import", "theirs", share)


def test_rotation_and_rotation_of_the_ca(resident: Resident, machine: str, watched: Watched) -> None:
    resident.dinv("regenerate-certs", "-f", machine)
    watched.check()
    resident.dinv("regenerate-certs", "-f", "--client-certs", machine)
    assert resident.docker(machine, *WATCHED) == "watched\n"


def test_an_option_that_its_daemon_can_take_while_it_runs(
    resident: Resident, place: Place, machine: str, watched: Watched
) -> None:
    resident.dinv("set", "--engine-label", "team=red", machine)
    watched.check()
    assert "team=red" in resident.docker(machine, "info", "-f", "{{.Labels}}")
    dry = resident.dinv("set", "--dry-run", "--memory", "3g", "--format", "{{.Means}} {{.Stops}}", machine)
    assert dry.stdout == ("update false\n" if place.flavour == "engine" else "recreation true\n")


def test_one_is_revoked_and_cut_and_nobody_else(
    resident: Resident, machine: str, watched: Watched, tmp_path: Path
) -> None:
    alice = Holder(str(tmp_path / "alice"), resident, machine, "alice")
    bob = Holder(str(tmp_path / "bob"), resident, machine, "bob")
    events = {
        name: watched.client_of(who.environment, "--context", "theirs", "events")
        for name, who in {"alice": alice, "bob": bob}.items()
    }
    watched.await_events(*events.values())
    resident.dinv("access", "revoke", machine, "alice")
    events["alice"].await_end(CUT_SECONDS)
    alice.run("docker", "--context", "theirs", "version", status=1)
    seen = len(events["bob"].said)
    resident.docker(machine, "exec", "watched", "true")
    events["bob"].await_said("exec_die", after=seen)
    assert bob.run("docker", "--context", "theirs", *WATCHED) == "watched\n"


def test_a_change_that_the_daemon_reloads(resident: Resident, machine: str, watched: Watched) -> None:
    resident.dinv("set", machine, "--engine-label", "tier=trial")
    assert "tier=trial" in resident.docker(machine, "info", "--format", "{{.Labels}}")
    watched.check()
