"""Renewing a machine's certificates, and provisioning it again.

Every file of the set is replaced while the machine runs, and at each moment in between, a kill included,
what is in the store works with what is in the machine. With a new CA that takes two steps: at first both
sides trust the old CA and the new one, then the new one alone. Only then are the earlier client
certificates refused, and dinv looks whether they are: there are no revocation lists in a Docker daemon, so
a new CA is what revocation is.

    stage the new set -> the store trusts both CAs -> the machine too, with its new certificate -> the new
    client's pair is in place -> the machine trusts the new CA alone -> the store too

Each arrow between changes of the store is one set of files (`dinv.system.files`): of a process that was
killed among them, the next command that takes the machine's lock or needs its certificates does the rest,
docker context included (`Host.finish_certificates`). A set is decided on only when the machine is ready for
it, so that asks nothing of the machine.

What was asked for is in config.json, under Dinv.Renewal, from before the first step to the last, and what
is staged in the machine's directory, as `.renewal`: either tells that a renewal was killed. Where that one
was to bring a new CA, the next `regenerate-certs`, `provision`, `start` or `restart` makes all certificates
anew, since earlier clients may still be let in.
"""

from __future__ import annotations

import contextlib
import os
import time

from dinv.errors import (
    CertificateError,
    ContextError,
    DinvError,
    MachineNotReady,
    MachineNotRunning,
    MachineUnfinished,
    StoreNotWritable,
)
from dinv.lifecycle.host import STAGING, Host
from dinv.lifecycle.upgrade import check_ours, settle
from dinv.pki import pem
from dinv.states import ERROR, RUNNING
from dinv.system import files
from dinv.timeouts import SERVE_SECONDS, STATE_SECONDS, STOP_SECONDS
from dinv.wording import command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dinv.engine import TLSFiles
    from dinv.progress import Progress
    from dinv.store.store import Store

POLL_SECONDS = 0.05
CALL_SECONDS = 5.0

_SERVER = ("server-key.pem", "server.pem")
_CLIENT = ("key.pem", "cert.pem")
_MODES = {"ca-key.pem": 0o600, "key.pem": 0o600, "server-key.pem": 0o600}


def renew(
    store: Store,
    name: str,
    progress: Progress,
    *,
    clients: bool = False,
    timeout: float = SERVE_SECONDS,
    trace: Callable[[str], None] | None = None,
) -> None:
    """Give a running machine new certificates. Containers in it keep running where its image allows.

    The machine's own key and certificate, from the CA it has; whoever has a client certificate can go on
    using it. With `clients` all is new, the CA too, and earlier client certificates are refused; a CA that
    is shared stays, and so do they. Raises CertificateError for a client certificate that is the user's own.
    Raises MachineNotRunning, CertificateError, MachineNotReady, ... with the old set in use again.
    """
    with store.lock(name, "renewing its certificates"), _opened(store, name, trace) as machine:
        if machine.config.unfinished:
            raise MachineUnfinished(
                name,
                f'The create of machine "{name}" did not finish. Finish it first: '
                + command("provision", name),
            )
        if machine.config.upgrade:
            settle(machine, progress, timeout=timeout)
        state = machine.driver.state(timeout=STATE_SECONDS).state
        if state != RUNNING:
            raise MachineNotRunning(name, state)
        machine.driver.refresh_address()
        _Renewal(machine, progress, timeout).run(clients=clients)


