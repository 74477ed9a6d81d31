"""A server's web with a team behind it, for tests: the real application, Fleet and database.

Whoever has an account is signed in by the session "session-NAME", and has the token "dinv_NAME". Passwords
are "right". Operations are done by `world.work()`.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from fleet_world import World
from starlette.testclient import TestClient

from dinv.server.problems import NotFound, NotSignedIn
from dinv.server.settings import OpenIdProvider, Settings
from dinv.server.web.app import make_app
from dinv.server.web.cookies import SESSION
from dinv.server.web.parts import Parts

if TYPE_CHECKING:
    from fastapi import FastAPI

    from dinv.server.database.database import Database
    from dinv.server.models import Actor, Person, Role, Scope, Via

URL = "https://dinv.example.com"


class KnownPeople:
    """Accounts by name; what is asked of them is noted in `asked`."""

    def __init__(self) -> None:
        self.actors: dict[str, Actor] = {}
        self.asked: list[tuple[object, ...]] = []

    def _actor(self, secret: str, prefix: str, via: Via, address: str, request_id: str) -> Actor | None:
        found = self.actors.get(secret.removeprefix(prefix).removesuffix("-reads"))
        if found is None or not secret.startswith(prefix):
            return None
        reads = secret.endswith("-reads")
        scopes: frozenset[Scope] = frozenset({"read"}) if reads else found.scopes
        return replace(found, via=via, scopes=scopes, address=address, request_id=request_id)

    def session(self, secret: str, *, address: str, request_id: str) -> Actor | None:
        return self._actor(secret, "session-", "session", address, request_id)

    def token(self, secret: str, *, address: str, request_id: str) -> Actor | None:
        return self._actor(secret, "dinv_", "token", address, request_id)

    def sign_in(self, name: str, password: str, *, address: str) -> str:
        if name not in self.actors or password != "right":
            raise NotSignedIn("That name and that password do not belong together.")
        return f"session-{name}"

    def sign_out(self, secret: str) -> None:
        self.asked.append(("sign out", secret))

    def use_first_link(self, secret: str, name: str, password: str, *, address: str) -> str:
        if secret != "first":
            raise NotSignedIn("This link is not valid.")
        return f"session-{name}"

    def provider_url(self, *, next: str) -> tuple[str, str]:  # noqa: A002
        return f"https://id.example.com/authorize?next={next}", "tie"

    def provider_answer(self, query: dict[str, str], cookie: str, *, address: str) -> tuple[str, str]:
        if cookie != "tie" or query.get("code") != "good":
            raise NotSignedIn("The answer does not belong to this browser.")
        return "session-jane", "/account"

    def device_begin(self, *, address: str) -> dict[str, object]:
        return {"device_code": "device", "user_code": "ABCD-EFGH", "expires_in": 600, "interval": 1}

    def device_decide(self, actor: Actor, user_code: str, *, allow: bool) -> None:
        if user_code != "ABCD-EFGH":
            raise NotSignedIn("There is no such code.")
        self.asked.append(("decide", actor.person.name, allow))

    def device_poll(self, device_code: str, *, address: str) -> str | None:
        allowed = [each for each in self.asked if each[0] == "decide" and each[2]]
        return f"dinv_{allowed[0][1]}" if allowed else None

    def everybody(self, actor: Actor, *, search: str = "") -> list[Person]:
        return [each.person for each in self.actors.values() if search in each.person.name]

    def add(self, actor: Actor, name: str, **more: Any) -> Person:
        self.asked.append(("add", name, more["role"]))
        return replace(actor.person, name=name)

    def change(self, actor: Actor, name: str, **more: Any) -> Person:
        if name not in self.actors:
            raise NotFound("There is nobody of that name.")
        self.asked.append(("change", name, more))
        return self.actors[name].person

    def set_password(self, actor: Actor, name: str, password: str, *, current: str = "") -> None:
        if current != "right":
            raise NotSignedIn("That is not your current password.")
        self.asked.append(("password", name))

    def tokens(self, actor: Actor) -> list[dict[str, object]]:
        return []

    def new_token(self, actor: Actor, name: str, *, scopes: Any, lifetime: Any) -> tuple[str, str]:
        self.asked.append(("token", name, scopes, lifetime))
        return "t1", "dinv_secret"

    def revoke_token(self, actor: Actor, token_id: str) -> None:
        self.asked.append(("revoke", token_id))


class WebWorld(World):
    """A fleet, and its web."""

    def __init__(self, database: Database, **settings: Any) -> None:
        super().__init__(database)
        self.people = KnownPeople()
        self.stopping = threading.Event()
        known = Settings("", **{"public_url": URL, **settings})
        self.parts = Parts(known, database, self.audit, cast("Any", self.people), self.fleet, self.stopping)
        self.app: FastAPI = make_app(self.parts)

    def person(self, name: str, *, role: Role = "user", teams: tuple[str, ...] = ()) -> Actor:
        actor = super().person(name, role=role, teams=teams)
        self.people.actors[name] = actor
        return actor

    def browser(self, name: str = "") -> TestClient:
        """A browser, in which somebody is signed in; it does not follow redirects."""
        headers = {"Accept": "text/html", "Origin": URL, "Sec-Fetch-Site": "same-origin"}
        client = TestClient(self.app, base_url=URL, headers=headers, follow_redirects=False)
        if name:
            client.cookies.set(SESSION, f"session-{name}")
        return client

    def program(self, name: str = "") -> TestClient:
        """A program with somebody's token."""
        headers = {"Authorization": f"Bearer dinv_{name}"} if name else {}
        return TestClient(self.app, base_url=URL, headers=headers)


PROVIDER = OpenIdProvider("Example ID", "https://id.example.com", "dinv")
