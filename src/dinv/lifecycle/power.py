"""Power: start, stop, kill and restart."""

from __future__ import annotations

import contextlib

from dinv.errors import AlreadyStopped, StoreError
from dinv.lifecycle.changing import changing
from dinv.lifecycle.host import cluster, telling
from dinv.lifecycle.host.certificates import renewing
from dinv.lifecycle.host.serving import serve
from dinv.states import PAUSED, RUNNING, STOPPED
from dinv.timeouts import SERVE_SECONDS, STOP_SECONDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dinv.lifecycle.host import Host
    from dinv.progress import Progress


def start(host: Host, progress: Progress, *, timeout: float = SERVE_SECONDS) -> None:
    """Start it, or resume it, and wait until it serves. Raises AlreadyRunning."""
    with changing(host, "starting it", progress) as settled:
        state = host.observed_state()
        if state == PAUSED:
            host.driver.unpause()
        # Before a start: whoever is revoked is refused from the first connection on.
        finished = _finish_revocation(host, progress)
        if state not in (PAUSED, RUNNING):
            _remember_stopped(host)
            _renew_stopped(host, progress)
            with progress.working("Machine", f"starting {host.name}"):
                host.driver.start(timeout=timeout)
        elif state == RUNNING and not (host.config.stopped or renewing(host)):
            if settled or finished:
                return
            raise host.driver.already_running()
        # Also if it was started from outside, or by a start or restart that was killed.
        serve(host, progress, timeout=timeout)
        _finish_renewal(host, progress, timeout)
    _warn_of_end(host, progress)
    telling.tell(host, "ready", progress, command="start")


def _warn_of_end(host: Host, progress: Progress) -> None:
    """Warn of a lease that ends soon, or is over: by this computer's clock, as `ls` does."""
    if host.config.lease is None or host.config.run:
        return
    import time

    said = host.config.lease.remark(host.name, time.time())
    if said:
        progress.warn(f"{host.name}: " + said)


def stop(
    host: Host,
    progress: Progress,
    *,
    timeout: float = STOP_SECONDS,
    check: Callable[[Host], None] | None = None,
) -> None:
    """Stop it and its containers, killing what is left after `timeout` seconds. Raises AlreadyStopped.

    `check` is called first, with the machine's lock held, and may raise.
    """
    with changing(host, "stopping it", progress):
        if check is not None:
            check(host)
        _not_stopped(host)
        cluster.rest(host, progress)
        with _remembered_stopped(host), progress.working("Machine", f"stopping {host.name}"):
            host.driver.stop(timeout=timeout)


def kill(host: Host, progress: Progress) -> None:
    """Stop it immediately. Raises AlreadyStopped."""
    with changing(host, "killing it", progress):
        _not_stopped(host)
        with _remembered_stopped(host):
            host.driver.kill()


def restart(host: Host, progress: Progress, *, timeout: float = SERVE_SECONDS) -> None:
    """Stop it if it is running, start it, and wait until it answers; `timeout` in seconds."""
    with changing(host, "restarting it", progress):
        if not host.driver.provisioned:
            # Not in two steps: the driver should refuse a restart, not a stop that the user did not ask for.
            host.driver.restart(timeout=timeout)
            serve(host, progress, timeout=timeout)
            return
        if host.observed_state() != STOPPED:
            cluster.rest(host, progress)
            with _remembered_stopped(host), progress.working("Machine", f"stopping {host.name}"):
                host.driver.stop(timeout=STOP_SECONDS)
        _remember_stopped(host)
        _finish_revocation(host, progress)
        _renew_stopped(host, progress)
        with progress.working("Machine", f"starting {host.name}"):
            host.driver.start(timeout=timeout)
        serve(host, progress, timeout=timeout)
        _finish_renewal(host, progress, timeout)
    telling.tell(host, "ready", progress, command="restart")


def _remember_stopped(host: Host) -> None:
    """Record that it is stopped, until `serve` has checked that all is well: a kill may come in between."""
    if not host.config.stopped:
        host.config.stopped = True
        host.store.save(host.config)


@contextlib.contextmanager
def _remembered_stopped(host: Host) -> Iterator[None]:
    """Record that dinv stops it, before it does: readers of the record check whether that is true."""
    noted = host.config.stopped
    _remember_stopped(host)
    try:
        yield
    except BaseException:
        if not noted:
            host.config.stopped = False
            with contextlib.suppress(StoreError):
                host.store.save(host.config)
        raise


def _finish_revocation(host: Host, progress: Progress) -> bool:
    """Tell the machine, and hooks, who is refused, if they may not know; return whether that was so."""
    if not (host.config.revoking or host.config.untold):
        return False
    from dinv.lifecycle.sharing import revoke

    revoke.settle(host, progress)
    return True


def _renew_stopped(host: Host, progress: Progress) -> None:
    found = host.certificates
    if found.due(found.server, host.config.identity):
        from dinv.lifecycle.renew.at_start import renew_stopped

        renew_stopped(host, progress)


def _finish_renewal(host: Host, progress: Progress, timeout: float) -> None:
    if renewing(host):
        from dinv.lifecycle.renew import resume

        resume(host, progress, timeout=timeout)


def _not_stopped(host: Host) -> None:
    if host.observed_state() == STOPPED:
        raise AlreadyStopped(host.name)
