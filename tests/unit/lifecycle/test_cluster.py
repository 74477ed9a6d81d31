"""A machine that is part of a cluster: what the cluster is told, and when; of every operation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from fake_driver import FakeMembership, World, install, without_keys
from heard import Heard

from dinv.errors import (
    CannotLeave,
    ClusterError,
    ClusterExists,
    ClusterUnreachable,
    EndpointUnreachable,
    NotSupported,
    QuorumAtRisk,
)
from dinv.lifecycle.change.operation import change
from dinv.lifecycle.create import CreateOptions, create
from dinv.lifecycle.power import kill, restart, start, stop
from dinv.lifecycle.provision import provision
from dinv.lifecycle.remove import remove
from dinv.lifecycle.upgrade import upgrade
from dinv.progress import Progress
from kills import Killed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dinv.lifecycle.host import Host
    from dinv.store.store import Store

CLUSTER = {"check cluster", "examine", "join", "joined", "rest", "resume", "check leave", "forget", "recover"}
POWER = {"prepare", "create container", "health", "stop old", "start", "remove"}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    world = install(monkeypatch, str(tmp_path / "endpoint"))
    without_keys(monkeypatch)
    world.members = {}
    return world


@pytest.fixture
def host(world: World, store: Store) -> Host:
    with create(store, "dev", CreateOptions(driver="fake"), Progress()) as machine:
        pass
    world.steps.clear()
    return machine


def told(world: World) -> list[str]:
    """The steps that matter here."""
    begun = ("leave", "stop ", "upgrade cluster")
    return [step for step in world.steps if step in CLUSTER | POWER or step.startswith(begun)]


def refuse(monkeypatch: pytest.MonkeyPatch, method: str, error: BaseException) -> None:
    def refused(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(FakeMembership, method, refused)


def test_a_machine_joins_once_it_serves_and_not_before_all_is_looked_at(world: World, store: Store) -> None:
    with create(store, "dev", CreateOptions(driver="fake"), Progress()):
        pass
    assert told(world) == [
        "check cluster",
        "prepare",
        "examine",
        "create container",
        "start",
        "health",
        "join",
        "joined",
    ]
    assert store.load("dev").membership == {"Cluster": "c", "Role": "member"}


def test_what_the_cluster_cannot_take_is_found_before_anything_is_made(
    world: World, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse(monkeypatch, "check", ClusterError("dev", "no"))
    with pytest.raises(ClusterError, match="no"):
        create(store, "dev", CreateOptions(driver="fake"), Progress())
    assert world.things() == {}
    assert store.names() == []


def test_what_kept_it_from_joining_may_keep_it_from_leaving(
    world: World, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def join(membership: FakeMembership, *_: object, **__: object) -> None:
        membership.record(Cluster="c", Role="member")
        raise ClusterError("dev", "no quorum")

    def leave(_: object, __: object, *, force: bool) -> list[str]:
        if not force:
            raise ClusterUnreachable("dev", "swarm", [("c", "its swarm has no quorum of managers")])
        return ["A node called dev may be left."]

    monkeypatch.setattr(FakeMembership, "join", join)
    monkeypatch.setattr(FakeMembership, "leave", leave)
    progress = Heard()
    with pytest.raises(ClusterError, match=r"^no quorum$") as caught:
        create(store, "dev", CreateOptions(driver="fake"), progress)
    assert not getattr(caught.value, "__notes__", [])
    assert progress.notes == ["A node called dev may be left."]
    assert world.things() == {}
    assert store.names() == []


def test_a_cluster_keeps_its_name_when_its_first_machine_is_gone(world: World, store: Store) -> None:
    options = CreateOptions(driver="fake")
    with create(store, "c", options, Progress()), create(store, "dev", options, Progress()):
        remove(store, "c")
    with pytest.raises(ClusterExists, match="dev is in it"):
        create(store, "c", options, Progress())
    assert store.names() == ["dev"]
    remove(store, "dev")
    with create(store, "c", options, Progress()):
        pass


def provision_stopped(host: Host, *, force_new_cluster: bool = False, cluster_image: str = "") -> None:
    stop(host, Progress())
    World.current.steps.clear()
    new, image = force_new_cluster, cluster_image
    provision(host.store, "dev", Progress(), force_new_cluster=new, cluster_image=image)


REPLACED = ["rest", "create container", "stop old", "start", "health", "resume"]
OPERATIONS: dict[str, tuple[Callable[[Host, Store], object], list[str]]] = {
    "stop": (lambda host, _: stop(host, Progress()), ["rest", "stop 20"]),
    "restart": (
        lambda host, _: restart(host, Progress()),
        ["rest", "stop 20", "start", "health", "resume"],
    ),
    "kill": (lambda host, _: kill(host, Progress()), []),
    "upgrade": (lambda _, store: upgrade(store, "dev", Progress(), force=True), REPLACED),
    "set": (
        lambda _, store: change(store, "dev", Progress(), options={"size": "9"}, force=True),
        REPLACED,
    ),
    "provision": (
        lambda host, _: provision_stopped(host),
        ["start", "health", "resume", "join", "joined"],
    ),
    "provision --force-new-cluster": (
        lambda host, _: provision_stopped(host, force_new_cluster=True),
        ["start", "health", "recover", "join", "joined", "resume"],
    ),
    "provision --cluster-image": (
        lambda host, _: provision_stopped(host, cluster_image="two"),
        ["start", "health", "resume", "join", "joined", "upgrade cluster to two"],
    ),
    "rm": (lambda _, store: remove(store, "dev"), ["check leave", "leave False", "forget", "remove"]),
    "rm -f": (lambda _, store: remove(store, "dev", force=True), ["leave True", "forget", "remove"]),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_what_the_cluster_is_told(world: World, store: Store, host: Host, name: str) -> None:
    operation, expected = OPERATIONS[name]
    operation(host, store)
    assert told(world) == expected


def test_a_cluster_that_is_lost_is_not_asked_for_work_before_the_new_one(
    world: World, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    def at(step: str) -> None:
        if step == "health":
            raise Killed

    monkeypatch.setattr("dinv.lifecycle.provision.resume", lambda *_, **__: None)  # it has no keys
    world.at = at
    with pytest.raises(Killed):
        upgrade(host.store, "dev", Progress(), force=True)
    world.at = lambda _step: None
    world.steps.clear()
    # The upgrade that was killed is undone first, and the old container serves again.
    provision(host.store, "dev", Progress(), force_new_cluster=True)
    assert [step for step in told(world) if step in CLUSTER] == ["recover", "join", "joined", "resume"]
    assert "take back" in world.steps


def test_a_started_machine_takes_on_work_again(world: World, host: Host) -> None:
    stop(host, Progress())
    assert world.members == {"dev": "resting"}
    start(host, Progress())
    assert world.members == {"dev": "active"}


def test_a_cluster_that_does_not_answer_keeps_no_machine_from_being_stopped_or_started(
    world: World, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    for method in ("rest", "resume"):
        refuse(monkeypatch, method, ClusterError("dev", "The swarm has no leader."))
    progress = Heard()
    stop(host, progress)
    start(host, progress)
    assert told(world) == ["stop 20", "start", "health"]
    assert [text for text in progress.warnings if "no leader" in text] == progress.warnings
    assert len(progress.warnings) == 2


@pytest.mark.parametrize("method", ["check_leave", "leave"])
def test_a_machine_that_its_cluster_cannot_do_without_is_removed_only_by_force(
    world: World, store: Store, host: Host, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    refuse(monkeypatch, method, QuorumAtRisk("dev", "two managers would be left of four"))
    with pytest.raises(QuorumAtRisk, match="rm -f dev"):
        remove(store, "dev")
    assert store.names() == ["dev"]
    assert "container-dev" in world.things()
    left = remove(store, "dev", force=True)
    assert bool(left) == (method == "leave")
    assert store.names() == []


def test_how_to_remove_it_anyway_is_said_once(
    store: Store, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    for error, notes in (
        (ClusterError("dev", "no"), ["To forget the machine anyway: dinv rm -f dev"]),
        (CannotLeave("dev", "k1", "no", stopped="k1"), []),
    ):
        refuse(monkeypatch, "leave", error)
        with pytest.raises(ClusterError) as caught:
            remove(store, "dev")
        assert [str(note) for note in getattr(caught.value, "__notes__", [])] == notes


def test_without_force_an_unreachable_member_keeps_the_record(
    world: World, store: Store, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse(monkeypatch, "leave", EndpointUnreachable("tcp://h:1", "refused"))
    with pytest.raises(EndpointUnreachable) as caught:
        remove(store, "dev")
    assert any("rm -f dev" in note for note in caught.value.__notes__)
    assert "container-dev" in world.things()


def test_a_new_cluster_is_made_only_of_a_member(world: World, store: Store) -> None:
    world.members = None
    with create(store, "dev", CreateOptions(driver="fake"), Progress()):
        pass
    with pytest.raises(NotSupported, match="not part of a cluster"):
        provision(store, "dev", Progress(), force_new_cluster=True)
    with pytest.raises(NotSupported, match="not part of a cluster"):
        provision(store, "dev", Progress(), cluster_image="two")


def test_a_machine_in_no_cluster_is_not_asked_about_one(
    world: World, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.members = None
    with create(store, "dev", CreateOptions(driver="fake"), Progress()) as host:
        stop(host, Progress())
        start(host, Progress())
    remove(store, "dev")
    assert not CLUSTER & set(world.steps)


def test_the_part_in_a_cluster_is_in_the_record_by_its_own_keys(store: Store, host: Host) -> None:
    membership: Any = host.provisioner.membership()
    membership.record(Node="n1", Role=None)
    assert store.load("dev").membership == {"Cluster": "c", "Node": "n1"}
