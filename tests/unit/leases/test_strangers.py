"""Machines without a record here: only their labels say what may be done, and nothing else is touched."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dinv.endpoints import own_network
from dinv.errors import Conflict, EndpointUnreachable, NotFound
from dinv.leases import activity, strangers
from dinv.leases.activity import Activity
from dinv.leases.reaped import Terms
from dinv.lifecycle.host import leasing
from dinv.progress import Progress
from dinv.store.lease import Lease, seconds

if TYPE_CHECKING:
    from typing import Any

    from dinv.leases.reaped import Reaped

END = "2031-01-01T12:00:00Z"
AFTER = float(seconds(END) or 0) + 1
ID = "ab" * 16


class Fake:
    """An endpoint: containers and volumes by name, with their labels."""

    address = "unix:///fake"

    def __init__(self) -> None:
        self.things: dict[str, dict[str, str]] = {}
        self.volumes_of: dict[str, dict[str, str]] = {}
        self.states: dict[str, str] = {}
        self.containers = self.volumes = self
        self.stopped: list[str] = []
        self.away = ""
        self.removing: dict[str, int] = {}

    def info(self) -> dict[str, str]:
        return {"ServerVersion": "26.1.5"}

    def machine(self, name: str, lease: Lease, identity: str = ID, **labels: str) -> None:
        known = {"io.dinv.machine": name, "io.dinv.id": identity, "io.dinv.role": "machine"}
        self.things[name] = {**known, **lease.labels(), **labels}
        for role in ("cache", "data1"):
            self.volumes_of[f"{name}-{role}"] = {"io.dinv.id": identity, "io.dinv.role": role}

    def list(self, *, all: bool = False, filters: object = None) -> list[dict[str, Any]]:  # noqa: A002
        if not all:
            return [{"Name": name, "Labels": labels} for name, labels in self.volumes_of.items()]
        return [
            {"Id": name, "Labels": labels, "State": self.states.get(name, "running")}
            for name, labels in self.things.items()
        ]

    def inspect(self, name: str, **_: object) -> dict[str, str]:
        """What another has begun to remove is gone by the second look."""
        if name not in self.things:
            raise NotFound("No such container")
        if self.removing.pop(name, None) is None:
            del self.things[name]
        return {"Id": name}

    def remove(self, name: str, **_: object) -> None:
        if name in self.removing:
            if name in self.volumes_of:
                self.removing[name] -= 1
                if not self.removing[name]:
                    del self.removing[name]
            raise Conflict("removal is already in progress, or the volume is in use")
        if name == self.away:
            raise EndpointUnreachable("unix:///fake", "gone")
        del (self.things if name in self.things else self.volumes_of)[name]

    def stop(self, name: str, **_: object) -> None:
        self.stopped.append(name)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Fake:
    monkeypatch.setattr(own_network, "remove_unused", lambda _: None)
    monkeypatch.setattr(leasing, "told", lambda _: "")
    return Fake()


def reap(fake: Fake, now: float = AFTER, *, own: tuple[str, ...] = (), dry_run: bool = False) -> list[Reaped]:
    return strangers.reap(fake, now, own, Terms(dry_run=dry_run), lambda _: Progress())  # type: ignore[arg-type]


def test_what_has_run_out_goes_with_its_volumes_and_nothing_else(fake: Fake) -> None:
    fake.machine("dev", Lease(ttl=60, expires=END))
    fake.machine("other", Lease(ttl=60, expires="2031-01-01T13:00:00Z"), "cd" * 16)
    fake.things["web"] = {"io.dinv.role": "machine"}
    fake.volumes_of["data"] = {}
    assert [(each.name, each.action, each.known) for each in reap(fake)] == [
        ("dev", "removed", False),
        ("other", "kept", False),
    ]
    assert set(fake.things) == {"other", "web"}
    assert set(fake.volumes_of) == {"other-cache", "other-data1", "data"}


def test_its_cache_stays_if_its_labels_say_so(fake: Fake) -> None:
    fake.machine("dev", Lease(ttl=60, expires=END, keep_cache=True))
    assert reap(fake)[0].left == ["Volume dev-cache stays."]
    assert set(fake.volumes_of) == {"dev-cache"}


def test_one_that_is_to_stop_is_stopped_once(fake: Fake) -> None:
    fake.machine("dev", Lease(ttl=60, expires=END, on_expiry="stop"))
    assert reap(fake, dry_run=True)[0].action == "stopped"
    assert reap(fake)[0].action == "stopped"
    fake.states["dev"] = "exited"
    assert reap(fake)[0].action == "kept"
    assert fake.stopped == ["dev"]


def test_an_extension_counts(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    fake.machine("dev", Lease(ttl=60, expires=END))
    monkeypatch.setattr(leasing, "told", lambda _: "2031-01-01T16:00:00Z")
    (found,) = reap(fake)
    assert (found.action, found.expires) == ("kept", "2031-01-01T16:00:00Z")


def test_this_stores_own_are_not_strangers(fake: Fake) -> None:
    fake.machine("dev", Lease(ttl=60, expires=END))
    assert reap(fake, own=(ID,)) == []


@pytest.mark.parametrize("identity", ["", "x", "*", "ab" * 15, "AB" * 16])
def test_what_has_no_identity_is_not_touched(fake: Fake, identity: str) -> None:
    fake.machine("dev", Lease(ttl=60, expires=END), identity)
    assert reap(fake) == []
    assert "dev" in fake.things


@pytest.mark.parametrize(
    ("found", "labelled", "action"),
    [
        (Activity(0, 0, 7200), ("activity,services", "running"), "removed"),
        (Activity(0, 0, 7199), ("activity", "running"), "kept"),
        (Activity(1, 0, 0), ("activity", "running"), "kept"),
        (Activity(0, 0, 7200), ("services", "running"), "kept"),
        (Activity(0, 0, 7200), ("activity", "exited"), "kept"),
        (EndpointUnreachable("unix:///fake", "gone"), ("activity", "running"), "kept"),
    ],
)
def test_only_what_says_that_it_is_unused_is(
    fake: Fake,
    monkeypatch: pytest.MonkeyPatch,
    found: Activity | Exception,
    labelled: tuple[str, str],
    action: str,
) -> None:
    def of_channel(*_: object) -> Activity:
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr(activity, "of_channel", of_channel)
    features, state = labelled
    labels = {"io.dinv.image.features": features, "io.dinv.image.contract": "dinv"}
    fake.machine("dev", Lease(idle_ttl=7200), **labels)
    fake.states["dev"] = state
    assert reap(fake)[0].action == action


def test_one_that_cannot_be_removed_does_not_keep_the_others(fake: Fake) -> None:
    fake.machine("a", Lease(ttl=60, expires=END))
    fake.machine("b", Lease(ttl=60, expires=END), "cd" * 16)
    fake.away = "a"
    a, b = reap(fake)
    assert isinstance(a.error, EndpointUnreachable)
    assert (a.action, b.action) == ("kept", "removed")


def test_what_another_reap_is_removing_is_waited_for(fake: Fake) -> None:
    fake.machine("dev", Lease(ttl=60, expires=END))
    fake.removing = {"dev": 1, "dev-cache": 2}
    assert [(each.action, each.error) for each in reap(fake)] == [("removed", None)]
    assert (fake.things, fake.volumes_of) == ({}, {})


def test_a_volume_that_stays_in_use_is_an_error(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strangers, "REMOVE_SECONDS", 0.0)
    fake.machine("dev", Lease(ttl=60, expires=END))
    fake.removing = {"dev-cache": 2}
    (found,) = reap(fake)
    assert isinstance(found.error, Conflict)
    assert set(fake.volumes_of) == {"dev-cache"}, "the others are not kept by it"
