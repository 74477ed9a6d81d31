"""Several people, quotas, a pool and endpoints with little room: what always holds, whatever they do.

On SQLite; that the two databases decide alike is what test_fleet_requests.py shows on both.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from fleet_world import World
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from dinv.server.database.database import Database
from dinv.server.database.schema import endpoints, machines, operations, usage
from dinv.server.fleet import pools
from dinv.server.fleet.rows import HELD_STATES, OWNED_STATES
from dinv.server.models import Quota
from dinv.server.problems import Conflict, QuotaExceeded

PEOPLE = ("ann", "bob", "cyd")
ACTORS = st.sampled_from(PEOPLE)
TEMPLATES = st.sampled_from(["small", "large", "zoned"])
MACHINES_EACH, CPUS_OF_TEAM = 4, 9.0


class Rules(RuleBasedStateMachine):
    """What people, workers and operators do, in any order."""

    template_file: Path

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.mkdtemp(prefix="dinv-rules-")
        path = shutil.copy(self.template_file, self.directory)
        self.database = Database(f"sqlite:///{path}")
        self.world = World(self.database)
        world = self.world
        world.template("small", cpus=1.0, ttl=600, longest_ttl=1200)
        world.template("large", cpus=3.0)
        world.template("zoned", cpus=1.0, endpoint_labels={"zone": "a"})
        world.endpoint("a", cpus=4.0, labels={"zone": "a"})
        world.endpoint("b", max_machines=3)
        self.operator = world.person("op", role="operator")
        self.actors = {name: world.person(name, teams=("team",)) for name in PEOPLE}
        world.fleet.set_quota(self.operator, Quota("every-user", machines=MACHINES_EACH))
        world.fleet.set_quota(self.operator, Quota("team:team", cpus=CPUS_OF_TEAM))
        self.claimed: set[str] = set()
        self.done = len(world.audited())

    def teardown(self) -> None:
        self.database.close()
        shutil.rmtree(self.directory)

    def audited(self, count: int = 1) -> None:
        self.done += count

    @rule(name=ACTORS, template=TEMPLATES, key=st.sampled_from(["", "", "k1", "k2"]))
    def ask(self, name: str, template: str, key: str) -> None:
        """A machine was unowned before it is claimed; and whoever asks has it from then on."""
        pooled = self.pooled_ready(template)
        waited = self.in_line()
        before = self.world.audit.entries(limit=1)[0].seq
        try:
            machine = self.world.fleet.request(self.actors[name], template, key=key)
        except (QuotaExceeded, Conflict):
            assert self.world.audit.entries(limit=1)[0].seq == before
            return
        assert machine.owner == name
        self.audited(self.world.audit.entries(limit=1)[0].seq - before)
        if self.world.audit.entries(limit=1)[0].seq == before:
            assert key, "a request that is not in the audit log was made before"
            return
        if machine.id in pooled:
            assert machine.state == "ready"
            self.claimed.add(machine.id)
        else:
            assert not pooled, "there was one in the pool"
            assert machine.state in ("creating", "waiting")
            if machine.state == "creating":
                self.was_fair(waited, machine.id)

    @rule(name=ACTORS, data=st.data(), what=st.sampled_from(["start", "stop", "restart", "remove", "extend"]))
    def change(self, name: str, data: st.DataObject, what: str) -> None:
        actor = self.actors[name]
        mine = [machine.id for machine in self.world.fleet.machines(actor)[0]]
        if not mine:
            return
        machine = data.draw(st.sampled_from(sorted(mine)))
        before = self.world.fleet.machine(actor, machine)
        try:
            if what == "extend":
                after = self.world.fleet.extend(actor, machine, timedelta(seconds=900))
            else:
                after = getattr(self.world.fleet, what)(actor, machine)
        except Conflict:
            assert self.world.fleet.machine(actor, machine).version == before.version
            return
        self.audited(after.version != before.version)

    @rule()
    def work(self) -> None:
        before = self.world.audit.entries(limit=1)[0].seq
        self.world.work()
        self.audited(self.world.audit.entries(limit=1)[0].seq - before)

    @rule(data=st.data())
    def fail(self, data: st.DataObject) -> None:
        making = self.select(machines.c.id, machines.c.state == "creating")
        if making:
            self.world.fail(data.draw(st.sampled_from(sorted(making))))

    @rule(template=TEMPLATES)
    def fill_pool(self, template: str) -> None:
        waiting = self.in_line()

        def make(connection: sa.Connection) -> str | None:
            from dinv.server.database.schema import templates

            row = connection.execute(sa.select(templates).where(templates.c.name == template)).one()
            return pools.new(connection, row, self.database.now(connection))

        made = self.database.write(make)
        assert not (made and waiting), "a pool got what somebody waits for"

    @rule(state=st.sampled_from(["ok", "unreachable"]), name=st.sampled_from("ab"))
    def endpoint_changes(self, state: str, name: str) -> None:
        here = endpoints.c.name == name
        self.database.write(
            lambda connection: connection.execute(endpoints.update().where(here).values(state=state))
        )

    @rule(template=TEMPLATES, paused=st.booleans())
    def pause(self, *, template: str, paused: bool) -> None:
        self.world.fleet.set_pool(self.operator, template, paused=paused)
        self.audited()

    # What is looked at

    def select(self, column: sa.Column[str], *conditions: sa.ColumnElement[bool]) -> list[str]:
        with self.database.read() as connection:
            return list(connection.scalars(sa.select(column).where(*conditions)))

    def in_line(self) -> list[tuple[str, str, str]]:
        """Those who wait: ids, owners and templates, in the order of their places."""
        page, _ = self.world.fleet.machines(self.operator, everybody=True, state="waiting")
        ordered = sorted(page, key=lambda machine: machine.place or 0)
        assert [machine.place for machine in ordered] == list(range(1, len(ordered) + 1))
        return [(machine.id, machine.owner, machine.template) for machine in ordered]

    def was_fair(self, waited: list[tuple[str, str, str]], machine_id: str) -> None:
        """Nobody who waited for a machine of the same template was passed by one that came later."""
        still = {waiting for waiting, _, _ in self.in_line()}
        _, owner, template = next(
            (one.id, one.owner, one.template)
            for one in self.world.fleet.machines(self.operator, everybody=True)[0]
            if one.id == machine_id
        )
        for waiting, other, wanted in waited:
            if wanted == template and waiting in still and other != owner:
                assert self.holds(other) >= self.holds(owner) - 1, "whoever has less was passed by"

    def holds(self, name: str) -> int:
        actor = self.actors[name]
        states = [machine.state for machine in self.world.fleet.machines(actor)[0]]
        return sum(state in HELD_STATES for state in states)

    def pooled_ready(self, template: str) -> set[str]:
        from dinv.server.database.schema import templates

        with self.database.read() as connection:
            joined = machines.join(templates, templates.c.id == machines.c.template_id)
            joined = joined.join(endpoints, endpoints.c.id == machines.c.endpoint_id)
            query = sa.select(machines.c.id).select_from(joined)
            query = query.where(
                templates.c.name == template,
                machines.c.owner_id.is_(None),
                machines.c.state == "ready",
                endpoints.c.state != "unreachable",
            )
            return set(connection.scalars(query))

    # What always holds

    @invariant()
    def endpoints_count_what_is_on_them(self) -> None:
        with self.database.read() as connection:
            on = connection.execute(
                sa.select(endpoints.c.name, machines.c.cpus, machines.c.memory)
                .join(endpoints, endpoints.c.id == machines.c.endpoint_id)
                .where(machines.c.state.in_(HELD_STATES))
            ).all()
        counts = self.world.counts()
        for name, (count, cpus, memory) in counts.items():
            there = [row for row in on if row.name == name]
            assert (count, memory) == (len(there), sum(row.memory for row in there))
            assert cpus == pytest.approx(sum(row.cpus for row in there))
        assert counts["a"][1] <= 4.0 + 1e-9
        assert counts["b"][0] <= 3

    @invariant()
    def quotas_are_kept(self) -> None:
        with self.database.read() as connection:
            rows = connection.execute(
                sa.select(machines.c.owner_id, machines.c.cpus).where(
                    machines.c.owner_id.is_not(None), machines.c.state.in_(OWNED_STATES)
                )
            ).all()
        have = Counter(row.owner_id for row in rows)
        assert not have or max(have.values()) <= MACHINES_EACH
        assert sum(row.cpus for row in rows) <= CPUS_OF_TEAM + 1e-9

    @invariant()
    def what_is_claimed_stays_its_claimers(self) -> None:
        for machine in self.claimed:
            assert self.select(machines.c.owner_id, machines.c.id == machine) != [None]

    @invariant()
    def time_is_counted_once(self) -> None:
        """For each machine that somebody has on an endpoint one time is open, and none else."""
        open_times = self.select(usage.c.machine_id, usage.c.ended_at.is_(None))
        held = self.select(machines.c.id, machines.c.owner_id.is_not(None), machines.c.state.in_(HELD_STATES))
        assert sorted(open_times) == sorted(held)

    @invariant()
    def what_is_under_way_has_an_operation(self) -> None:
        queued = set(self.select(operations.c.machine_id, operations.c.state == "queued"))
        meanwhile = machines.c.state.in_(("creating", "starting", "stopping", "removing"))
        assert set(self.select(machines.c.id, meanwhile)) <= queued

    @invariant()
    def the_log_is_whole(self) -> None:
        count, wrong = self.world.audit.verify()
        assert (count, wrong) == (self.done, "")


def test_rules_hold(sqlite_template: Path) -> None:
    class Machine(Rules):
        template_file = sqlite_template

    run_state_machine_as_test(
        Machine, settings=settings(max_examples=15, stateful_step_count=30, deadline=None)
    )
