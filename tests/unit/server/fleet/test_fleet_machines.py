"""What people do with machines that are there, and what they see."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from fleet_world import GIB, World, with_scopes
from meanwhile import meanwhile

from dinv.server.database.database import Database
from dinv.server.database.schema import endpoints, machines, usage
from dinv.server.fleet import capacity
from dinv.server.fleet.service import Fleet
from dinv.server.models import Actor, Quota
from dinv.server.problems import Conflict, Forbidden, Invalid, NotFound, VersionMismatch
from dinv.system.deadline import Deadline


@pytest.fixture
def world(database: Database) -> World:
    world = World(database)
    world.template(ttl=3600, longest_ttl=7200, cpus=1.0, memory=GIB)
    world.endpoint()
    return world


def ready(world: World, actor: Actor, name: str = "dev") -> str:
    machine = world.fleet.request(actor, name=name)
    world.work()
    return machine.id


Change = Callable[[Fleet, Actor, str], Any]
CHANGES: dict[str, Change] = {
    "extend": lambda fleet, actor, name: fleet.extend(actor, name, timedelta(hours=2)),
    "start": lambda fleet, actor, name: fleet.start(actor, name),
    "stop": lambda fleet, actor, name: fleet.stop(actor, name),
    "restart": lambda fleet, actor, name: fleet.restart(actor, name),
    "remove": lambda fleet, actor, name: fleet.remove(actor, name),
    "revoke": lambda fleet, actor, name: fleet.revoke(actor, name, "0" * 32),
    "certificate": lambda fleet, actor, name: fleet.certificate(actor, name),
    "share": lambda fleet, actor, name: fleet.share(actor, name, "bob", timedelta(hours=1)),
}
LOOKS: dict[str, Change] = {
    "machine": lambda fleet, actor, name: fleet.machine(actor, name),
    "events": lambda fleet, actor, name: fleet.events(actor, name),
    "shares": lambda fleet, actor, name: fleet.shares(actor, name),
    "log": lambda fleet, actor, name: list(fleet.log(actor, name)),
}


@pytest.mark.parametrize("what", [*CHANGES, *LOOKS])
def test_anothers_machine_is_not_there(world: World, what: str) -> None:
    """Neither by its id, nor by its owner's name for it; and it says the same as of one that never was."""
    machine = ready(world, world.person("jane"))
    john = world.person("john")
    call = {**CHANGES, **LOOKS}[what]
    auditor = world.person("aud", role="auditor")
    before = world.fleet.machine(auditor, machine)
    said = []
    for name in (machine, "dev", "x" * 20, "x" * 200):
        with pytest.raises(NotFound) as problem:
            call(world.fleet, john, name)
        said.append(str(problem.value).replace(name[:64], "NAME"))
    assert len(set(said)) == 1
    assert world.fleet.machine(auditor, machine) == before


@pytest.mark.parametrize("what", CHANGES)
def test_auditors_see_all_and_change_nothing(world: World, what: str) -> None:
    machine = ready(world, world.person("jane"))
    auditor = world.person("aud", role="auditor")
    entries = world.audited()
    for call in LOOKS.values():
        call(world.fleet, auditor, machine)
    with pytest.raises(Forbidden, match="change nothing"):
        CHANGES[what](world.fleet, auditor, machine)
    assert world.audited() == entries


@pytest.mark.parametrize("what", [*CHANGES, "request"])
def test_a_token_that_may_look_changes_nothing(world: World, what: str) -> None:
    jane = world.person("jane")
    ready(world, jane)
    token = with_scopes(jane, "read")
    for call in LOOKS.values():
        call(world.fleet, token, "dev")
    changes: dict[str, Change] = dict(CHANGES)
    changes["request"] = lambda fleet, actor, name: fleet.request(actor, name=name)
    with pytest.raises(Forbidden, match="may only look"):
        changes[what](world.fleet, token, "dev")
    nothing = with_scopes(jane)
    with pytest.raises(Forbidden, match="may do nothing"):
        world.fleet.machine(nothing, "dev")


def test_operators_stop_and_remove_and_do_not_get_in(world: World) -> None:
    jane, operator = world.person("jane"), world.person("op", role="operator")
    machine = ready(world, jane)
    assert world.fleet.stop(operator, machine).state == "stopping"
    entry = world.audit.entries(limit=1)[0]
    assert (entry.actor, entry.action, entry.detail["owner"]) == ("op", "machine.stop", "jane")
    for what in ("certificate", "share"):
        with pytest.raises(Forbidden, match="Only the machine's owner"):
            CHANGES[what](world.fleet, operator, machine)
    with pytest.raises(Forbidden, match="scope operate"):
        world.fleet.remove(with_scopes(operator, "machines"), machine)
    world.work()
    assert world.fleet.remove(operator, machine).state == "removing"


