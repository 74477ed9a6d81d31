"""What the web asks about machines. Every method checks the actor, and every change is one transaction.

Nothing here waits for an endpoint: what is to be done there becomes an operation, which a worker does
(`dinv.server.work`), and whose progress are events. What an actor may not see is NotFound.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any, Protocol

import sqlalchemy as sa

from dinv.server.audit import Audit
from dinv.server.database.database import Database
from dinv.server.fleet import (
    changes,
    events,
    lists,
    permissions,
    pools,
    quotas,
    rows,
    shares,
)
from dinv.server.fleet.inventory import endpoints, templates
from dinv.server.fleet.requests import Requests, Wish
from dinv.server.measures import CLAIM_SECONDS
from dinv.server.models import (
    Actor,
    Certificate,
    Desk,
    Endpoint,
    Event,
    Machine,
    Pool,
    Quota,
    Share,
    Template,
    Usage,
)
from dinv.system.deadline import Deadline


class Access(Protocol):
    """What needs a machine's CA or its endpoint at once: `dinv.server.work.access.MachineAccess`."""

    def certify(self, machine: Machine, holder: str, csr: bytes | None, lifetime: timedelta) -> Certificate:
        """Sign by the machine's own CA; makes no call to an endpoint. Takes some milliseconds."""

    def log(self, machine: Machine, *, tail: int, follow: Deadline | None) -> Iterator[bytes]:
        """What the machine has said, and goes on to say until the deadline `follow`."""


