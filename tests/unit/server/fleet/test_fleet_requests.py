"""The button: what comes of a request."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from fleet_world import GIB, World, with_scopes

from dinv.server.database.schema import endpoints, idempotency, people, templates, usage
from dinv.server.models import Quota
from dinv.server.problems import (
    Conflict,
    Forbidden,
    Invalid,
    NameTaken,
    NotFound,
    QuotaExceeded,
    TemplateGone,
)

if TYPE_CHECKING:
    import sqlalchemy as sa

    from dinv.server.database.database import Database


@pytest.fixture
def world(database: Database) -> World:
    return World(database)


def test_one_of_the_pool_is_ready_at_once(world: World) -> None:
    world.template(ttl=3600)
    world.endpoint()
    world.pool("docker", 1)
    jane = world.person("jane")
    machine = world.fleet.request(jane, "docker", "dev")
    assert (machine.state, machine.name, machine.owner) == ("ready", "dev", "jane")
    assert machine.pooled
    assert machine.claimed_at is not None
    assert machine.expires_at == machine.claimed_at + timedelta(hours=1)
    assert world.operations() == []
    assert world.audited()[-1] == ("jane", "machine.claim", f"machine:{machine.id}")
    assert [event.text for event in world.fleet.events(jane, "dev")] == [
        "creating",
        "ready",
        "It was ready in the pool.",
    ]


def test_one_is_made_where_no_pool_has_any(world: World) -> None:
    world.template(cpus=2.0, memory=GIB, ttl=60)
    world.endpoint(cpus=4.0)
    jane = world.person("jane")
    machine = world.fleet.request(jane, "docker")
    assert (machine.state, machine.name, machine.endpoint, machine.pooled) == (
        "creating",
        "docker",
        "here",
        False,
    )
    assert world.operations() == [("create", "docker", {})]
    assert world.counts() == {"here": (1, 2.0, GIB)}
    assert world.audited()[-1] == ("jane", "machine.request", f"machine:{machine.id}")
    world.work()
    assert world.fleet.machine(jane, "docker").state == "ready"


def test_what_finds_no_room_waits_in_line(world: World) -> None:
    world.template()
    world.endpoint(max_machines=2)
    jane, john = world.person("jane"), world.person("john")
    first = world.fleet.request(jane, name="a")
    world.fleet.request(jane, name="kept")
    second, third = world.fleet.request(jane, name="b"), world.fleet.request(john, name="c")
    assert (second.state, second.place, second.waits_for) == ("waiting", 1, "room on an endpoint")
    # John has none yet.
    assert (third.state, third.place) == ("waiting", 1)
    assert world.fleet.machine(jane, second.id).place == 2
    assert third.expires_at is None
    world.work()
    world.fleet.remove(jane, first.id)
    world.work()
    assert world.states() == {"kept": "ready", "b": "waiting", "c": "ready"}
    assert world.fleet.machine(jane, "b").place == 1
    assert ("server", "machine.place", f"machine:{third.id}") in world.audited()


def test_pools_get_nothing_while_people_wait(world: World) -> None:
    world.template()
    world.template("large", cpus=8.0)
    world.endpoint(cpus=9.0)
    jane = world.person("jane")
    world.fleet.request(jane, "large")
    world.fleet.request(jane, "large")
    with pytest.raises(AssertionError, match="no room for the pool"):
        world.pool("docker", 1)
    assert world.counts() == {"here": (1, 8.0, 0)}


def test_small_ones_do_not_starve_a_large_one(world: World) -> None:
    world.template("small", cpus=1.0)
    world.template("large", cpus=4.0)
    world.endpoint(cpus=4.0)
    actors = [world.person(name) for name in ("a", "b", "c")]
    small = world.fleet.request(actors[0], "small")
    large = world.fleet.request(actors[1], "large")
    late = world.fleet.request(actors[2], "small")
    assert (large.state, late.state) == ("waiting", "waiting")
    world.work()
    world.fleet.remove(actors[0], small.id)
    world.work()
    assert world.fleet.machine(actors[1], large.id).state == "ready"
    assert world.fleet.machine(actors[2], late.id).state == "waiting"


def test_what_fits_elsewhere_passes_by_those_who_wait(world: World) -> None:
    world.template("red", endpoint_labels={"zone": "red"})
    world.template("blue", endpoint_labels={"zone": "blue"})
    world.endpoint("r", labels={"zone": "red"}, max_machines=1)
    world.endpoint("b", labels={"zone": "blue"}, max_machines=1)
    jane = world.person("jane")
    world.fleet.request(jane, "red")
    assert world.fleet.request(jane, "red").state == "waiting"
    blue = world.fleet.request(jane, "blue")
    assert (blue.state, blue.endpoint) == ("creating", "b")


def test_what_could_never_be_is_refused(world: World) -> None:
    world.template(memory=8 * GIB)
    world.endpoint(memory=4 * GIB)
    with pytest.raises(Conflict, match="none is large enough"):
        world.fleet.request(world.person("jane"))


def test_an_endpoint_that_is_down_is_waited_for(world: World) -> None:
    world.template()
    world.endpoint(state="unreachable")
    machine = world.fleet.request(world.person("jane"))
    assert (machine.state, machine.waits_for) == ("waiting", "an endpoint that answers")


def test_a_pool_whose_endpoint_is_down_gives_nothing(world: World) -> None:
    world.template()
    world.endpoint("down")
    world.pool("docker", 1)
    world.database.write(
        lambda connection: connection.execute(endpoints.update().values(state="unreachable"))
    )
    world.endpoint("up")
    assert world.fleet.request(world.person("jane")).endpoint == "up"


@pytest.mark.parametrize(
    ("change", "state"), [({"pool_paused": True}, "ready"), ({"generation": "2"}, "creating")]
)
def test_what_a_pool_gives(world: World, change: dict[str, object], state: str) -> None:
    """What is old is not given away; what is paused is, as by pools on one's own computer."""
    world.template()
    world.endpoint()
    world.pool("docker", 1)
    world.database.write(lambda connection: connection.execute(templates.update().values(change)))
    assert world.fleet.request(world.person("jane")).state == state


