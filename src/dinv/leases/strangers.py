"""Machines on an endpoint that this store has no record of: whose leases their labels tell.

Their containers, volumes and dinv's own network go, as `rm` has it. What only their own store can do is left:
their records and docker contexts there, which its next `rm` clears; clusters are not told that they leave.
"""

from __future__ import annotations

import contextlib
import time

from dinv.drivers.docker.containers import CHANGE_SECONDS, await_removal
from dinv.drivers.docker.flavours import detect
from dinv.drivers.docker.volumes import REMOVE_SECONDS
from dinv.endpoints import own_network
from dinv.errors import Conflict, DinvError, NotFound, PluginNotFound
from dinv.labels import FEATURE_ACTIVITY, LABEL, LABEL_CONTRACT, LABEL_FEATURES, LABEL_ID, LABEL_ROLE
from dinv.leases import activity, several
from dinv.leases.reaped import IDLE, KEPT, REMOVED, STOPPED, TTL, Reaped
from dinv.lifecycle.host import leasing
from dinv.store.lease import STOP, Lease, later

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from dinv.channel import Channel
    from dinv.drivers.docker.flavours.engine import EngineFlavour
    from dinv.engine import Engine
    from dinv.leases.reaped import Terms
    from dinv.progress import Progress

STOP_SECONDS = 20
CACHE = "cache"
"""The role of a cache volume (LABEL_ROLE)."""


def reap(
    engine: Engine,
    now: float,
    own: Iterable[str],
    terms: Terms,
    progress: Callable[[str], Progress],
) -> list[Reaped]:
    """Stop or remove what has run out on an endpoint, at `now` by its clock; none with an `own` identity.

    Raises EndpointError, EngineError, DeadlineExceeded if its containers cannot be listed.
    """
    flavour = detect(engine.info())
    known, found = set(own), []
    for container in engine.containers.list(all=True, filters=flavour.list_filters()):
        labels = container.get("Labels") or {}
        lease = Lease.of_labels(labels)
        identity = str(labels.get(LABEL_ID) or "")
        # An identity of another form is nobody's: what is to be removed is chosen by it.
        if lease is None or labels.get(LABEL_ROLE) != "machine" or not _is_identity(identity):
            continue
        if identity in known:
            continue
        known.add(identity)
        state = str(container.get("State") or "").lower()
        found.append((_Stranger(engine, flavour, str(container["Id"]), labels, lease), state))

    def end(each: tuple[_Stranger, str]) -> Reaped | None:
        one, state = each
        try:
            return one.done(now, state, terms, progress(one.name))
        except NotFound:  # somebody else was faster
            return None
        except DinvError as error:
            error.about = one.name
            return one.result(KEPT, error=error)

    done = [each for each in several.each(end, found) if each is not None]
    if any(each.action == REMOVED for each in done) and not terms.dry_run:
        own_network.remove_unused(engine)
    return done


def _is_identity(text: str) -> bool:
    return len(text) == 32 and set(text) <= set("0123456789abcdef")


class _Stranger:
    """One machine, by its container."""

    def __init__(
        self, engine: Engine, flavour: EngineFlavour, container: str, labels: Mapping[str, str], lease: Lease
    ) -> None:
        self.engine = engine
        self.flavour = flavour
        self.container = container
        self.labels = labels
        self.identity = labels[LABEL_ID]
        self.name = str(labels.get(LABEL) or container[:12])
        self.lease = lease

    def result(self, action: str, **more: Any) -> Reaped:
        """Return what was done."""
        endpoint = str(self.engine.address)
        return Reaped(self.name, action, endpoint=endpoint, expires=self.lease.expires, known=False, **more)

    def done(self, now: float, state: str, terms: Terms, progress: Progress) -> Reaped:
        """Look at it, and do what is due."""
        channel = self.flavour.channel(self.engine, self.container, self.name)
        why = self._why(now, state, channel)
        if not why:
            return self.result(KEPT, reason="it has time left")
        reason = "its lease is over" if why == TTL else "it is unused"
        if self.lease.on_expiry == STOP:
            if state not in ("running", "paused", "restarting"):
                return self.result(KEPT, reason=f"{reason}, and it does not run")
            if not terms.dry_run:
                with progress.working("Machine", f"stopping {self.name}"):
                    self.engine.containers.stop(self.container, grace=STOP_SECONDS, timeout=CHANGE_SECONDS)
            return self.result(STOPPED, why=why, reason=reason)
        if terms.dry_run:
            return self.result(REMOVED, why=why, reason=reason)
        with progress.working("Machine", f"removing {self.name}"):
            left = self._remove()
        return self.result(REMOVED, why=why, reason=reason, left=left)

    def _why(self, now: float, state: str, channel: Channel) -> str:
        left = self.lease.left(now)
        if left is not None and left <= 0:
            self.lease.expires = later(leasing.told(channel), self.lease.expires)
            left = self.lease.left(now)
        if left is not None and left <= 0:
            return TTL
        if not self.lease.idle_ttl or state != "running":
            return ""
        if FEATURE_ACTIVITY not in str(self.labels.get(LABEL_FEATURES) or "").split(","):
            return ""
        with contextlib.suppress(DinvError, PluginNotFound):  # one that cannot be asked is not unused
            contract = str(self.labels.get(LABEL_CONTRACT) or "")
            unused = activity.of_channel(channel, contract, self.name).unused_for
            return IDLE if unused >= self.lease.idle_ttl else ""
        return ""

    def _remove(self) -> list[str]:
        """Remove all that has its identity; return a line for each thing that stays."""
        for found in self.engine.containers.list(all=True, filters=self.flavour.list_filters()):
            if (found.get("Labels") or {}).get(LABEL_ID) == self.identity:
                container = str(found["Id"])
                with contextlib.suppress(NotFound):
                    try:
                        self.engine.containers.remove(
                            container, force=True, volumes=True, timeout=CHANGE_SECONDS
                        )
                    except Conflict:  # another store's `reap` has begun to remove it
                        await_removal(self.engine, container)
        end = time.monotonic() + REMOVE_SECONDS
        while True:
            left, in_use = self._remove_volumes()
            if in_use is None:
                return left
            if time.monotonic() >= end:
                raise in_use
            time.sleep(0.1)

    def _remove_volumes(self) -> tuple[list[str], Conflict | None]:
        """Remove the volumes that are there; return a line for each that stays, and why one is there yet."""
        left: list[str] = []
        in_use = None
        for found in self.engine.volumes.list(filters={"label": [f"{LABEL_ID}={self.identity}"]}):
            labels = found.get("Labels") or {}
            if labels.get(LABEL_ID) != self.identity:
                continue
            if self.lease.keep_cache and labels.get(LABEL_ROLE) == CACHE:
                left.append(f"Volume {found['Name']} stays.")
                continue
            try:
                self.engine.volumes.remove(str(found["Name"]), timeout=CHANGE_SECONDS)
            except NotFound:
                pass
            except Conflict as error:  # in use by something that is being removed
                in_use = error
        return left, in_use
