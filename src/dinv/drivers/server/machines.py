"""A server's machines, by its API: asked for, looked at, changed."""

from __future__ import annotations

import time
from math import inf

from dinv.drivers.remote import Held
from dinv.drivers.server.calls import NO_ROUTE, not_understood, number, text
from dinv.errors import (
    DeadlineExceeded,
    DinvError,
    MachineGoneThere,
    NotLoggedIn,
    ServerRefused,
    ServerUnreachable,
)
from dinv.states import ERROR, PAUSED, RUNNING, STARTING, STOPPED, STOPPING, Status
from dinv.store.login import Login
from dinv.system.deadline import Deadline

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any, TypeVar

    from dinv.drivers.server.calls import Calls

    Found = TypeVar("Found")

MOST_MACHINES = 500
LOOK_SECONDS = 0.3
OUTAGE_SECONDS = 60.0
"""For how long what waits for a machine waits for a server that is away, too: as for its restart."""
AGAIN_SECONDS = 1.0
_STATES = {
    "waiting": STARTING,
    "creating": STARTING,
    "starting": STARTING,
    "ready": RUNNING,
    "stopping": STOPPING,
    "removing": STOPPING,
    "stopped": STOPPED,
    "paused": PAUSED,
}
"""docker-machine's words, by the server's."""


def login_for(store: str, url: str) -> Login:
    """Return the login of a store to this server. Raises NotLoggedIn if it is to none, or to another."""
    found = Login.of(store)
    if found is None:
        raise NotLoggedIn(url, "this store is logged in to none")
    if found.url != url:
        raise NotLoggedIn(url, f"this store is logged in to another one, {found.url}")
    return found


def others(store: str, known: Iterable[str], *, timeout: float) -> list[str]:
    """Return which of one's machines there are not `known` here; none without a login.

    One that does not answer within `timeout` seconds, or refuses, has none to tell.
    """
    from dinv.drivers.server.calls import Calls

    try:
        login = Login.of(store)
        if login is None:
            return []
        calls = Calls.of(login)
        try:
            there = {str(each.get("name")) for each in ServerMachines(calls).all(timeout=timeout)}
        finally:
            calls.close()
    except DinvError:
        return []
    return sorted(there - set(known))


def _objects(value: object) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _moment(value: object) -> str:
    """Return a time as the API has it as dinv writes it: RFC 3339, UTC, whole seconds; "" for none."""
    return f"{str(value)[:19]}Z" if value else ""


