"""The parts put together, from settings."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass

from dinv.server.audit import Audit
from dinv.server.database.database import Database
from dinv.server.fleet.service import Fleet
from dinv.server.people.service import People
from dinv.server.settings import Settings
from dinv.server.web.parts import Parts
from dinv.server.work.hosts import Hosts
from dinv.server.work.service import Place, Work


@dataclass(frozen=True)
class Assembled:
    """What `running` runs."""

    parts: Parts
    work: Work
    place: Place


def database_of(settings: Settings) -> Database:
    """Return the database, not opened yet; its directory is made for SQLite. Raises Invalid."""
    if settings.database:
        return Database(settings.database)
    make_directory(settings)
    return Database(f"sqlite:///{default_path(settings)}")


def make_directory(settings: Settings) -> None:
    """Make the server's directory, for its owner alone."""
    os.makedirs(settings.state, mode=0o700, exist_ok=True)


def default_path(settings: Settings) -> str:
    """Where SQLite's file is if nothing else is said."""
    return os.path.join(settings.state, "dinv.db")


def assemble(settings: Settings, database: Database, hosts: Hosts | None = None) -> Assembled:
    """Return the parts, none of them started. The database's tables are up to date. Raises Problem.

    `hosts` is for tests; without one they are those of dinv's library.
    """
    audit = Audit(database)
    place = Place.opened(database, settings, hosts)
    work = Work(database, audit, settings, place=place)
    parts = Parts(
        settings=settings,
        database=database,
        audit=audit,
        people=People(database, audit, settings),
        fleet=Fleet(database, audit, place.access),
        stopping=threading.Event(),
        wake=work.wake,
    )
    return Assembled(parts, work, place)
