"""Renewing what is due of one machine or of many, for cron and systemd timers."""

from __future__ import annotations

import time

from dinv.declaration import DURATION, Option
from dinv.drivers import clock
from dinv.errors import CacheBusy, DinvError, MachineBusy, MachineNotRunning
from dinv.lifecycle.changing import settle
from dinv.lifecycle.host import Host, certificates, telling
from dinv.lifecycle.opening import check_looked_after, opened
from dinv.lifecycle.remotely import asked, certify
from dinv.lifecycle.renew import renew, resume
from dinv.lifecycle.renew.client import renew_client
from dinv.pki.validity import Certificates, rfc3339
from dinv.states import RUNNING, at_work
from dinv.system import files
from dinv.timeouts import STATE_SECONDS
from dinv.wording import command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from dinv.pki.validity import Validity
    from dinv.progress import Progress
    from dinv.store.store import Store

BEFORE = Option(
    "before",
    "",
    "what expires within this time (default: what has a third of its life left)",
    type=DURATION,
    metavar="DURATION",
    bounds=(0, 36500 * 86400),
)
SPREAD = Option(
    "spread",
    "",
    "begin with the machines over this time, each at its own moment",
    type=DURATION,
    metavar="DURATION",
    bounds=(0, 86400),
)
AT_ONCE = 4
"""Machines and caches that are renewed at the same time."""
SERVER, CLIENT, CA = "server", "client", "CA"


MACHINE, CACHE = "machine", "cache"


class Renewed:
    """What `Machines.renew` did for one machine or registry cache, or with `dry_run` would do.

    `name` is its name, `kind` "machine" or "cache"; `roles` are those whose certificates are new: "server",
    "client", "CA"; `later` those that its next start renews. `reason` says why nothing is done, `remark` what
    the user has to do. `error` is why it failed, or None. `certificates` has the dates afterwards.
    """

    def __init__(
        self,
        name: str,
        roles: Sequence[str] = (),
        *,
        later: Sequence[str] = (),
        reason: str = "",
        remark: str = "",
        error: DinvError | None = None,
        certificates: Certificates | None = None,
        kind: str = MACHINE,
    ) -> None:
        self.name = name
        self.kind = kind
        self.roles = tuple(roles)
        self.later = tuple(later)
        self.reason = reason
        self.remark = remark
        self.error = error
        self.certificates = certificates or Certificates()

    @property
    def title(self) -> str:
        """Its name; "cache NAME" for a cache, which may have the name of a machine."""
        return self.name if self.kind == MACHINE else f"{self.kind} {self.name}"

    def __repr__(self) -> str:
        return f"<Renewed {self.title} {', '.join(self.roles) or self.error or self.reason}>"


class Terms:
    """What counts as due, and what is done about it.

    `before` is in seconds: what expires within that time; None: what has a third of its life left. With `ca`
    a CA that is due is renewed as well, which locks out every earlier client.
    """

    def __init__(self, *, before: float | None, ca: bool, dry_run: bool, timeout: float) -> None:
        self.before = before
        self.ca = ca
        self.dry_run = dry_run
        self.timeout = timeout

    def warns_of(self, ca: Validity | None) -> bool:
        """Whether a CA is near its end, or expires within the time asked about."""
        now = time.time()
        return ca is not None and (
            ca.ends_soon(now) or (self.before is not None and ca.end - self.before <= now)
        )

    def due(self, host: Host) -> list[str]:
        """Return which of a machine's certificates are due."""
        found, identity = host.certificates, host.config.identity
        each = ((SERVER, found.server), (CLIENT, None if _is_users_own(host) else found.client))
        roles = [role for role, dates in each if found.due(dates, identity, before=self.before)]
        if Certificates(client=found.ca).due(found.ca, identity, before=self.before):
            roles.append(CA)
        return roles


def renew_due(
    store: Store,
    name: str,
    progress: Progress,
    terms: Terms,
    *,
    trace: Callable[[str], None] | None = None,
) -> Renewed:
    """Renew what is due of a machine. A failure is in the result's `error`."""
    try:
        try:
            config = store.load(name)
        except MachineBusy as error:  # it is just being made, with new certificates
            return Renewed(name, reason=at_work(error.holder))
        with Host(config, store, trace=trace) as host:
            reason = _left_out(host)
            if reason:
                return Renewed(name, reason=reason, certificates=host.certificates)
            if terms.dry_run:
                return _result(host, terms, *_plan(host, terms))
            if not _is_needed(host, terms):
                telling.near_expiry(host, progress)
                return _result(host, terms, (), ())
        return _renew(store, name, progress, terms, trace)
    except DinvError as error:
        error.about = name
        return Renewed(name, error=error)