class Fleet:
    """What there is and who may have it. Threads may share one object.

    An actor may be anybody: each method says Forbidden or NotFound to one who is not to have it.
    """

    def __init__(self, database: Database, audit: Audit, access: Access) -> None:
        self._database = database
        self._audit = audit
        self._access = access
        self._requests = Requests(database)

    # The button

    def request(
        self,
        actor: Actor,
        template: str = "",
        name: str = "",
        *,
        ttl: timedelta | None = None,
        key: str = "",
    ) -> Machine:
        """Give the actor a machine, or a place in the queue.

        It is one of the template's pool, and "ready"; else one is made, "creating"; else it is "waiting".
        One transaction: quotas of person and teams, the claim (FOR UPDATE SKIP LOCKED), placement, operation,
        events, audit. Without a template it is the default one; without a name a free one. `key` is an
        Idempotency-Key: the same request again returns the same machine. Raises TemplateGone, NotFound,
        QuotaExceeded, NameTaken, Invalid, Conflict for a key with another request.
        """
        wish = Wish(template, name, ttl, key)

        def work(connection: sa.Connection) -> Machine:
            answer = self._requests.request(connection, actor, wish)
            machine = self._shown(connection, answer.machine_id)
            if answer.action:
                # The last thing: from here on all others wait for the end of this transaction.
                self._audit.write(connection, actor, answer.action, f"machine:{machine.id}", **answer.detail)
            return machine

        begun = time.monotonic()
        machine = self._database.write(work)
        if machine.state == "ready":
            CLAIM_SECONDS.observe(time.monotonic() - begun)
        return machine

    def certificate(self, actor: Actor, machine_id: str, csr: bytes | None = None) -> Certificate:
        """The owner's certificate for it, valid for as long as the machine is theirs, at most 30 days.

        Recorded as a share with `is_owner`. Raises Conflict unless it has been ready.
        """
        with self._database.read() as connection:
            permissions.may_have_machines(actor)
            row = rows.find(connection, actor, machine_id)
            lifetime = shares.lifetime_of_owner(row, self._database.now(connection))
        return self._certify(actor, machine_id, actor.person.name, lifetime, csr, is_owner=True)

    # Machines

    def machines(
        self,
        actor: Actor,
        *,
        everybody: bool = False,
        search: str = "",
        state: str = "",
        after: str = "",
        limit: int = 100,
    ) -> tuple[list[Machine], str]:
        """Return a page of machines, the newest first, and the `after` of the next page, "" at the end.

        `everybody` is for operators and auditors. Those removed are left out.
        """
        permissions.may_look(actor)
        if everybody:
            permissions.may_see_all(actor)
        with self._database.read() as connection:
            return lists.page(
                connection, actor, everybody=everybody, search=search, state=state, after=after, limit=limit
            )

    def own_machines(self, actor: Actor) -> list[Machine]:
        """Return the actor's own machines, the newest first, at most 200."""
        permissions.may_look(actor)
        with self._database.read() as connection:
            return lists.own(connection, actor)

    def desk(self, actor: Actor) -> Desk:
        """What somebody has before them when they come: seen at one moment."""
        permissions.may_look(actor)
        with self._database.read() as connection:
            subject = quotas.user(actor.person.name)
            return Desk(
                templates=[rows.template(row) for row in templates.visible(connection, actor)],
                ready=pools.ready(connection),
                machines=lists.own(connection, actor),
                used=quotas.used(connection, now=self._database.now(connection), person_id=actor.person.id),
                quota=quotas.of(connection, [subject])[subject],
            )

    def counts(self, actor: Actor) -> dict[str, int]:
        """Return how many machines there are in each state, for operators and auditors; no removed ones."""
        permissions.may_see_all(actor)
        with self._database.read() as connection:
            return lists.counts(connection)

    def machine(self, actor: Actor, machine_id: str) -> Machine:
        """By id, or by the owner's own name for it."""
        permissions.may_look(actor)
        with self._database.read() as connection:
            return lists.with_places(connection, [rows.find(connection, actor, machine_id)])[0]

    def events(self, actor: Actor, machine_id: str, *, after: int = 0, limit: int = 500) -> list[Event]:
        permissions.may_look(actor)
        with self._database.read() as connection:
            row = rows.find(connection, actor, machine_id)
            return events.after(connection, row.id, after, limit)

    # For the server itself, which wakes those who watch: nothing here is shown to anybody

    def latest_event(self) -> int:
        """Return the id of the newest event, 0 if there is none."""
        with self._database.read() as connection:
            return events.latest(connection)

    def happened(self, after: int, *, limit: int = 1000) -> tuple[list[tuple[int, str, str | None]], bool]:
        """Return ids of events from this one on, of their machines and owners, and whether those are all."""
        with self._database.read() as connection:
            found = events.since(connection, after, limit)
        return found, len(found) < limit

    def extend(self, actor: Actor, machine_id: str, by: timedelta, *, version: int | None = None) -> Machine:
        """To `by` from now, unless it has more; never longer than the template allows from now."""

        def work(connection: sa.Connection, row: sa.Row[Any], now: datetime) -> bool:
            return changes.extend(connection, row, by, now)

        return self._change(
            actor, machine_id, version, "machine.extend", work, seconds=int(by.total_seconds())
        )

    def start(self, actor: Actor, machine_id: str, *, version: int | None = None) -> Machine:
        return self._power(actor, machine_id, version, "start")

    def stop(self, actor: Actor, machine_id: str, *, version: int | None = None) -> Machine:
        return self._power(actor, machine_id, version, "stop")

    def restart(self, actor: Actor, machine_id: str, *, version: int | None = None) -> Machine:
        return self._power(actor, machine_id, version, "restart")

    def remove(self, actor: Actor, machine_id: str, *, version: int | None = None) -> Machine:
        """What waits is gone at once; what is being made is removed as soon as it can be."""
        return self._change(actor, machine_id, version, "machine.remove", changes.remove)

    def log(
        self, actor: Actor, machine_id: str, *, tail: int = 200, follow: Deadline | None = None
    ) -> Iterator[bytes]:
        return self._access.log(
            self.machine(actor, machine_id), tail=max(0, min(tail, 10_000)), follow=follow
        )

    # Who else gets in

    def shares(self, actor: Actor, machine_id: str) -> list[Share]:
        permissions.may_look(actor)
        with self._database.read() as connection:
            return shares.of(connection, rows.find(connection, actor, machine_id).id)

    def share(
        self, actor: Actor, machine_id: str, holder: str, lifetime: timedelta, csr: bytes | None = None
    ) -> Certificate:
        shares.check(holder, lifetime, csr)
        return self._certify(actor, machine_id, holder, lifetime, csr, is_owner=False)

    def revoke(self, actor: Actor, machine_id: str, serial: str) -> None:
        """It is refused as soon as the operation is done, some seconds at most while the endpoint answers."""

        def work(connection: sa.Connection) -> None:
            now = self._database.now(connection)
            row, is_new = shares.revoke(connection, actor, machine_id, serial, now)
            if is_new:
                self._audit.write(connection, actor, "machine.revoke", f"machine:{row.id}", serial=serial)

        self._database.write(work)

    # Templates, endpoints, pools, quotas: seen by people as far as they concern them, changed by operators

    def templates(self, actor: Actor) -> list[Template]:
        """Those that the actor may have, the preselected one first."""
        with self._database.read() as connection:
            return [rows.template(row) for row in templates.visible(connection, actor)]

    def put_template(self, actor: Actor, document: str) -> Template:
        """Raises Invalid with all errors of the YAML, each with its line."""
        permissions.may_operate(actor)
        read = templates.read_document(document)

        def work(connection: sa.Connection) -> Template:
            # Two who add the same one, or another default: there is no row yet that the second waits for.
            self._database.lock(connection, "templates")
            template = templates.put(connection, read)
            self._audit.write(
                connection, actor, "template.put", f"template:{template.name}", generation=template.generation
            )
            return template

        return self._database.write(work)

    def remove_template(self, actor: Actor, name: str) -> None:
        """Its machines stay; its pool's unclaimed ones go."""

        def work(connection: sa.Connection, now: datetime) -> dict[str, Any]:
            row = templates.remove(connection, name, now)
            return {"retired": pools.retire(connection, row.id, now)}

        self._operate(actor, "template.remove", f"template:{name}", work)

    def endpoints(self, actor: Actor) -> list[Endpoint]:
        permissions.may_see_all(actor)
        with self._database.read() as connection:
            return endpoints.every(connection)

    def put_endpoint(
        self,
        actor: Actor,
        name: str,
        *,
        options: dict[str, object],
        weight: int = 1,
        max_machines: int | None = None,
        cpus: float | None = None,
        memory: int | None = None,
        labels: dict[str, str] | None = None,
        enabled: bool = True,
    ) -> Endpoint:
        permissions.may_operate(actor)

        def work(connection: sa.Connection) -> Endpoint:
            self._database.lock(connection, "endpoints")  # as with templates
            endpoint = endpoints.put(
                connection,
                name,
                options=options,
                weight=weight,
                max_machines=max_machines,
                cpus=cpus,
                memory=memory,
                labels=labels,
                enabled=enabled,
            )
            self._audit.write(
                connection, actor, "endpoint.put", f"endpoint:{name}", enabled=enabled, weight=weight
            )
            return endpoint

        return self._database.write(work)

    def remove_endpoint(self, actor: Actor, name: str) -> None:
        """Raises Conflict while machines are on it."""

        def work(connection: sa.Connection, _: datetime) -> dict[str, Any]:
            endpoints.remove(connection, name)
            return {}

        self._operate(actor, "endpoint.remove", f"endpoint:{name}", work)

    def pools(self, actor: Actor) -> list[Pool]:
        """All of them; for a user those of templates that they may have, and of those how many are ready."""
        permissions.may_look(actor)
        with self._database.read() as connection:
            found = pools.counted(connection)
            if actor.sees_all:
                return found
            own = {row.name for row in templates.visible(connection, actor)}
            return [pools.as_users_see(pool) for pool in found if pool.template in own]

    def set_pool(
        self,
        actor: Actor,
        template: str,
        *,
        size: int | None = None,
        maximum: int | None = None,
        paused: bool | None = None,
    ) -> Pool:
        permissions.may_operate(actor)

        def work(connection: sa.Connection) -> Pool:
            row = templates.locked(connection, template)
            pools.change(connection, row, size=size, maximum=maximum, paused=paused)
            changed = pools.counted(connection, template)[0]
            self._audit.write(
                connection,
                actor,
                "pool.set",
                f"template:{template}",
                size=changed.size,
                maximum=changed.maximum,
                paused=changed.paused,
            )
            return changed

        return self._database.write(work)

    def quotas(self, actor: Actor) -> list[Quota]:
        permissions.may_see_all(actor)
        with self._database.read() as connection:
            return quotas.everything(connection)

    def set_quota(self, actor: Actor, quota: Quota) -> None:
        def work(connection: sa.Connection, _: datetime) -> dict[str, Any]:
            self._database.lock(connection, "quotas")  # as with templates
            quotas.put(connection, quota)
            return {limit: getattr(quota, limit) for limit in quotas.LIMITS}

        self._operate(actor, "quota.set", f"quota:{quota.subject[:80]}", work)

    def usage(self, actor: Actor, subject: str = "") -> tuple[Usage, Quota]:
        """What a person ("user:NAME") or team has now, and may have; "" is the actor."""
        permissions.may_look(actor)
        with self._database.read() as connection:
            whose = quotas.whose(connection, actor, subject or quotas.user(actor.person.name))
            used = quotas.used(
                connection,
                now=self._database.now(connection),
                person_id=whose.person_id,
                team_name=whose.team_name,
            )
            return used, quotas.of(connection, [whose.subject])[whose.subject]

    # Shared

    def _shown(self, connection: sa.Connection, machine_id: str) -> Machine:
        row = connection.execute(rows.BY_ID, {"machine": machine_id}).one()
        return lists.with_places(connection, [row])[0]

    def _change(
        self,
        actor: Actor,
        machine_id: str,
        version: int | None,
        action: str,
        work: Callable[[sa.Connection, sa.Row[Any], datetime], bool],
        **detail: Any,
    ) -> Machine:
        """Do something with a machine; what changes nothing is not in the audit log."""

        def change(connection: sa.Connection) -> Machine:
            row = changes.changeable(connection, actor, machine_id, version)
            is_changed = work(connection, row, self._database.now(connection))
            machine = self._shown(connection, row.id)
            if is_changed:
                if row.owner_id != actor.person.id:
                    detail["owner"] = row.owner_name
                self._audit.write(connection, actor, action, f"machine:{row.id}", name=row.name, **detail)
            return machine

        return self._database.write(change)

    def _power(self, actor: Actor, machine_id: str, version: int | None, kind: str) -> Machine:
        def work(connection: sa.Connection, row: sa.Row[Any], now: datetime) -> bool:
            return changes.power(connection, row, kind, now)

        return self._change(actor, machine_id, version, f"machine.{kind}", work)

    def _certify(
        self,
        actor: Actor,
        machine_id: str,
        holder: str,
        lifetime: timedelta,
        csr: bytes | None,
        *,
        is_owner: bool,
    ) -> Certificate:
        """Sign, write down, and only then hand over: what nobody has written down, nobody has."""

        def ready(connection: sa.Connection) -> sa.Row[Any]:
            row = changes.changeable(connection, actor, machine_id, None, owner_only=True)
            shares.refuse_unready(row)
            return row

        machine = rows.machine(self._database.write(ready))
        certificate = self._access.certify(machine, holder, csr, lifetime)

        def work(connection: sa.Connection) -> None:
            row = ready(connection)
            now = self._database.now(connection)
            share = Share(
                serial=certificate.serial,
                holder=holder,
                given_by=actor.person.name,
                given_at=now,
                not_after=certificate.not_after,
                is_owner=is_owner,
            )
            shares.record(connection, row.id, share)
            self._audit.write(
                connection,
                actor,
                "machine.certificate" if is_owner else "machine.share",
                f"machine:{row.id}",
                holder=holder,
                serial=certificate.serial,
                not_after=certificate.not_after,
            )

        self._database.write(work)
        return certificate

    def _operate(
        self,
        actor: Actor,
        action: str,
        what: str,
        work: Callable[[sa.Connection, datetime], dict[str, Any]],
    ) -> None:
        """Do what only operators may, and audit it with what `work` returns."""
        permissions.may_operate(actor)

        def operate(connection: sa.Connection) -> None:
            detail = work(connection, self._database.now(connection))
            self._audit.write(connection, actor, action, what, **detail)

        self._database.write(operate)