def test_the_same_request_again_is_one(world: World) -> None:
    world.template()
    world.endpoint()
    jane, john = world.person("jane"), world.person("john")
    first = world.fleet.request(jane, "docker", key="k")
    assert world.fleet.request(jane, "docker", key="k") == first
    with pytest.raises(Conflict, match="another request"):
        world.fleet.request(jane, "docker", "other", key="k")
    assert world.fleet.request(john, "docker", key="k").id != first.id
    world.database.write(
        lambda connection: connection.execute(
            idempotency.update().values(expires_at=world.database.now(connection) - timedelta(seconds=1))
        )
    )
    assert world.fleet.request(jane, "docker", key="k").id != first.id


def test_the_same_request_at_the_same_time_is_one(world: World) -> None:
    world.template()
    world.endpoint()
    jane = world.person("jane")
    with ThreadPoolExecutor(8) as threads:
        ids = set(threads.map(lambda _: world.fleet.request(jane, key="k").id, range(8)))
    assert len(ids) == 1
    assert world.states() == {"docker": "creating"}


def test_names_are_ones_own(world: World) -> None:
    world.template()
    world.endpoint()
    jane, john = world.person("jane"), world.person("john")
    names = [world.fleet.request(jane).name for _ in range(3)]
    assert names == ["docker", "docker-2", "docker-3"]
    assert world.fleet.request(john, name="docker-2").name == "docker-2"
    with pytest.raises(NameTaken):
        world.fleet.request(jane, name="docker-2")
    world.fleet.remove(jane, "docker-2")
    world.work()
    assert world.fleet.request(jane).name == "docker-2"


def test_the_name_of_one_that_failed_is_free(world: World) -> None:
    world.template()
    world.endpoint(max_machines=1)
    jane = world.person("jane")
    failed = world.fleet.request(jane, name="dev")
    world.fail(failed.id)
    assert world.fleet.machine(jane, "dev").state == "failed"
    before = world.fleet.latest_event()
    again = world.fleet.request(jane, name="dev")
    assert again.id != failed.id
    assert world.fleet.machine(jane, "dev") == again
    # Whoever has either page open is told.
    assert {machine for _, machine, _ in world.fleet.happened(before)[0]} == {failed.id, again.id}


