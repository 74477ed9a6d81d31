"""A server's web with a team behind it, for tests: the real application, People, Fleet and database.

Everybody's password is PASSWORD. Operations are done by `world.work()`, the smallest worker there is.
"""

from __future__ import annotations

import threading
from functools import cache
from typing import TYPE_CHECKING, Any

from fleet_world import World
from known_people import ADDRESS, PASSWORD
from starlette.testclient import TestClient

from dinv.server.database.schema import people
from dinv.server.people import passwords, sessions, tokens
from dinv.server.people.service import People
from dinv.server.settings import Settings
from dinv.server.web.app import make_app
from dinv.server.web.cookies import SESSION
from dinv.server.web.parts import Parts

if TYPE_CHECKING:
    from fastapi import FastAPI

    from dinv.server.database.database import Database
    from dinv.server.models import Actor, Role, Scope

URL = "https://dinv.example.com"
_ALL: frozenset[Scope] = frozenset({"read", "machines"})


@cache
def _password() -> str:
    return passwords.hashed(PASSWORD)


_apps: dict[Settings, FastAPI] = {}


def _app(parts: Parts) -> FastAPI:
    """The application, one for the same settings: to build its routes takes a quarter of a second."""
    app = _apps.get(parts.settings)
    if app is None:
        app = _apps[parts.settings] = make_app(parts)
    app.state.parts = parts
    return app


class WebWorld(World):
    """A fleet, its people, and its web."""

    def __init__(self, database: Database, **settings: Any) -> None:
        super().__init__(database)
        known = Settings("", **{"public_url": URL, **settings})
        self.people = People(database, self.audit, known)
        self.actors: dict[str, Actor] = {}
        self.stopping = threading.Event()
        self.parts = Parts(known, database, self.audit, self.people, self.fleet, self.stopping)
        self.app: FastAPI = _app(self.parts)

    def person(self, name: str, *, role: Role = "user", teams: tuple[str, ...] = ()) -> Actor:
        """Somebody with an account, as if by a session."""
        actor = self.actors[name] = super().person(name, role=role, teams=teams)
        known = people.update().where(people.c.name == name).values(password=_password())
        self.database.write(lambda connection: connection.execute(known))
        return actor

    def session(self, name: str) -> str:
        """The secret of a new session."""
        person_id = self.actors[name].person.id
        return self.database.write(
            lambda connection: sessions.begin(self.database, connection, person_id, ADDRESS)
        )

    def token(self, name: str, scopes: frozenset[Scope] = _ALL) -> str:
        """The secret of a new token; an operator's may do what operators may."""
        actor = self.actors[name]
        if actor.is_operator:
            scopes |= {"operate"}
        _, secret = tokens.create(self.database, self.audit, actor, "a test", scopes=scopes, lifetime=None)
        return secret

    def browser(self, name: str = "") -> TestClient:
        """A browser, in which somebody is signed in; it does not follow redirects."""
        headers = {"Accept": "text/html", "Origin": URL, "Sec-Fetch-Site": "same-origin"}
        client = TestClient(self.app, base_url=URL, headers=headers, follow_redirects=False)
        if name:
            client.cookies.set(SESSION, self.session(name))
        return client

    def program(self, name: str = "", scopes: frozenset[Scope] = _ALL) -> TestClient:
        """A program with a token of somebody's."""
        headers = {"Authorization": f"Bearer {self.token(name, scopes)}"} if name else {}
        return TestClient(self.app, base_url=URL, headers=headers)
