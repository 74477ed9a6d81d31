"""The work of each step of a renewal; `dinv.lifecycle.renew` says in what order, and why."""

from __future__ import annotations

import contextlib
import os

from dinv.engine import TLSFiles
from dinv.errors import CertificateError, StoreNotWritable
from dinv.lifecycle.host import certificates, context, issuance, telling
from dinv.lifecycle.host.certificates import STAGING
from dinv.lifecycle.host.serving import give_cache, serve
from dinv.lifecycle.renew import cuts
from dinv.lifecycle.renew.serving import wait_until_refused, wait_until_served
from dinv.lifecycle.steps import Transaction
from dinv.pki import pem
from dinv.system import files
from dinv.wording import command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from dinv.lifecycle.host import Host
    from dinv.progress import Progress

SERVER = ("server-key.pem", "server.pem")
CLIENT = ("key.pem", "cert.pem")
_MODES = {"ca-key.pem": 0o600, "key.pem": 0o600, "server-key.pem": 0o600}


def asked(machine: Host) -> bool:
    """Return whether a renewal that was killed was to lock earlier clients out."""
    return bool(machine.config.renewal.get("Clients"))


def missing(machine: Host) -> list[str]:
    """Return the files of its set that are missing."""
    there = set(os.listdir(machine.directory))
    return [name for name in ("ca.pem", *SERVER, *CLIENT) if name not in there]