@pytest.mark.parametrize("name", ["-a", "a b", "a/b", "x" * 61, "ä", "a\n"])
def test_names_that_none_can_have(world: World, name: str) -> None:
    with pytest.raises(Invalid, match="cannot be a name") as problem:
        world.fleet.request(world.person("jane"), name=name)
    assert problem.value.fields["errors"][0]["pointer"] == "/name"


def test_templates_that_cannot_be_had(world: World) -> None:
    world.endpoint()
    jane = world.person("jane", teams=("web",))
    with pytest.raises(NotFound, match="no template that you may have"):
        world.fleet.request(jane)
    world.template("db", teams=["data"])
    with pytest.raises(NotFound, match="no template 'db'"):
        world.fleet.request(jane, "db")
    world.template("site", teams=["web", "data"])
    machine = world.fleet.request(jane)
    assert (machine.template, machine.team) == ("site", "web")
    operator = world.person("op", role="operator")
    world.fleet.remove_template(operator, "site")
    with pytest.raises(TemplateGone, match="Choose another"):
        world.fleet.request(jane, "site")
    assert world.fleet.machine(jane, "site").state == "creating"
    # Whoever might not have had it is not told that it was there.
    with pytest.raises(NotFound):
        world.fleet.request(world.person("john"), "site")


def test_time_is_bounded_by_the_template(world: World) -> None:
    world.template(ttl=3600, longest_ttl=7200)
    world.endpoint()
    jane = world.person("jane")
    with pytest.raises(Invalid, match="at most 2h"):
        world.fleet.request(jane, ttl=timedelta(hours=3))
    with pytest.raises(Invalid, match="at least a second"):
        world.fleet.request(jane, ttl=timedelta(0))
    machine = world.fleet.request(jane, ttl=timedelta(hours=2))
    assert machine.expires_at == machine.created_at + timedelta(hours=2)


def test_who_may_not_ask(world: World) -> None:
    world.template()
    world.endpoint()
    jane = world.person("jane")
    with pytest.raises(Forbidden, match="Auditors"):
        world.fleet.request(world.person("aud", role="auditor"))
    with pytest.raises(Forbidden, match="may only look"):
        world.fleet.request(with_scopes(jane, "read"))
    assert world.fleet.request(with_scopes(jane, "machines")).name == "docker"
    world.database.write(lambda connection: connection.execute(people.update().values(disabled=True)))
    with pytest.raises(Conflict, match="disabled"):
        world.fleet.request(jane)


@pytest.mark.parametrize(
    ("limit", "most", "columns"),
    [
        ("machines", 2, {}),
        ("cpus", 3.0, {"cpus": 1.5}),
        ("memory", 5 * GIB, {"memory": 2 * GIB}),
        ("cache", 25, {"cache": 10}),
    ],
)
def test_no_quota_is_exceeded(world: World, limit: str, most: float, columns: dict[str, Any]) -> None:
    world.template(**columns)
    world.endpoint()
    world.pool("docker", 1)
    operator, jane, john = world.person("op", role="operator"), world.person("jane"), world.person("john")
    world.fleet.set_quota(operator, Quota("every-user", **{limit: most}))  # type: ignore[arg-type]
    for _ in range(2):
        world.fleet.request(jane)
    with pytest.raises(QuotaExceeded) as problem:
        world.fleet.request(jane)
    assert problem.value.fields["quota"] == limit
    assert problem.value.fields["subject"] == "user:jane"
    assert problem.value.fields["limit"] == most
    world.fleet.request(john)
    world.fleet.set_quota(operator, Quota("user:jane"))
    world.fleet.request(jane)
    usage, quota = world.fleet.usage(jane)
    assert (usage.machines, quota.machines) == (3, None)


def test_those_who_ask_at_the_same_time_keep_the_quotas(world: World) -> None:
    world.template()
    world.endpoint()
    operator = world.person("op", role="operator")
    actors = [world.person(name, teams=("web",)) for name in ("a", "b", "c")]
    world.fleet.set_quota(operator, Quota("every-user", machines=3))
    world.fleet.set_quota(operator, Quota("team:web", machines=7))
    world.pool("docker", 4)

    def ask(number: int) -> bool:
        try:
            world.fleet.request(actors[number % 3])
        except QuotaExceeded:
            return False
        return True

    with ThreadPoolExecutor(15) as threads:
        done = list(threads.map(ask, range(15)))
    assert sum(done) == 7
    have = [world.fleet.usage(actor)[0].machines for actor in actors]
    assert max(have) <= 3
    assert sum(have) == 7


