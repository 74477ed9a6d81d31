"""What has run out is stopped or removed: machines of this store, one after the other on each endpoint.

A machine's time is over at the end of its lease, whoever uses it; or when nobody has used it for long enough.
One that cannot be asked is not unused, and neither is one that does not run: only the end of its lease
removes it.
"""

from __future__ import annotations

import contextlib
import time

from dinv.errors import AlreadyStopped, DinvError, HookRefused, MachineBusy, MachineNotFound, StoreError
from dinv.leases import activity, clocks, runs
from dinv.lifecycle.changing import changing
from dinv.lifecycle.host import Host, leasing, telling
from dinv.lifecycle.power import stop
from dinv.lifecycle.remove import remove, rounds
from dinv.states import RUNNING
from dinv.store.lease import STOP, later
from dinv.store.store import Store
from dinv.timeouts import STATE_SECONDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dinv.progress import Progress
    from dinv.store.lease import Lease
    from dinv.store.record import MachineConfig

REMOVED, STOPPED, WARNED, KEPT = "removed", "stopped", "warned", "kept"
TTL, IDLE, LEFT = "ttl", "idle", "left"
"""Why: the end of its lease; nobody has used it; the run that it was made for is gone."""


class Reaped:
    """What `Machines.reap` did about one machine with a lease, or with `dry_run` would do.

    `action` is "removed", "stopped", "warned" (hooks were told that its end is near) or "kept". `why` is
    "ttl", "idle", "left" (by a run that was killed), or "" for what is kept, and `reason` says more. `known`:
    it is a machine of this store. `expires` is the end of its lease: RFC 3339, UTC, "" for none. `left` has a
    line for each thing that stays. `error` is why it failed, or None.
    """

    def __init__(
        self,
        name: str,
        action: str = KEPT,
        *,
        endpoint: str = "",
        why: str = "",
        reason: str = "",
        expires: str = "",
        left: Sequence[str] = (),
        known: bool = True,
        error: DinvError | None = None,
    ) -> None:
        self.name = name
        self.action = action
        self.endpoint = endpoint
        self.why = why
        self.reason = reason
        self.expires = expires
        self.left = list(left)
        self.known = known
        self.error = error

    def __repr__(self) -> str:
        return f"<Reaped {self.name} {self.action} {self.error or self.reason}>"


class Terms:
    """How it is done: `dry_run` only says; `warn_before`: seconds before an end at which hooks are told."""

    def __init__(self, *, dry_run: bool = False, warn_before: int | None = None) -> None:
        self.dry_run = dry_run
        self.warn_before = warn_before


def reap(
    store: Store,
    terms: Terms,
    progress: Callable[[str], Progress],
    *,
    endpoint: str = "",
    trace: Callable[[str], None] | None = None,
) -> list[Reaped]:
    """Do it for the machines of the store that have a lease, on one endpoint, by its URL, or on all."""
    found: dict[str, MachineConfig] = {}
    for name in store.names():
        with contextlib.suppress(StoreError):
            config = store.load(name)
            at = str((config.driver.get("Endpoint") or {}).get("URL") or "")
            if config.lease is not None and endpoint in ("", at):
                found[name] = config
    done = []
    watch = _Watch(store)
    for name in [name for each in rounds(store, list(found)) for name in each]:
        try:
            with Host(found[name], Store(store.path), trace=trace) as host:
                # What looks after others ends them, too, if it has given them an end.
                if host.driver_class.provisioned:
                    done.append(_Reaping(host, terms, watch, progress(name)).done())
        except MachineNotFound:  # somebody else has removed it meanwhile
            continue
        except DinvError as error:
            error.about = name
            done.append(Reaped(name, expires=_expires(found[name]), error=error))
    return done


def _expires(config: MachineConfig) -> str:
    return config.lease.expires if config.lease is not None else ""


class _Watch:
    """The times of endpoints: each is asked once, and by this process's own clock from there on."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[str, tuple[float | None, float, str]] = {}

    def of(self, host: Host) -> tuple[float | None, str]:
        """Return an endpoint's time, None if it has none; and why it is not believed, or ""."""
        url = str(host.driver.facts()["endpoint"])
        if url not in self._known:
            there = leasing.now(host)
            why = "" if there is None else clocks.distrust(self._store, url, there)
            self._known[url] = there, time.monotonic(), why
        there, asked, why = self._known[url]
        return (None if there is None else there + time.monotonic() - asked), why