@pytest.mark.parametrize(
    "call",
    [
        lambda fleet, actor: fleet.machines(actor, everybody=True),
        lambda fleet, actor: fleet.endpoints(actor),
        lambda fleet, actor: fleet.quotas(actor),
    ],
)
def test_what_concerns_all_is_for_operators_and_auditors(world: World, call: Callable[..., Any]) -> None:
    with pytest.raises(Forbidden, match="Only operators and auditors"):
        call(world.fleet, world.person("jane"))
    call(world.fleet, world.person("aud", role="auditor"))
    call(world.fleet, with_scopes(world.person("op", role="operator"), "read"))


@pytest.mark.parametrize(
    "call",
    [
        lambda fleet, actor: fleet.put_endpoint(actor, "x", options={}),
        lambda fleet, actor: fleet.remove_endpoint(actor, "here"),
        lambda fleet, actor: fleet.put_template(actor, ""),
        lambda fleet, actor: fleet.remove_template(actor, "docker"),
        lambda fleet, actor: fleet.set_pool(actor, "docker", size=1),
        lambda fleet, actor: fleet.set_quota(actor, Quota("every-user", machines=1)),
    ],
)
def test_what_only_operators_change(world: World, call: Callable[..., Any]) -> None:
    operator = world.person("op", role="operator")
    for actor in (
        world.person("jane"),
        world.person("aud", role="auditor"),
        with_scopes(operator, "read", "machines"),
    ):
        with pytest.raises(Forbidden):
            call(world.fleet, actor)
    assert world.audited() == []


def test_a_machines_days(world: World) -> None:
    jane = world.person("jane")
    machine = ready(world, jane)
    fleet = world.fleet
    assert fleet.start(jane, "dev").state == "ready"
    assert fleet.stop(jane, "dev").state == "stopping"
    with pytest.raises(Conflict, match="is stopping"):
        fleet.restart(jane, "dev")
    world.work()
    assert fleet.stop(jane, "dev").state == "stopped"
    assert fleet.start(jane, "dev").state == "starting"
    world.work()
    assert fleet.restart(jane, "dev").state == "starting"
    world.work()
    assert fleet.remove(jane, "dev").state == "removing"
    assert fleet.remove(jane, "dev").state == "removing"
    assert world.operations() == [("remove", "dev", {"why": "asked"})]
    world.work()
    assert world.counts() == {"here": (0, 0.0, 0)}
    assert fleet.machine(jane, machine).state == "removed"
    assert fleet.remove(jane, machine).state == "removed"
    with pytest.raises(NotFound):
        fleet.machine(jane, "dev")
    assert [action for _, action, _ in world.audited()] == [
        "machine.request",
        "machine.stop",
        "machine.start",
        "machine.restart",
        "machine.remove",
    ]
    with world.database.read() as connection:
        times = connection.execute(sa.select(usage)).all()
    assert len(times) == 1
    assert times[0].ended_at is not None


def test_a_change_of_another_version_is_refused(world: World) -> None:
    jane = world.person("jane")
    ready(world, jane)
    version = world.fleet.machine(jane, "dev").version
    for what in ("stop", "start", "restart", "remove"):
        with pytest.raises(VersionMismatch) as problem:
            getattr(world.fleet, what)(jane, "dev", version=version - 1)
        assert problem.value.fields["version"] == version
    assert world.fleet.stop(jane, "dev", version=version).version == version + 1


def test_time_is_extended_within_bounds(world: World) -> None:
    jane = world.person("jane")
    ready(world, jane)
    before = world.fleet.machine(jane, "dev").expires_at
    assert before is not None
    assert world.fleet.extend(jane, "dev", timedelta(minutes=1)).expires_at == before
    after = world.fleet.extend(jane, "dev", timedelta(hours=2)).expires_at
    assert after is not None
    assert timedelta(minutes=59) < after - before < timedelta(minutes=61)
    with pytest.raises(Invalid, match="at most 2h"):
        world.fleet.extend(jane, "dev", timedelta(hours=3))
    for by in (timedelta(0), timedelta(days=-1), timedelta.max):
        with pytest.raises(Invalid):
            world.fleet.extend(jane, "dev", by)
    assert world.audited()[-1][1] == "machine.extend"
    world.fleet.remove(jane, "dev")
    with pytest.raises(Conflict, match="nothing to extend"):
        world.fleet.extend(jane, "dev", timedelta(hours=1))