class ServerMachines:
    """Machines of one person on one server. `machine` is an id, or a name."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls

    def request(self, *, template: str, name: str, ttl: str, key: str, timeout: float) -> dict[str, Any]:
        """Ask for one; the same `key` again is the same machine. Raises ServerRefused."""
        wanted = {"template": template, "name": name} | ({"ttl": ttl} if ttl else {})
        return self._dict("POST", "machines", wanted, headers={"Idempotency-Key": key}, timeout=timeout)

    def get(self, machine: str, *, timeout: float = 30) -> dict[str, Any] | None:
        """Look at one; None if there is none."""
        try:
            found = self._dict("GET", f"machines/{machine}", timeout=timeout)
        except ServerRefused as error:
            if error.status == 404 and error.kind != NO_ROUTE:
                return None
            raise
        return None if found.get("state") == "removed" else found

    def all(self, *, timeout: float = 30) -> list[dict[str, Any]]:
        """All of one's own, 500 at most."""
        found = self._dict("GET", f"machines?limit={MOST_MACHINES}", timeout=timeout)
        return _objects(found.get("machines"))

    def events(self, machine: str, after: int) -> list[dict[str, Any]]:
        """What happened after this event."""
        return self._list(f"machines/{machine}/events?after={after}")

    def do(self, what: str, machine: str, name: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """POST: start, stop, restart, extend. Raises MachineGoneThere, ServerRefused."""
        try:
            return self._dict("POST", f"machines/{machine}/{what}", body)
        except ServerRefused as error:
            raise self._gone(error, name) from error

    def remove(self, machine: str) -> None:
        """Remove one; none is fine."""
        try:
            self.calls.call("DELETE", f"machines/{machine}")
        except ServerRefused as error:
            if error.status != 404 or error.kind == NO_ROUTE:
                raise

    def certificate(self, machine: str, name: str, csr: bytes) -> dict[str, Any]:
        """Have a signing request signed by the machine's CA."""
        return self.do("certificate", machine, name, {"csr": csr.decode()})

    def share(self, machine: str, name: str, holder: str, ttl: str, csr: bytes) -> dict[str, Any]:
        """The same for somebody else."""
        return self.do("shares", machine, name, {"holder": holder, "ttl": ttl, "csr": csr.decode()})

    def shares(self, machine: str, name: str) -> list[Held]:
        """Return whom the server has given access."""
        try:
            found = self._list(f"machines/{machine}/shares")
        except ServerRefused as error:
            raise self._gone(error, name) from error
        return [
            Held(
                text(each, "serial", self.calls.url).lower().lstrip("0"),
                "" if each.get("is_owner") else str(each.get("holder") or "?"),
                given=_moment(each.get("given_at")),
                by=str(each.get("given_by") or ""),
                not_after=_moment(each.get("not_after")),
                revoked=_moment(each.get("revoked_at")),
            )
            for each in found
        ]

    def revoke(self, machine: str, name: str, serial: str) -> None:
        """Have a certificate refused. Raises MachineGoneThere, ServerRefused."""
        try:
            self.calls.call("DELETE", f"machines/{machine}/shares/{serial}")
        except ServerRefused as error:
            raise self._gone(error, name) from error

    def templates(self) -> str:
        """Return in a sentence which templates one may have."""
        try:
            found = sorted(str(each.get("name")) for each in self._list("templates"))
        except DinvError:
            return "Its page shows which templates there are."
        return f"Its templates: {', '.join(found)}." if found else "It has no templates that you may have."

    def log(
        self, machine: str, *, tail: int | None, follow: bool, timeout: float | Deadline | None
    ) -> Iterator[bytes]:
        """What the machine has said."""
        lines = 10_000 if tail is None else min(tail, 10_000)
        return self.calls.stream(
            f"machines/{machine}/log?tail={lines}&follow={'true' if follow else 'false'}",
            until=Deadline.of(timeout, inf) if follow or timeout is not None else None,
        )

    def patiently(
        self,
        look: Callable[..., Found],
        *given: object,
        said: Callable[[str, str], None] = lambda _kind, _text: None,
    ) -> Found:
        """Call `look`, which changes nothing; where the server is away, again for OUTAGE_SECONDS.

        Raises what `look` does.
        """
        end = None
        while True:
            try:
                return look(*given)
            except (ServerUnreachable, ServerRefused) as error:
                passes = error.passes if isinstance(error, ServerUnreachable) else error.status == 503
                now = time.monotonic()
                if not passes or (end is not None and now > end):
                    raise
                if end is None:
                    end = now + OUTAGE_SECONDS
                    said("note", f"{self.calls.url} is away: waiting for it")
            time.sleep(AGAIN_SECONDS)

    def settle(
        self,
        machine: str,
        name: str,
        wanted: str,
        *,
        timeout: float,
        said: Callable[[str, str], None] = lambda _kind, _text: None,
    ) -> dict[str, Any]:
        """Wait until it is in the state `wanted`; `said` is called with kind and text of what happens.

        While it waits in the server's queue, `timeout`, in seconds, does not count. Raises DeadlineExceeded,
        MachineGoneThere, and ServerRefused with the server's reason where it has failed.
        """
        end = time.monotonic() + timeout
        after, place = 0, None
        while True:
            found = self.patiently(self.get, machine, said=said)
            events = self.patiently(self.events, machine, after, said=said) if found is not None else []
            for event in events:
                after = number(event, "id", self.calls.url)
                said(str(event.get("kind")), str(event.get("text")))
            if found is None:
                raise MachineGoneThere(name, self.calls.url)
            state = text(found, "state", self.calls.url)
            if state == wanted:
                return found
            if state in ("failed", "parked"):
                raise ServerRefused(self.calls.url, 409, "failed", str(found.get("error") or "it has failed"))
            if state == "waiting":
                end = time.monotonic() + timeout
                if found.get("place") != place:
                    place = found.get("place")
                    said("note", f"waits: place {place} in the server's queue")
            elif time.monotonic() > end:
                raise DeadlineExceeded(f'machine "{name}" on {self.calls.url} to be {wanted}', timeout)
            time.sleep(LOOK_SECONDS)

    def _gone(self, error: ServerRefused, name: str) -> ServerRefused | MachineGoneThere:
        gone = error.status == 404 and error.kind != NO_ROUTE
        return MachineGoneThere(name, self.calls.url) if gone else error

    def _list(self, path: str) -> list[dict[str, Any]]:
        _, value = self.calls.call("GET", path)
        return _objects(value)

    def _dict(self, method: str, path: str, body: Any = None, **more: Any) -> dict[str, Any]:
        _, value = self.calls.call(method, path, body, **more)
        if not isinstance(value, dict):
            raise not_understood(self.calls.url, f"the answer to {method} {path} is not an object")
        return value


def status(found: dict[str, Any] | None) -> Status:
    """A machine's state there, in docker-machine's words."""
    if found is None:
        return Status(ERROR, "it is no longer on its dinv server")
    state = str(found.get("state"))
    if state in _STATES:
        return Status(_STATES[state])
    return Status(ERROR, str(found.get("error") or state))
