"""Renewing a machine's certificates while it runs.

Every file of the set is replaced while the machine runs, and at each moment in between, even after a kill,
the files in the store work with those in the machine. A new CA takes two steps: first both sides trust the
old CA and the new one, then only the new one. Only then are earlier client certificates refused, and dinv
checks that they are. That locks everybody out; single ones are a matter of `lifecycle.sharing.revoke`.

Each change of the store is one set of files (`dinv.system.files`). If a process is killed in the middle of
one, the next command that takes the machine's lock or needs its certificates does the rest, docker context
included (`Host.finish_certificates`). A set is committed only once the machine is ready for it, so finishing
it does not need the machine.

The request is in config.json, under Dinv.Renewal, from before the first change to the last, and the new files
are staged in the machine's directory, as `.renewal`: either shows that a renewal was killed. If that one was
to bring a new CA, the next `regenerate-certs`, `provision`, `start` or `restart` issues all certificates
again, since earlier clients may still be let in.
"""

from __future__ import annotations

import contextlib

from dinv.errors import MachineNotRunning, NotSupported, OptionError
from dinv.lifecycle import steps
from dinv.lifecycle.changing import settle
from dinv.lifecycle.opening import check_finished, opened
from dinv.lifecycle.remotely import asked, certify
from dinv.lifecycle.renew.renewal import Renewal
from dinv.lifecycle.steps import Step
from dinv.states import RUNNING
from dinv.timeouts import SERVE_SECONDS, STATE_SECONDS
from dinv.wording import command, either

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from dinv.lifecycle.host import Host
    from dinv.progress import Progress
    from dinv.store.store import Store


def _still_let_in(name: str) -> str:
    return (
        "The new certificates are in use, but earlier client certificates may still be let in. "
        "Try again: " + command("regenerate-certs", "--client-certs", name)
    )


STEPS: tuple[Step[Renewal], ...] = (
    Step("look", Renewal.look),
    Step("record", Renewal.record, undo=Renewal.forget, when=Renewal.renews_ca, atomic=True),
    Step("stage", Renewal.stage, undo=Renewal.unstage),
    Step("trust-both", Renewal.trust_both, undo=Renewal.restore),
    Step("install", Renewal.install),
    Step("verify", Renewal.verify, final=True),
    Step("client", Renewal.take_client),
    Step("trust-new", Renewal.trust_new, when=Renewal.renews_ca, note=_still_let_in),
    Step("lock-out", Renewal.lock_out, when=Renewal.renews_ca, note=_still_let_in),
    Step("finish", Renewal.finish),
)


def renew(
    store: Store,
    name: str,
    progress: Progress,
    *,
    clients: bool = False,
    tls_sans: Iterable[str] = (),
    cert_lifetime: int | None = None,
    ca_lifetime: int | None = None,
    cuts_told: bool = False,
    timeout: float = SERVE_SECONDS,
    trace: Callable[[str], None] | None = None,
) -> None:
    """Give a running machine new certificates. Containers in it keep running if its image allows.

    The machine gets a new key and certificate from its CA; users with a client certificate can go on using
    it. With `clients` everything is new, the CA too, and earlier client certificates are refused; a shared CA
    stays, and so do its clients. `tls_sans` are further names for its server certificate, which are recorded,
    and stay. `cert_lifetime` and `ca_lifetime`, in seconds, hold from now on; None leaves
    them as they are recorded. What it cuts is told as it begins, unless `cuts_told` says that the caller has.
    Raises CertificateError for a client certificate of the user's own.
    Raises MachineNotRunning, CertificateError, MachineNotReady, ... with the old set in use again.
    """
    with asked(store, name, "renewing its certificates", trace) as elsewhere:
        if elsewhere is not None:
            if clients or cert_lifetime is not None or ca_lifetime is not None or list(tls_sans):
                raise _decided_elsewhere(elsewhere[0])
            certify(*elsewhere, progress)
            return
    with opened(store, name, "renewing its certificates", trace) as machine:
        check_finished(machine.config, provision=True)
        settle(machine, progress, timeout=timeout)
        state = machine.driver.state(timeout=STATE_SECONDS).state
        if state != RUNNING:
            raise MachineNotRunning(name, state)
        machine.driver.refresh_address()
        with (
            _names(machine, tls_sans),
            _lifetimes(machine, cert_lifetime, ca_lifetime, clients=clients),
        ):
            steps.run(Renewal(machine, progress, timeout, clients=clients, cuts_told=cuts_told), STEPS)


def _decided_elsewhere(machine: Host) -> NotSupported:
    return NotSupported(
        machine.name,
        f'The CA of machine "{machine.name}", and the names and lifetimes in its certificates, are not '
        "decided here, but by what looks after it. A new certificate of yours: "
        + command("regenerate-certs", machine.name)
        + ". To refuse somebody's: "
        + command("access", "revoke", machine.name, "WHO"),
    )


@contextlib.contextmanager
def _names(machine: Host, further: Iterable[str]) -> Iterator[None]:
    """Have these names recorded, for this and all later server certificates; not if what follows fails.

    They are recorded at once: if this process is killed, what finishes its work has to have them. Raises
    CertificateError for what is not a name.
    """
    from dinv.pki.certificates import canonical_name

    config = machine.config
    before = list(config.auth_options.get("ServerCertSANs") or ())
    now = list(dict.fromkeys([*before, *(canonical_name(name) for name in further)]))
    if now == before:
        yield
        return
    config.auth_options["ServerCertSANs"] = now
    machine.store.save(config)
    try:
        yield
    except BaseException:
        config.auth_options["ServerCertSANs"] = before
        machine.store.save(config)
        raise


@contextlib.contextmanager
def _lifetimes(
    machine: Host, cert_lifetime: int | None, ca_lifetime: int | None, *, clients: bool
) -> Iterator[None]:
    """Have these lifetimes recorded by what follows; as they were, if that fails. Raises OptionError."""
    config = machine.config
    before = config.cert_lifetime, config.ca_lifetime
    now = cert_lifetime or before[0], ca_lifetime or before[1]
    if ca_lifetime and not (clients and machine.authority().ca_per_machine):
        raise OptionError(
            "is for a new CA, which a machine with a CA of its own gets with "
            + either("clients=True", "--client-certs"),
            option="ca-lifetime",
        )
    if cert_lifetime and now[1] and cert_lifetime > now[1]:
        raise OptionError("is longer than its CA is valid for", option="cert-lifetime")
    if now == before:
        yield
        return
    config.cert_lifetime, config.ca_lifetime = now
    try:
        yield
    except BaseException:
        config.cert_lifetime, config.ca_lifetime = before
        machine.store.save(config)
        raise


def resume(machine: Host, progress: Progress, *, timeout: float, options: bool = False) -> None:
    """Finish a renewal that was killed, or renew only the server's certificate.

    With `options` its daemon takes up its options as well. The caller must hold the machine's lock, and the
    machine must be running. Raises what `renew` raises.
    """
    journal = machine.config.renewal
    if machine.trace is not None and journal.get("Step"):
        machine.trace(f"the renewal of {machine.name} that was interrupted had come to: {journal['Step']}")
    steps.run(Renewal(machine, progress, timeout, clients=False, options=options), STEPS)