def renew_all(each: Mapping[str, Callable[[], Renewed]], *, spread: float = 0) -> list[Renewed]:
    """Do all of these, some at the same time; return their results, in this order.

    The first is begun at once and the last after `spread` seconds at most: each has its own moment, which its
    key decides, so that it is the same every time. What another process was at work on is tried once more at
    the end.
    """
    import binascii
    from concurrent.futures import ThreadPoolExecutor

    begun = time.monotonic()
    moments = sorted((binascii.crc32(key.encode()) / 2**32 * spread, key) for key in each)
    first = moments[0][0] if moments else 0.0
    pool = ThreadPoolExecutor(max_workers=AT_ONCE)
    try:
        found = {}
        for moment, key in moments:
            time.sleep(max(0.0, begun + moment - first - time.monotonic()))
            found[key] = pool.submit(each[key])
        done = {key: found[key].result() for key in each}
        busy = [key for key in each if isinstance(done[key].error, (MachineBusy, CacheBusy))]
        return list((done | {key: each[key]() for key in busy}).values())
    finally:
        # After Ctrl-C: what has been begun comes to an end, nothing else is begun.
        pool.shutdown(cancel_futures=True)


def _renew(
    store: Store, name: str, progress: Progress, terms: Terms, trace: Callable[[str], None] | None
) -> Renewed:
    done: list[str] = []
    with asked(store, name, "renewing its certificates", trace) as elsewhere:
        if elsewhere is not None:
            host, remote = elsewhere
            if done := _of_users(host, terms):
                certify(host, remote, progress)
                progress.line("Certificates", "client", "renewed")
            return _result(host, terms, done, ())
    with opened(store, name, "renewing its certificates", trace) as host:
        settle(host, progress, timeout=terms.timeout)
        telling.near_expiry(host, progress)
        roles, later = _plan(host, terms)
        if roles:
            clock.check(host.driver, host.certificates)
        if CA not in roles:
            before = host.certificates
            if SERVER in roles:
                host.driver.refresh_address()
                resume(host, progress, timeout=terms.timeout)
                done.append(SERVER)
            if CLIENT in roles and host.certificates.client == before.client:
                renew_client(host, progress)
            if host.certificates.client != before.client:
                done.append(CLIENT)
                progress.line("Certificates", "client", "renewed")
            return _result(host, terms, done, later)
    renew(store, name, progress, clients=True, timeout=terms.timeout, trace=trace)
    with Host(store.load(name), store) as host:
        return _result(host, terms, roles, later)


def _is_needed(host: Host, terms: Terms) -> bool:
    """Whether a machine has to be locked: something is due, or half done. Raises RecordCopied.

    One with which nothing is to be done may well be in somebody else's hands.
    """
    if host.driver.remote() is not None:
        return bool(_of_users(host, terms))
    check_looked_after(host)
    due = [role for role in terms.due(host) if role != CA or terms.ca]
    return bool(
        due or host.config.unsettled or certificates.renewing(host) or files.is_pending(host.directory)
    )


def _plan(host: Host, terms: Terms) -> tuple[list[str], list[str]]:
    """Return which certificates are to be renewed now, and which at its start."""
    if host.driver.remote() is not None:
        return _of_users(host, terms), []
    roles = terms.due(host)
    renews_ca = terms.ca and CA in roles and host.authority().ca_per_machine
    running = host.driver.state(timeout=STATE_SECONDS).state == RUNNING
    if renews_ca:
        if not running:
            raise MachineNotRunning(host.name)
        return [SERVER, CLIENT, CA], []
    if certificates.renewing(host) and SERVER not in roles:
        roles.append(SERVER)  # one that was killed is to be finished
    now = [role for role in (SERVER, CLIENT) if role in roles and (running or role == CLIENT)]
    return now, [] if running or SERVER not in roles else [SERVER]


def _of_users(host: Host, terms: Terms) -> list[str]:
    """Return what is due that is not for what looks after the machine to renew."""
    return [role for role in terms.due(host) if role == CLIENT]


def _result(host: Host, terms: Terms, roles: Sequence[str], later: Sequence[str]) -> Renewed:
    found = host.certificates
    reason = "" if roles or later else "nothing is due"
    remark = "" if CA in roles else _about_ca(host, terms)
    return Renewed(host.name, roles, later=later, reason=reason, remark=remark, certificates=found)


def _about_ca(host: Host, terms: Terms) -> str:
    """Return what to do about a CA that is near its end, if that is soon or within the time asked about."""
    ca = host.certificates.ca
    if ca is None or host.driver.remote() is not None or not terms.warns_of(ca):
        return ""
    said = f"Its CA expires on {rfc3339(ca.end)[:10]}, and its certificates with it. "
    elsewhere = host.authority().ca_elsewhere
    if elsewhere:
        return (
            said + f"The CA is {elsewhere}: replace it there, then: " + command("regenerate-certs", host.name)
        )
    return (
        said
        + "A new CA refuses everybody who has a certificate of the old one, shares too: "
        + command("regenerate-certs", "--client-certs", host.name)
    )


def _left_out(host: Host) -> str:
    """Return why nothing of a machine is renewed."""
    if host.config.unfinished:
        holder = host.store.holder(host.name)
        return "its create did not finish" if holder is None else at_work(holder)
    if not host.config.by_dinv or (host.driver.left_alone and host.driver.remote() is None):
        return "somebody else looks after its certificates"
    return ""


def _is_users_own(host: Host) -> bool:
    return host.config.auth_options.get("ClientCertPath") != f"machines/{host.name}/cert.pem"
