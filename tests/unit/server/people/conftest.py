"""Accounts for the tests: an operator, a user, an auditor, each with a session."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from known_people import ADDRESS, PASSWORD, Clock, signed_in

from dinv.server.audit import Audit
from dinv.server.people.service import People
from dinv.server.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from dinv.server.database.database import Database
    from dinv.server.models import Actor


@pytest.fixture
def log(database: Database) -> Audit:
    return Audit(database)


@pytest.fixture
def people(database: Database, log: Audit, tmp_path: Path) -> People:
    return People(database, log, Settings(str(tmp_path), public_url="https://dinv.example.com"))


@pytest.fixture
def olga(people: People) -> Actor:
    """The first operator."""
    secret = people.first_link().removeprefix("/first/")
    return signed_in(people, people.use_first_link(secret, "olga", PASSWORD, address=ADDRESS))


@pytest.fixture
def ada(people: People, olga: Actor) -> Actor:
    """A user."""
    people.add(olga, "ada", role="user", password=PASSWORD, teams=("red",))
    return signed_in(people, people.sign_in("ada", PASSWORD, address=ADDRESS))


@pytest.fixture
def clock(database: Database, monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(database, monkeypatch)
