"""`dinv serve --check`: what is wrong, before the server is started, or beside one that runs."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from dinv.errors import DinvError
from dinv.server.audit import SERVER
from dinv.server.database.database import Database
from dinv.server.models import Actor, Person
from dinv.server.serving.assembling import assemble, database_of, default_path
from dinv.server.serving.certificates import Certificates
from dinv.server.settings import Settings
from dinv.server.work.library import LibraryHosts

_ITSELF = Actor(Person("", SERVER, "", "", "operator"), "system")


@dataclass(frozen=True)
class Finding:
    """`fault` is "" for what is as it should be."""

    what: str
    fault: str = ""


def check(settings: Settings) -> list[Finding]:
    """Look at everything that can be looked at; nothing is changed but the own certificate, made if due."""
    found = [_tried("certificate", lambda: _certificate(settings))]
    if not settings.database and not os.path.exists(default_path(settings)):
        # To look would make it.
        return [*found, Finding(f"database {default_path(settings)} (made at the first start)")]
    try:
        database = database_of(settings)
    except DinvError as error:
        return [*found, Finding("database", str(error))]
    try:
        found.append(_tried("database", _quiet(partial(database.check, in_its_words=True))))
        if not found[-1].fault:
            found += _parts(settings, database)
    finally:
        database.close()
    return found


def _parts(settings: Settings, database: Database) -> list[Finding]:
    try:
        assembled = assemble(settings, database)
    except DinvError as error:
        return [Finding("secret", str(error))]
    parts = assembled.parts
    found = [_tried("secret", _quiet(assembled.place.records.check))]
    if settings.provider:
        name = f"sign-in provider {settings.provider.name}"
        found.append(_tried(name, _quiet(parts.people.check_provider)))
    hosts = LibraryHosts(os.path.join(settings.state, "store"))
    endpoints = parts.fleet.endpoints(_ITSELF)
    if not endpoints:
        found.append(Finding("endpoints", "There are none, so nobody can have a machine."))
    for each in endpoints:
        look = _quiet(partial(hosts.look, each.options))
        found.append(_tried(f"endpoint {each.name}", look))
    found.append(_tried("audit log", lambda: parts.audit.verify()[1]))
    return found


def _certificate(settings: Settings) -> str:
    return "" if settings.plain else " ".join(Certificates(settings).faults())


def _quiet(call: Callable[[], object]) -> Callable[[], str]:
    def look() -> str:
        call()
        return ""

    return look


def _tried(what: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(what, look())
    except (DinvError, OSError) as error:
        return Finding(what, str(error))