class Renewal(Transaction):
    """One renewal of a running machine."""

    kind = "regenerate-certs"

    def __init__(
        self,
        machine: Host,
        progress: Progress,
        timeout: float,
        *,
        clients: bool,
        options: bool = False,
        cuts_told: bool = False,
    ) -> None:
        super().__init__(machine, progress)
        self.timeout = timeout
        self.clients = clients
        self.options = options
        """Whether the daemon takes up its options too, if it was started with others: that restarts it."""
        self.cuts_told = cuts_told
        """Whether the user has been told already what it cuts."""
        self.directory = machine.directory
        self.staging = os.path.join(machine.directory, STAGING)
        self.authority = machine.authority()
        self.given = self.authority.client_pair()
        """The client's pair if it is the user's own, from where it is."""
        self.interrupted = False
        """Whether one with a new CA was killed before: it may have left earlier clients that still get in."""
        self.new_ca = clients
        self.new_client = clients
        self.before: dict[str, bytes] = {}
        """The old set."""
        self.lost: Sequence[str] = ()
        """Whose access ends with the CA before."""
        self.earlier: TLSFiles | None = None
        """The old client, to check that it is refused."""

    def journal(self) -> dict[str, Any] | None:
        """Return Dinv.Renewal if everything is to be renewed; otherwise no client is to be locked out."""
        journal: Any = self.machine.config.renewal or None
        found: dict[str, Any] | None = journal
        return found

    # What the order of the steps depends on

    def renews_ca(self) -> bool:
        """Whether the CA is to be replaced; once the new set is staged, whether it is a different one."""
        return self.new_ca

    # The steps

    def look(self) -> None:
        """What to renew has been decided, from the files alone."""
        name = self.machine.name
        if self.clients and self.given and self.given.chain == self._read("cert.pem"):
            raise CertificateError(
                f'The client certificate of machine "{name}" is yours, and other machines may have it too: '
                f"dinv does not renew it. Put a new one and its key where the old one came from "
                f"({self.machine.config.shown()['HostOptions']['AuthOptions']['ClientCertPath']}), then: "
                + command("regenerate-certs", name)
            )
        self.interrupted = self._interrupted()
        self.new_ca = self.clients or self.interrupted
        if not self.cuts_told and (said := cuts.of_running(self.machine)):
            self.progress.note(f"{name}: {said}")

    def _interrupted(self) -> bool:
        """Whether a renewal with a new CA was killed."""
        if not asked(self.machine) and not os.path.isdir(self.staging):
            return False
        for_ca = (
            asked(self.machine)
            or bool(self._staged("ca-key.pem"))
            or len(_certificates(self._read("ca.pem"))) > 1
        )
        what = "all certificates are made again" if for_ca else "it starts again"
        self.progress.note(f"An earlier renewal was interrupted: {what}")
        return for_ca

    def record(self) -> None:
        """It is recorded that everything is to be renewed: after a kill, the next process does it."""
        self.machine.config.renewal = {"Clients": True, "Step": "record"}
        self.machine.store.save(self.machine.config)

    def stage(self) -> None:
        """The new set is in the machine's directory, as `.renewal`; nothing uses it yet."""
        with self._storing():
            self._remove_staged()
            os.mkdir(self.staging, 0o700)
            try:
                certificates.issue(self.machine, self.staging, new_ca=self.new_ca, progress=self.progress)
            except CertificateError as error:
                if not self.new_ca and self.authority.ca_per_machine:
                    error.add_note(
                        "For a new CA and all certificates: "
                        + command("regenerate-certs", "--client-certs", self.machine.name)
                    )
                raise
        # A CA that others manage may have changed in the meantime, too.
        self.new_ca = _certificates(self._read("ca.pem")) != _certificates(self._staged("ca.pem"))
        self.new_client = self.clients or self.new_ca or not self._client_usable()
        if self.given is not None:
            self.new_client = self.new_client or self.given.chain != self._read("cert.pem")

    def trust_both(self) -> None:
        """The store has the new server certificate, and trusts both the old CA and the new one."""
        self.before = {name: self._read(name) for name in ("ca.pem", *SERVER, *CLIENT)}
        self._switch(
            {
                "ca.pem": self._both(self.before["ca.pem"], self._staged("ca.pem")),
                **{name: self._staged(name) for name in SERVER},
            }
        )

    def install(self) -> None:
        """The machine has the same files as the store."""
        provisioner = self.machine.provisioner
        give_cache(self.machine, self.progress)
        provisioner.provision()
        if self.options and provisioner.pending():
            provisioner.restart()
        else:
            provisioner.activate_certificates()
        self.options = False

    def verify(self) -> None:
        """The daemon presents the new certificate, and lets the new client in."""
        expected = _certificates(self._read("server.pem"))[0]
        client = self._client(self.staging, "")
        wait_until_served(self.machine, self.progress, expected, client, timeout=self.timeout)

    def take_client(self) -> None:
        """The client's new pair and the new CA's key are in the store, if there are new ones."""
        if not self.new_client:
            self.progress.line("Certificates", "server", "renewed")
            return
        key = {"ca-key.pem": self._staged("ca-key.pem")} if self.new_ca else {}
        both = self._both(self._staged("ca.pem"), self.before["ca.pem"])
        self._switch({**key, "ca.pem": both, **{name: self._staged(name) for name in CLIENT}})
        self.progress.line("Certificates", "server, client", "renewed")

    def trust_new(self) -> None:
        """Store and machine trust only the new CA."""
        if all(self.before[name] for name in CLIENT):
            with self._storing():
                files.write_all(
                    [(os.path.join(self.staging, f"old-{name}"), self.before[name], 0o600) for name in CLIENT]
                )
            self.earlier = self._client(self.staging, "old-")
        self._switch({"ca.pem": self._staged("ca.pem")})
        if not set(_certificates(self.before["ca.pem"])) & set(_certificates(self._read("ca.pem"))):
            # Before the machine is told: it also cuts the connections of those who have lost their access.
            self.lost = issuance.end_earlier(self.machine)
        self.install()

    def lock_out(self) -> None:
        """The previous client is refused."""
        if self.earlier is not None:
            wait_until_refused(self.machine, self.progress, self.earlier, timeout=self.timeout)
        if self.lost:
            self.progress.note(
                f"The access of {', '.join(self.lost)} has ended with the CA before. To give it anew: "
                + command("share", "--for", "WHO", self.machine.name)
            )
        self.progress.line("CA", "earlier clients are refused", "renewed")

    def finish(self) -> None:
        """Nothing is staged any more, and the machine answers."""
        with self._storing():
            self._remove_staged()
        self.machine.config.renewal = None
        serve(self.machine, self.progress, timeout=self.timeout)
        if self.clients and not self.new_ca:
            ca = self.authority.ca_elsewhere or "the one that it was"
            self.progress.warn(f"The CA is {ca}: earlier client certificates are let in until they expire")
        telling.tell(self.machine, "renewed", self.progress, clients=self.new_client)

    # How they are undone

    def forget(self) -> None:
        """It is no longer recorded, unless an earlier renewal was killed."""
        if not self.interrupted and self.machine.config.renewal:
            self.machine.config.renewal = None
            self.machine.store.save(self.machine.config)

    def unstage(self) -> None:
        """The new set is gone."""
        with self._storing():
            self._remove_staged()

    def restore(self) -> None:
        """The old set is back, in the machine first: until then the store has to trust both CAs."""
        if not self.before:
            return
        self._switch({name: self.before[name] for name in SERVER})
        self.install()
        self._switch({"ca.pem": self.before["ca.pem"]})

    def undone(self, error: BaseException) -> None:
        """Say so, if anything new was already in use."""
        if self.before:
            error.add_note("The certificates are as they were before.")

    def not_undone(self, error: BaseException, why: str) -> None:
        """Say how to try again; the staged files show that a renewal was interrupted."""
        error.add_note(
            "The certificates as they were could not be put back"
            + why
            + ". Try again: "
            + command("provision", self.machine.name)
        )

    # Files

    def _both(self, first: bytes, second: bytes) -> bytes:
        """Return both CAs if there are two."""
        return _bundle(first, second) if self.new_ca else self._staged("ca.pem")

    def _client_usable(self) -> bool:
        """Return whether the client's pair is complete, signed by the CA, and not expired."""
        from dinv.pki.certificates import check_chain

        chain, key, anchor = self._read("cert.pem"), self._read("key.pem"), self._read("ca.pem")
        try:
            check_chain(
                chain,
                key_pem=key,
                anchor_pem=anchor,
                role="client",
                names=(),
                strict=self.authority.strict,
            )
        except CertificateError:
            return False
        return True

    def _client(self, directory: str, prefix: str) -> TLSFiles:
        """Return a client's files in `directory`, with the CA of the store."""
        cert, key = (os.path.join(directory, f"{prefix}{name}.pem") for name in ("cert", "key"))
        return TLSFiles(os.path.join(self.directory, "ca.pem"), cert, key, only_looks=True)

    def _read(self, name: str) -> bytes:
        """Return a file of the set, b"" if it does not exist."""
        return pem.read_if_there(os.path.join(self.directory, name)) or b""

    def _remove_staged(self) -> None:
        issuance.end_unused(self.machine, self.staging)
        files.remove_tree(self.staging)

    def _staged(self, name: str) -> bytes:
        return pem.read_if_there(os.path.join(self.staging, name)) or b""

    def _switch(self, content: dict[str, bytes]) -> None:
        """Replace files in the store and update the docker context; files with empty content stay."""
        with self._storing():
            files.stage_set(
                self.directory,
                [(name, data, _MODES.get(name, 0o644)) for name, data in content.items() if data],
            )
            files.move_set(self.directory)
            if not missing(self.machine):
                context.write(self.machine.config, self.progress, had_one=True)
            files.end_set(self.directory)

    @contextlib.contextmanager
    def _storing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreNotWritable(
                str(error.filename or self.directory), error.strerror or str(error)
            ) from error


def _bundle(*pems: bytes) -> bytes:
    return b"".join(pem if pem.endswith(b"\n") else pem + b"\n" for pem in pems if pem)


def _certificates(pem: bytes) -> list[bytes]:
    """Return the certificates in a PEM file, DER, in its order."""
    import ssl

    end = "-----END CERTIFICATE-----"
    blocks = pem.decode("ascii", "replace").split(end)[:-1]
    return [ssl.PEM_cert_to_DER_cert(block[block.index("-----BEGIN") :] + end) for block in blocks]