def provision(
    store: Store,
    name: str,
    progress: Progress,
    *,
    timeout: float = SERVE_SECONDS,
    trace: Callable[[str], None] | None = None,
) -> None:
    """Put all into a machine again that dinv puts into one, and see that it serves; start it if need be.

    That finishes a create that was killed after it had made its container, and repairs a machine whose
    files were lost, there or in the store. Raises MachineUnfinished when there is too little to finish.
    """
    with store.lock(name, "provisioning it"), _opened(store, name, trace) as machine:
        if machine.config.upgrade:
            settle(machine, progress, timeout=timeout)
        status = machine.driver.state(timeout=STATE_SECONDS)
        if status.state == ERROR:
            raise MachineUnfinished(
                name,
                f'Machine "{name}" has no container to provision. Make it anew: '
                + command("rm", name)
                + ", then "
                + command("create", name, "..."),
            )
        if machine.config.unfinished:
            machine.use_contract(machine.driver.prepare(progress))
            machine.issue_certificates()
            if status.state == RUNNING:
                # It may be waiting for its first certificates still: begin at the beginning.
                machine.driver.stop(timeout=STOP_SECONDS)
                status = machine.driver.state(timeout=STATE_SECONDS)
        if status.state != RUNNING:
            if _missing(machine):
                machine.issue_certificates()
            machine.provisioner.provision()
            with progress.working("Machine", f"starting {name}"):
                machine.driver.start(timeout=timeout)
            machine.serve(progress, timeout=timeout)
            if machine.renewing():
                resume(machine, progress, timeout=timeout)
        else:
            machine.driver.refresh_address()
            resume(machine, progress, timeout=timeout)
        _complete(machine, progress)


def asked(machine: Host) -> bool:
    """Whether a renewal that was killed was to lock earlier clients out."""
    return bool(machine.config.renewal.get("Clients"))


def resume(machine: Host, progress: Progress, *, timeout: float) -> None:
    """Do what a renewal that was killed was asked for, or renew the server's certificate alone.

    The caller holds the machine's lock, and it runs. Raises as `renew` does.
    """
    _Renewal(machine, progress, timeout).run(clients=False)


@contextlib.contextmanager
def _opened(store: Store, name: str, trace: Callable[[str], None] | None) -> Iterator[Host]:
    with Host(store.load(name), store, trace=trace) as machine:
        check_ours(machine)
        machine.finish_certificates()
        yield machine


def _complete(machine: Host, progress: Progress) -> None:
    """Record that it is whole, and write the docker context that it should have."""
    from dinv.store.record import READY

    config = machine.config
    if machine.has_context:
        try:
            machine.write_context()  # of what it has now, be the one there lost or old
        except ContextError as error:
            progress.warn("No docker context: " + error.text)
            if machine.config.unfinished:
                config.context = ""
    config.phase = READY
    machine.store.save(machine.config)


def _missing(machine: Host) -> list[str]:
    there = set(os.listdir(machine.directory))
    return [name for name in ("ca.pem", *_SERVER, *_CLIENT) if name not in there]


