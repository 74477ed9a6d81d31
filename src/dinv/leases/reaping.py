"""What has run out is stopped or removed: machines of this store, some of them at the same time.

A machine's time is over at the end of its lease, whoever uses it; or when nobody has used it for long enough.
One that cannot be asked is not unused, and neither is one that does not run: only the end of its lease
removes it.
"""

from __future__ import annotations

import contextlib
import time

from dinv.errors import AlreadyStopped, DinvError, HookRefused, MachineBusy, MachineNotFound, StoreError
from dinv.leases import activity, runs, several, warning
from dinv.leases.reaped import IDLE, KEPT, LEFT, REMOVED, STOPPED, TTL, WARNED, Reaped
from dinv.lifecycle.host import Host, leasing, telling
from dinv.lifecycle.power import stop
from dinv.lifecycle.remove import remove, rounds
from dinv.states import RUNNING, at_work
from dinv.store.lease import STOP, later
from dinv.store.store import Store
from dinv.timeouts import STATE_SECONDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dinv.leases.reaped import Terms
    from dinv.leases.watching import Watch
    from dinv.progress import Progress
    from dinv.store.lease import Lease
    from dinv.store.record import MachineConfig


def reap(
    store: Store,
    terms: Terms,
    watch: Watch,
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

    def one(name: str) -> Reaped | None:
        config = found[name]
        try:
            with Host(config, Store(store.path), trace=trace) as host:
                # What looks after others ends them, too, if it has given them an end: but what a run has left
                # is no more use to anybody.
                if not host.driver_class.provisioned and not runs.is_left(host.store, host.config):
                    return None
                return _Reaping(host, terms, watch, progress(name)).done()
        except MachineNotFound:  # somebody else has removed it meanwhile
            return None
        except DinvError as error:
            error.about = name
            expires = config.lease.expires if config.lease is not None else ""
            return Reaped(name, expires=expires, error=error)

    # Members of a cluster leave it one after the other.
    done = [each for names in rounds(store, list(found)) for each in several.each(one, names)]
    return [each for each in done if each is not None]


class _Reaping:
    """One machine."""

    def __init__(self, host: Host, terms: Terms, watch: Watch, progress: Progress) -> None:
        lease = host.config.lease
        assert lease is not None  # noqa: S101  (others are not looked at)
        self.host = host
        self.lease: Lease = lease
        self.terms = terms
        self.watch = watch
        self.progress = progress

    def done(self) -> Reaped:
        """Look at it, and do what is due."""
        holder = self.host.store.holder(self.host.name)
        if holder is not None:
            return self._kept(at_work(holder))
        try:
            return self._done()
        except MachineBusy as error:  # somebody has begun since
            return self._kept(at_work(error.holder))

    def _done(self) -> Reaped:
        host = self.host
        if runs.is_left(host.store, host.config):
            return self._end(LEFT, "the run that it was made for is gone")
        now, is_believed = self.watch.of(host, self.progress)
        if not is_believed:
            return self._kept("the clock of its endpoint is not believed")
        why, reason, unused = self._over(now)
        if why:
            return self._end(why, reason)
        return self._near(time.time() if now is None else now, unused)

    def _over(self, now: float | None) -> tuple[str, str, int | None]:
        """Return why its time is over and that in words, or "" twice; and for how long it has been unused."""
        left = None if now is None else self.lease.left(now)
        if left is not None and left <= 0 and not self._was_extended(left):
            return TTL, "its lease is over", None
        unused = self._unused()
        if unused is not None and unused >= self.lease.idle_ttl:
            return IDLE, f"unused for {unused} s", unused
        return "", "", unused

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

    def _near(self, now: float, unused: int | None) -> Reaped:
        """Tell hooks once that its end is near, if it is."""
        host, lease, left = self.host, self.lease, self.lease.left(now)
        if host.config.run:
            return self._kept("its run extends it")
        end = warning.near(lease, self.terms, now=now, left=left, unused=unused)
        if end is not None:
            if not self.terms.dry_run and not warning.tell(host, end, self.progress):
                return self._kept("it has time left")
            soon = "its lease ends soon" if end.why == TTL else f"unused for {unused} s, so it ends soon"
            return self._result(WARNED, why=end.why, reason=soon)
        if not self.terms.dry_run:
            warning.take_back(host, lease, now=now, unused=unused)
        if left is not None:
            return self._kept("it has time left")
        return self._kept("it is not known to be unused" if unused is None else f"unused for {unused} s")

    def _end(self, why: str, reason: str) -> Reaped:
        """Stop it or remove it, unless a hook refuses."""
        host, lease = self.host, self.lease
        action = STOPPED if lease.on_expiry == STOP and why != LEFT else REMOVED
        if action == STOPPED and host.status(timeout=STATE_SECONDS).state != RUNNING:
            return self._kept(f"{reason}, and it does not run")
        if self.terms.dry_run:
            return self._result(action, why=why, reason=reason)
        facts = {
            "why": why,
            "expires": lease.expires,
            "on_expiry": lease.on_expiry,
            "keep_cache": lease.keep_cache,
        }
        try:
            telling.ask(host, "pre-reap", self.progress, **facts)
            left = self._stop(why) if action == STOPPED else self._remove(why)
        except HookRefused as error:
            self.progress.note(f"{host.name}: " + error.text)
            return self._kept(error.text)
        except _Spared:
            return self._kept("it was extended or used meanwhile")
        telling.tell(host, "lease-expired", self.progress, **facts)
        return self._result(action, why=why, reason=reason, left=left)

    def _stop(self, why: str) -> list[str]:
        with contextlib.suppress(AlreadyStopped):
            stop(self.host, self.progress, check=lambda host: self._check(host, why))
        return []

    def _remove(self, why: str) -> list[str]:
        host = self.host
        with self.progress.working("Machine", f"removing {host.name}"):
            return remove(
                host.store,
                host.name,
                keep_cache=self.lease.keep_cache,
                progress=self.progress,
                trace=host.trace,
                check=lambda found: self._check(found, why),
            )

    def _check(self, found: Host, why: str) -> None:
        """Look again, now that nobody else can change it. Raises _Spared, MachineNotFound.

        A hook may have taken its time, and extended it; or somebody has begun to use it.
        """
        if found.config.identity != self.host.config.identity:
            raise MachineNotFound(self.host.name)
        if why == LEFT:
            return
        if found.config.lease is None:
            raise _Spared
        self.lease = found.config.lease
        now, _ = self.watch.of(self.host, self.progress)
        if not self._over(now)[0]:
            raise _Spared


class _Spared(Exception):
    """Its time is not over any more."""