class _Reaping:
    """One machine."""

    def __init__(self, host: Host, terms: Terms, watch: _Watch, progress: Progress) -> None:
        lease = host.config.lease
        assert lease is not None  # noqa: S101  (others are not looked at)
        self.host = host
        self.lease: Lease = lease
        self.terms = terms
        self.watch = watch
        self.progress = progress

    def done(self) -> Reaped:
        """Look at it, and do what is due."""
        host = self.host
        holder = host.store.holder(host.name)
        if holder is not None:
            return self._kept(f"another dinv is at work on it ({holder})")
        if runs.is_left(host.store, host.config):
            return self._end(LEFT, "the run that it was made for is gone")
        now, distrust = self.watch.of(host)
        if distrust:
            self.progress.warn(f"{host.name}: " + distrust)
            return self._kept(distrust)
        return self._due(None if now is None else self.lease.left(now))

    def _due(self, left: float | None) -> Reaped:
        """Do what is due with so many seconds left of its lease; None if that has no end."""
        if left is not None and left <= 0 and not self._was_extended(left):
            return self._end(TTL, "its lease is over")
        unused = self._unused()
        if unused is not None and unused >= self.lease.idle_ttl:
            return self._end(IDLE, f"unused for {unused} s")
        if left is not None:
            return self._warn(left)
        return self._kept("it is not known to be unused" if unused is None else f"unused for {unused} s")

    def _was_extended(self, left: float) -> bool:
        """Whether its container says that it has more time: an extension was killed before the record."""
        try:
            said = leasing.told(self.host.driver.channel())
        except DinvError:
            return False
        longer = later(said, self.lease.expires)
        if longer == self.lease.expires:
            return False
        before = self.lease.end or 0
        self.lease.expires = longer
        return left + (self.lease.end or 0) - before > 0

    def _unused(self) -> int | None:
        """Return for how many seconds it has been unused; None if that is not known or does not matter."""
        if not self.lease.idle_ttl:
            return None
        try:
            if self.host.status(timeout=STATE_SECONDS).state != RUNNING:
                return None
            return activity.of(self.host).unused_for
        except DinvError:
            return None

    def _kept(self, reason: str) -> Reaped:
        return self._result(KEPT, reason=reason)

    def _result(self, action: str, *, why: str = "", reason: str = "", left: Sequence[str] = ()) -> Reaped:
        return Reaped(
            self.host.name,
            action,
            endpoint=str(self.host.driver.facts()["endpoint"]),
            why=why,
            reason=reason,
            expires=self.lease.expires,
            left=left,
        )

    def _warn(self, left: float) -> Reaped:
        """Tell hooks once that its end is near, if it is."""
        host, lease = self.host, self.lease
        if not lease.is_near(left, within=self.terms.warn_before) or lease.warned == lease.expires:
            return self._kept("it has time left")
        if host.config.run:
            return self._kept("its run extends it")
        if not self.terms.dry_run:
            with changing(host, "noting that its lease ends soon"):
                current = host.config.lease
                if current is None or current.expires != lease.expires or current.warned == lease.expires:
                    return self._kept("it has time left")
                current.warned = lease.expires
                host.config.lease = current
                host.store.save(host.config)
            telling.tell(
                host,
                "lease-expiring",
                self.progress,
                expires=lease.expires,
                seconds_left=int(left),
                on_expiry=lease.on_expiry,
                keep_cache=lease.keep_cache,
            )
        return self._result(WARNED, reason="its lease ends soon")

    def _end(self, why: str, reason: str) -> Reaped:
        """Stop it or remove it, unless a hook refuses."""
        host, lease = self.host, self.lease
        action = STOPPED if lease.on_expiry == STOP and why != LEFT else REMOVED
        facts = {
            "why": why,
            "expires": lease.expires,
            "on_expiry": lease.on_expiry,
            "keep_cache": lease.keep_cache,
        }
        if action == STOPPED and host.status(timeout=STATE_SECONDS).state != RUNNING:
            return self._kept(f"{reason}, and it does not run")
        if self.terms.dry_run:
            return self._result(action, why=why, reason=reason)
        try:
            telling.ask(host, "pre-reap", self.progress, **facts)
            left = self._stop() if action == STOPPED else self._remove()
        except HookRefused as error:
            self.progress.note(f"{host.name}: " + error.text)
            return self._kept(error.text)
        except MachineBusy:
            return self._kept("another dinv is at work on it")
        telling.tell(host, "lease-expired", self.progress, **facts)
        return self._result(action, why=why, reason=reason, left=left)

    def _stop(self) -> list[str]:
        with contextlib.suppress(AlreadyStopped):
            stop(self.host, self.progress)
        return []

    def _remove(self) -> list[str]:
        host = self.host
        if host.store.load(host.name).identity != host.config.identity:
            raise MachineNotFound(host.name)
        with self.progress.working("Machine", f"removing {host.name}"):
            return remove(
                host.store,
                host.name,
                keep_cache=self.lease.keep_cache,
                progress=self.progress,
                trace=host.trace,
            )