def test_what_waits_goes_at_once(world: World) -> None:
    jane = world.person("jane")
    world.database.write(lambda connection: connection.execute(endpoints.update().values(max_machines=0)))
    world.endpoint("full", max_machines=1)
    first, second = world.fleet.request(jane, name="a"), world.fleet.request(jane, name="b")
    assert (first.state, second.state) == ("creating", "waiting")
    assert world.fleet.extend(jane, "b", timedelta(hours=2)).state == "waiting"
    assert world.fleet.remove(jane, "b").state == "removed"
    assert world.operations() == [("create", "a", {})]
    # What is being made goes as soon as it can.
    assert world.fleet.remove(jane, "a").state == "removing"
    assert world.operations() == [("create", "a", {}), ("remove", "a", {"why": "asked"})]
    world.work()
    assert world.states() == {}


def test_what_failed_holds_nothing(world: World) -> None:
    jane = world.person("jane")
    machine = world.fleet.request(jane, name="dev")
    world.fail(machine.id)
    failed = world.fleet.machine(jane, "dev")
    assert (failed.state, failed.error) == ("failed", "no space left on device")
    assert world.counts() == {"here": (0, 0.0, 0)}
    assert world.fleet.usage(jane)[0].machines == 0
    with pytest.raises(Conflict, match="is failed"):
        world.fleet.start(jane, "dev")
    with pytest.raises(Conflict, match="no certificates"):
        world.fleet.certificate(jane, "dev")
    assert world.fleet.remove(jane, "dev").state == "removed"


def test_certificates_are_written_down(world: World) -> None:
    jane = world.person("jane")
    world.fleet.request(jane, name="dev")
    with pytest.raises(Conflict, match="is creating: it has no certificates"):
        world.fleet.certificate(jane, "dev")
    world.work()
    certificate = world.fleet.certificate(jane, "dev")
    shared = world.fleet.share(jane, "dev", "bob", timedelta(days=1), b"csr")
    assert (certificate.key, shared.key) == (b"key", None)
    lifetimes = [lifetime for _, _, lifetime in world.access.certified]
    assert lifetimes[0] == timedelta(days=30)
    assert lifetimes[1] == timedelta(days=1)
    shares = {share.holder: share for share in world.fleet.shares(jane, "dev")}
    assert (shares["jane"].is_owner, shares["bob"].is_owner) == (True, False)
    assert shares["bob"].given_by == "jane"
    world.fleet.revoke(jane, "dev", shared.serial)
    world.fleet.revoke(jane, "dev", shared.serial)
    assert world.operations() == [("revoke", "dev", {"serial": shared.serial})]
    assert {share.holder for share in world.fleet.shares(jane, "dev") if share.revoked_at} == {"bob"}
    with pytest.raises(NotFound, match="has given no certificate"):
        world.fleet.revoke(jane, "dev", "f" * 32)
    assert [action for _, action, _ in world.audited()[1:]] == [
        "machine.certificate",
        "machine.share",
        "machine.revoke",
    ]


@pytest.mark.parametrize(
    ("holder", "lifetime"), [("", 1), (" ", 1), ("x" * 65, 1), ("a\nb", 1), ("bob", 0), ("bob", 31)]
)
def test_certificates_that_are_not_given(world: World, holder: str, lifetime: float) -> None:
    jane = world.person("jane")
    ready(world, jane)
    with pytest.raises(Invalid):
        world.fleet.share(jane, "dev", holder, timedelta(days=lifetime))


def test_a_machine_without_an_end_has_certificates_for_a_month(world: World) -> None:
    jane = world.person("jane")
    ready(world, jane)
    world.database.write(lambda connection: connection.execute(machines.update().values(expires_at=None)))
    world.fleet.certificate(jane, "dev")
    assert world.access.certified[-1][2] == timedelta(days=30)
    assert world.fleet.extend(jane, "dev", timedelta(hours=1)).expires_at is None