def test_a_machine_counts_for_the_team_that_has_room(world: World) -> None:
    world.template()
    world.endpoint()
    operator = world.person("op", role="operator")
    jane = world.person("jane", teams=("alpha", "beta"))
    for team in ("alpha", "beta"):
        world.fleet.set_quota(operator, Quota(f"team:{team}", machines=1))
    assert [world.fleet.request(jane).team for _ in range(2)] == ["alpha", "beta"]
    with pytest.raises(QuotaExceeded, match="The team alpha's quota of machines is 1"):
        world.fleet.request(jane)


def test_hours_of_the_last_days_count(world: World) -> None:
    world.template()
    world.endpoint()
    operator, jane = world.person("op", role="operator"), world.person("jane")
    world.fleet.set_quota(operator, Quota("user:jane", hours=10))

    def had(connection: sa.Connection) -> None:
        now = world.database.now(connection)
        for begun, ended in ((31, 29.75), (40, 35), (2, 1.9)):
            connection.execute(
                usage.insert().values(
                    machine_id="m",
                    person_id=jane.person.id,
                    begun_at=now - timedelta(days=begun),
                    ended_at=now - timedelta(days=ended),
                )
            )

    world.database.write(had)
    assert world.fleet.usage(jane)[0].hours == pytest.approx(24 * 0.25 + 2.4, abs=0.01)
    world.fleet.request(jane)
    world.database.write(
        lambda connection: connection.execute(
            usage.update()
            .where(usage.c.ended_at.is_(None))
            .values(begun_at=world.database.now(connection) - timedelta(hours=2))
        )
    )
    with pytest.raises(QuotaExceeded, match="machine hours"):
        world.fleet.request(jane)


def test_a_quota_that_was_lowered_holds_for_those_who_wait(world: World) -> None:
    world.template()
    world.endpoint(max_machines=1)
    operator, jane, john = world.person("op", role="operator"), world.person("jane"), world.person("john")
    first = world.fleet.request(john)
    world.fleet.request(jane)
    world.fleet.set_quota(operator, Quota("user:jane", machines=0))
    world.work()
    world.fleet.remove(john, first.id)
    world.work()
    waiting = world.fleet.machine(jane, "docker")
    assert (waiting.state, waiting.waits_for) == ("waiting", "the quota of jane: machines")
    world.fleet.set_quota(operator, Quota("user:jane", machines=1))
    world.work()
    assert world.fleet.machine(jane, "docker").state == "ready"


def test_each_of_a_pool_has_one_claimer(world: World) -> None:
    world.template()
    world.endpoint(max_machines=10)
    world.pool("docker", 10)
    actors = [world.person(f"p{number}") for number in range(20)]
    with ThreadPoolExecutor(20) as threads:
        got = list(threads.map(world.fleet.request, actors))
    ready = [machine for machine in got if machine.state == "ready"]
    assert len(ready) == 10
    assert len({machine.host_name for machine in ready}) == 10
    assert sum(machine.state == "waiting" for machine in got) == 10
    assert world.counts() == {"here": (10, 0.0, 0)}
    assert world.audit.verify()[1] == ""


def test_those_who_ask_at_the_same_time_fit(world: World) -> None:
    world.template(cpus=0.1, memory=GIB)
    world.endpoint("a", cpus=0.3)
    world.endpoint("b", memory=4 * GIB)
    world.endpoint("c", max_machines=2)
    actors = [world.person(f"p{number}") for number in range(14)]
    with ThreadPoolExecutor(14) as threads:
        got = list(threads.map(world.fleet.request, actors))
    assert sorted(machine.state for machine in got) == ["creating"] * 9 + ["waiting"] * 5
    counts = world.counts()
    assert (counts["a"][0], counts["b"][0], counts["c"][0]) == (3, 4, 2)