class _Renewal:
    """One renewal; the caller holds the machine's lock, and it runs."""

    def __init__(self, machine: Host, progress: Progress, timeout: float) -> None:
        self.machine = machine
        self.progress = progress
        self.timeout = timeout
        self.directory = machine.directory
        self.staging = os.path.join(machine.directory, STAGING)

    def run(self, *, clients: bool) -> None:
        name = self.machine.name
        authority = self.machine.authority()
        given = authority.client_pair()
        if clients and given and given.chain == self._read("cert.pem"):
            raise CertificateError(
                f'The client certificate of machine "{name}" is yours, and other machines may have it too: '
                f"dinv does not renew it. Put a new one and its key where the old one came from "
                f"({self.machine.config.shown()['HostOptions']['AuthOptions']['ClientCertPath']}), then: "
                + command("regenerate-certs", name)
            )
        interrupted = self._interrupted()
        new_ca = clients or interrupted
        if new_ca:
            # Before anything else: whatever kills this, who comes next knows what was wanted.
            self._record(clients=True)
        with self._storing():
            files.remove_tree(self.staging)
            os.mkdir(self.staging, 0o700)
            try:
                self.machine.issue_certificates(self.staging, new_ca=new_ca)
            except CertificateError as error:
                files.remove_tree(self.staging)
                if not interrupted:
                    self._record(clients=False)
                if not new_ca and authority.ca_per_machine:
                    error.add_note(
                        "For a new CA and all certificates: "
                        + command("regenerate-certs", "--client-certs", name)
                    )
                raise
            # A CA that others answer for may have changed since, too.
            new_ca = _certificates(self._read("ca.pem")) != _certificates(self._staged("ca.pem"))
            new_client = clients or new_ca or not self._client_usable()
            if given is not None:
                new_client = new_client or given.chain != self._read("cert.pem")
            self._change(new_ca=new_ca, with_client=new_client, again=interrupted)
        if clients and not new_ca:
            ca = authority.ca_elsewhere or "the one that it was"
            self.progress.warn(f"The CA is {ca}: earlier client certificates are let in until they expire")

    def _interrupted(self) -> bool:
        """Whether a renewal with a new CA was killed: it may have left earlier clients that are let in."""
        if not asked(self.machine) and not os.path.isdir(self.staging):
            return False
        for_ca = (
            asked(self.machine)
            or bool(self._staged("ca-key.pem"))
            or len(_certificates(self._read("ca.pem"))) > 1
        )
        what = "all certificates are made anew" if for_ca else "it is begun anew"
        self.progress.note(f"An earlier renewal was interrupted: {what}")
        return for_ca

    def _record(self, *, clients: bool) -> None:
        """Write down what is being done, or that it is not any more. Raises StoreNotWritable."""
        config = self.machine.config
        if not clients and not config.renewal:
            return
        config.renewal = {"Clients": True} if clients else None
        self.machine.store.save(self.machine.config)

    def _change(self, *, new_ca: bool, with_client: bool, again: bool) -> None:
        before = {name: self._read(name) for name in ("ca.pem", *_SERVER, *_CLIENT)}
        anchor = self._staged("ca.pem")
        both = _bundle(anchor, before["ca.pem"]) if new_ca else anchor
        try:
            trusted = _bundle(before["ca.pem"], anchor) if new_ca else anchor
            self._switch({"ca.pem": trusted, **{name: self._staged(name) for name in _SERVER}})
            self._put()
            self._await_new_certificate()
        except BaseException as error:
            self._restore(before, error, again=again)
            raise
        if with_client:
            key = {"ca-key.pem": self._staged("ca-key.pem")} if new_ca else {}
            client = {name: self._staged(name) for name in _CLIENT}
            self._switch({**key, "ca.pem": both, **client})
            self.progress.line("Certificates", "server, client", "renewed")
        else:
            self.progress.line("Certificates", "server", "renewed")
        if new_ca:
            earlier = self._keep_client(before)
            try:
                self._switch({"ca.pem": anchor})
                self._put()
                self._await_refusal(earlier)
            except BaseException as error:
                name = self.machine.name
                error.add_note(
                    "The new certificates are in use, but earlier client certificates may still be let in. "
                    "Try again: " + command("regenerate-certs", "--client-certs", name)
                )
                raise
            self.progress.line("CA", "earlier clients are refused", "renewed")
        files.remove_tree(self.staging)
        self.machine.config.renewal = None
        self.machine.serve(self.progress, timeout=self.timeout)

    def _put(self) -> None:
        self.machine.provisioner.provision()
        self.machine.provisioner.activate()

    def _restore(self, before: dict[str, bytes], error: BaseException, *, again: bool) -> None:
        """The set as it was, in the machine first: until then the store has to trust both.

        With `again` that is what a killed renewal has left, which has to be finished still.
        """
        try:
            self._switch({name: before[name] for name in _SERVER})
            self._put()
            self._switch({"ca.pem": before["ca.pem"]})
            files.remove_tree(self.staging)
            if not again:
                self._record(clients=False)
        except BaseException as failure:  # noqa: BLE001  (a second Ctrl-C, too; the first error goes on)
            why = " (" + failure.text + ")" if isinstance(failure, DinvError) else ""
            error.add_note(
                "The certificates as they were could not be put back"
                + why
                + ". Try again: "
                + command("provision", self.machine.name)
            )
        else:
            error.add_note("The certificates are as they were before.")

    def _await_new_certificate(self) -> None:
        """Wait until the daemon serves the new certificate, and lets the new client in."""
        expected = _certificates(self._read("server.pem"))[0]
        pair = {name: os.path.join(self.staging, f"{name}.pem") for name in ("cert", "key")}
        files_ = _tls_files(os.path.join(self.directory, "ca.pem"), pair["cert"], pair["key"])

        def served() -> str:
            if served_certificate(self.machine.url, files_) != expected:
                return "it still has its old certificate"
            return self._refusal(files_)

        self._wait(served)

    def _keep_client(self, before: dict[str, bytes]) -> TLSFiles | None:
        """Files of the client as it was, to see that it is refused; None when there was none."""
        if not all(before[name] for name in _CLIENT):
            return None
        old = {name: os.path.join(self.staging, f"old-{name}") for name in _CLIENT}
        files.write_all([(path, before[name], 0o600) for name, path in old.items()])
        return _tls_files(os.path.join(self.directory, "ca.pem"), old["cert.pem"], old["key.pem"])

    def _await_refusal(self, client: TLSFiles | None) -> None:
        """Wait until the client as it was is refused."""
        if client is not None:
            self._wait(lambda: "" if self._refusal(client) else "it still lets the old client in")

    def _wait(self, look: Callable[[], str]) -> None:
        end = time.monotonic() + self.timeout
        url = self.machine.url
        with self.progress.working("Docker", f"restarting at {url}"):
            while True:
                try:
                    reason = look()
                except (OSError, DinvError) as error:
                    reason = str(error)
                if not reason:
                    return
                if time.monotonic() >= end:
                    log = self.machine.driver.last_log_lines(20)
                    raise MachineNotReady(self.machine.name, url, self.timeout, reason, log)
                self.progress.update(f"waiting for the daemon: {reason}")
                time.sleep(POLL_SECONDS)

    def _refusal(self, tls: TLSFiles) -> str:
        """Why a client is refused, "" when it is let in. Raises EndpointUnreachable."""
        from dinv.engine import Engine, parse_address
        from dinv.errors import EndpointTLSError

        try:
            with Engine(parse_address(self.machine.url, tls), timeout=CALL_SECONDS) as engine:
                engine.ping()
        except EndpointTLSError as error:
            return error.reason
        return ""

    def _client_usable(self) -> bool:
        """Whether the client's pair is whole, and signed by the CA, and has not expired."""
        from dinv.pki.certificates import check_chain

        chain, key, anchor = self._read("cert.pem"), self._read("key.pem"), self._read("ca.pem")
        try:
            check_chain(chain, key_pem=key, anchor_pem=anchor, role="client", names=())
        except CertificateError:
            return False
        return True

    def _context(self) -> None:
        if self.machine.has_context and not _missing(self.machine):
            try:
                self.machine.write_context()
            except ContextError as error:
                self.progress.warn(error.text)

    def _read(self, name: str) -> bytes:
        """A file of the set, b"" when it is not there."""
        return pem.read_if_there(os.path.join(self.directory, name)) or b""

    def _staged(self, name: str) -> bytes:
        return pem.read_if_there(os.path.join(self.staging, name)) or b""

    def _switch(self, content: dict[str, bytes]) -> None:
        """Replace files in the store, and the docker context with them; those without content stay."""
        files.stage_set(
            self.directory,
            [(name, data, _MODES.get(name, 0o644)) for name, data in content.items() if data],
        )
        files.move_set(self.directory)
        self._context()
        files.end_set(self.directory)

    @contextlib.contextmanager
    def _storing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreNotWritable(
                str(error.filename or self.directory), error.strerror or str(error)
            ) from error


def served_certificate(url: str, tls: TLSFiles) -> bytes:
    """The certificate, DER, that a daemon at `url` shows. Raises OSError, EndpointError, DeadlineExceeded."""
    from dinv.engine import Deadline, parse_address
    from dinv.engine.wire.tls import TLSByteStream

    stream = parse_address(url, tls).connect(Deadline(CALL_SECONDS))
    try:
        return stream.certificate() if isinstance(stream, TLSByteStream) else b""
    finally:
        stream.close()


def _tls_files(ca: str, cert: str, key: str) -> TLSFiles:
    from dinv.engine import TLSFiles

    return TLSFiles(ca, cert, key)


def _bundle(*pems: bytes) -> bytes:
    return b"".join(pem if pem.endswith(b"\n") else pem + b"\n" for pem in pems if pem)


def _certificates(pem: bytes) -> list[bytes]:
    """The certificates in a PEM file, DER, in its order."""
    import ssl

    end = "-----END CERTIFICATE-----"
    blocks = pem.decode("ascii", "replace").split(end)[:-1]
    return [ssl.PEM_cert_to_DER_cert(block[block.index("-----BEGIN") :] + end) for block in blocks]