def test_pages_have_all_machines_once(world: World) -> None:
    jane, operator = world.person("jane"), world.person("op", role="operator")
    for number in range(7):
        world.fleet.request(jane, name=f"m{number}")
    world.fleet.request(world.person("john"), name="his")
    seen: list[str] = []
    after, pages = "", 0
    while True:
        page, after = world.fleet.machines(operator, everybody=True, after=after, limit=3)
        seen += [machine.name for machine in page]
        pages += 1
        if pages == 1:
            world.fleet.request(jane, name="new")
        if not after:
            break
    assert seen == ["his", *(f"m{number}" for number in reversed(range(7)))]
    assert [machine.name for machine in world.fleet.machines(jane)[0]][:2] == ["new", "m6"]
    assert len(world.fleet.machines(jane)[0]) == 8


def test_machines_are_searched(world: World) -> None:
    jane, operator = world.person("jane"), world.person("op", role="operator")
    world.fleet.request(jane, name="alpha")
    ready(world, jane, "beta")
    world.fleet.stop(jane, "beta")

    def found(**filters: Any) -> list[str]:
        return [machine.name for machine in world.fleet.machines(operator, everybody=True, **filters)[0]]

    assert found(search="ALPH") == ["alpha"]
    assert found(search="jane") == ["beta", "alpha"]
    assert found(search="here") == ["beta", "alpha"]
    assert found(search="%") == found(search="_") == found(search="\0nothing") == []
    assert found(state="stopping") == ["beta"]
    assert found(state="no-state") == []


@pytest.mark.parametrize("after", ["x", "1-", "-", "9" * 30 + "-a", "1" * 70, "²-a"])
def test_pages_begin_where_one_ended(world: World, after: str) -> None:
    jane = world.person("jane")
    if after == "1-":
        assert world.fleet.machines(jane, after=after) == ([], "")
        return
    with pytest.raises(Invalid, match="not where a page begins"):
        world.fleet.machines(jane, after=after)


def test_events_follow_each_other(world: World) -> None:
    jane = world.person("jane")
    ready(world, jane)
    world.fleet.stop(jane, "dev")
    first, second, third = world.fleet.events(jane, "dev")
    assert (first.text, second.text, third.text) == ("creating", "ready", "stopping")
    assert world.fleet.events(jane, "dev", after=first.id) == [second, third]
    assert world.fleet.events(jane, "dev", limit=1) == [first]


def test_logs_are_asked_for_with_bounds(world: World) -> None:
    jane = world.person("jane")
    ready(world, jane)
    assert b" 10000 True" in b"".join(world.fleet.log(jane, "dev", tail=10**9, follow=Deadline(10)))


def test_endpoints_are_set_and_removed(world: World) -> None:
    operator = world.person("op", role="operator")
    with pytest.raises(Invalid) as problem:
        world.fleet.put_endpoint(operator, "e", options={"name": "x"}, weight=-1, memory=2**70)
    assert [error["pointer"] for error in problem.value.fields["errors"]] == [
        "/weight",
        "/memory",
        "/options/name",
    ]
    for number in (float("nan"), float("inf")):
        with pytest.raises(Invalid):
            world.fleet.put_endpoint(operator, "e", options={}, cpus=number)
    made = world.fleet.put_endpoint(
        operator, "e", options={"endpoint": "tcp://e:2376"}, cpus=4, labels={"a": "b"}
    )
    assert (made.name, made.cpus, made.labels, made.state) == ("e", 4, {"a": "b"}, "unknown")
    ready(world, world.person("jane"))
    names = {endpoint.name: endpoint.machines for endpoint in world.fleet.endpoints(operator)}
    on = next(name for name, count in names.items() if count)
    with pytest.raises(Conflict, match="1 machines are on the endpoint"):
        world.fleet.remove_endpoint(operator, on)
    with pytest.raises(
        Conflict, match=r"A machine is on the endpoint .*known there by its address"
    ) as conflict:
        world.fleet.put_endpoint(operator, on, options={"endpoint": "tcp://other:2376"})
    assert conflict.value.fields["machines"] == 1
    kept = world.fleet.put_endpoint(operator, on, options={}, enabled=False)
    assert (kept.machines, kept.enabled) == (1, False)
    world.fleet.remove(operator, world.fleet.machines(operator, everybody=True)[0][0].id)
    world.work()
    world.fleet.remove_endpoint(operator, on)
    with pytest.raises(NotFound):
        world.fleet.remove_endpoint(operator, on)


def test_pools_are_set(world: World) -> None:
    operator = world.person("op", role="operator")
    pool = world.fleet.set_pool(operator, "docker", size=3, maximum=10)
    assert (pool.size, pool.maximum, pool.paused, pool.ready) == (3, 10, False, 0)
    world.pool("docker", 2)
    world.fleet.request(world.person("jane"))
    pool = world.fleet.set_pool(operator, "docker", paused=True)
    assert (pool.ready, pool.claimed, pool.paused, pool.size) == (1, 1, True, 3)
    assert world.fleet.pools(operator) == [pool]
    wrongs: list[dict[str, Any]] = [{"size": 11}, {"size": -1}, {"maximum": 10**6}, {"maximum": 2}]
    for wrong in wrongs:
        with pytest.raises(Invalid):
            world.fleet.set_pool(operator, "docker", **wrong)
    with pytest.raises(NotFound):
        world.fleet.set_pool(operator, "none", size=1)


def test_people_see_how_many_are_ready_of_what_they_may_have(world: World) -> None:
    operator, jane = world.person("op", role="operator"), world.person("jane")
    world.template("others", teams=["web"], pool_size=1)
    world.fleet.set_pool(operator, "docker", size=2, maximum=9)
    world.pool("docker", 1)
    assert [pool.template for pool in world.fleet.pools(operator)] == ["docker", "others"]
    (seen,) = world.fleet.pools(jane)
    assert (seen.template, seen.ready) == ("docker", 1)
    assert seen.error == ""


def test_quotas_are_set_for_whom_there_is(world: World) -> None:
    operator, jane = world.person("op", role="operator"), world.person("jane", teams=("web",))
    for subject in ("jane", "user:", "team", "", "every", "x:jane"):
        with pytest.raises(Invalid):
            world.fleet.set_quota(operator, Quota(subject, machines=1))
    with pytest.raises(NotFound):
        world.fleet.set_quota(operator, Quota("user:nobody", machines=1))
    for value in (-1, float("nan"), float("inf")):
        with pytest.raises(Invalid):
            world.fleet.set_quota(operator, Quota("user:jane", cpus=value))
    for subject in ("team:web", "user:jane", "every-user"):
        world.fleet.set_quota(operator, Quota(subject, machines=1, hours=2.5))
    world.fleet.set_quota(operator, Quota("every-user"))
    assert [quota.subject for quota in world.fleet.quotas(operator)] == ["team:web", "user:jane"]
    assert world.fleet.usage(jane, "team:web")[1].hours == 2.5
    for subject in ("team:other", "user:op", "every-user", "x"):
        with pytest.raises(NotFound):
            world.fleet.usage(jane, subject)
    assert world.fleet.usage(operator, "user:jane")[1].machines == 1


def test_counts_that_are_wrong_are_mended(world: World) -> None:
    ready(world, world.person("jane"))
    assert world.database.write(capacity.recount) == {}
    world.database.write(
        lambda connection: connection.execute(
            endpoints.update().values(machines=7, used_cpus=0.5, used_memory=3)
        )
    )
    said = world.database.write(capacity.recount)
    assert "7 machines" in said["here"]
    assert world.counts() == {"here": (1, 1.0, GIB)}


TEMPLATE = "apiVersion: dinv/v1\nkind: Template\nname: {}\ndefault: {}\n"
PUTS: dict[str, Callable[[Fleet, Actor], object]] = {
    "templates": lambda fleet, actor: fleet.put_template(actor, TEMPLATE.format("new", "false")),
    "endpoints": lambda fleet, actor: fleet.put_endpoint(actor, "new", options={}),
    "quotas": lambda fleet, actor: fleet.set_quota(actor, Quota("every-user", machines=1)),
}


@pytest.mark.parametrize("table", PUTS)
def test_two_operators_may_put_the_same_at_once(world: World, table: str) -> None:
    operator = world.person("op", role="operator")

    def put() -> object:
        return PUTS[table](world.fleet, operator)

    meanwhile(world.database, table, put, put)
    if table == "quotas":  # the row that is there is exchanged
        meanwhile(world.database, table, put, put)
    assert [quota.subject for quota in world.fleet.quotas(operator)] == ["every-user"] * (table == "quotas")


def test_of_two_defaults_that_are_put_at_once_one_stays(world: World) -> None:
    operator = world.person("op", role="operator")
    documents = [TEMPLATE.format(name, "true") for name in ("a", "b")]
    first, other = ((lambda each=each: world.fleet.put_template(operator, each)) for each in documents)
    meanwhile(world.database, "templates", first, other)
    assert [each.name for each in world.fleet.templates(operator) if each.is_default] == ["b"]
