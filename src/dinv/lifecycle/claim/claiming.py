"""The work of each step of a claim; their order is in `dinv.lifecycle.claim`."""

from __future__ import annotations

import contextlib
import errno
import os

from dinv.background import Background
from dinv.errors import CannotRevoke, DinvError, MachineExists, MachineUnusable, StoreNotWritable
from dinv.lifecycle.claim import sealing
from dinv.lifecycle.host import Host, context, issuance, telling
from dinv.lifecycle.steps import Transaction
from dinv.store import access_log
from dinv.store.record import MachineConfig
from dinv.system import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from dinv.authorities import Authority
    from dinv.progress import Progress
    from dinv.store.lease import Lease
    from dinv.store.store import Store

LOOK_SECONDS = 3.0
"""For the daemon of an unclaimed machine to answer; one that does not is not handed out."""
HOSTNAME_SECONDS = 2.0


class Claim(Transaction):
    """One claim. The caller must hold the lock of the machine in its pool, which goes with its directory."""

    kind = "claim"

    def __init__(
        self,
        machine: Host,
        progress: Progress,
        *,
        store: Store,
        name: str,
        context: bool = True,
        labels: dict[str, str] | None = None,
        lease: Lease | None = None,
        run: bool = False,
    ) -> None:
        super().__init__(machine, progress)
        self.store = store
        self.target = name
        self.context = context
        self.labels = labels or {}
        self.lease = lease
        """Until when it is wanted, without its end."""
        self.run = run
        """Whether it is for one command."""
        self.serial = ""
        """Of the certificate that this claim has had signed."""
        self._inside: Background | None = None
        self.taken = False
        """Whether the machine has left its pool."""

    @classmethod
    def killed(cls, machine: Host, progress: Progress) -> Claim:
        """Return what is left of one that was killed after its machine was taken."""
        journal = machine.config.claim
        return cls(
            machine,
            progress,
            store=machine.store,
            name=machine.name,
            context=bool(journal.get("Context")),
        )

    def journal(self) -> Any:
        """Return the section Claim, which stands from before the machine is taken until all is done."""
        return self.machine.config.claim or None

    # The steps

    def certify(self) -> None:
        """A new key and certificate are in its directory, and its daemon lets them in. It is in its pool."""
        machine = self.machine
        left = sealing.left_by_claims(machine)
        facts = self._as_claimed()
        telling.ask(facts, "pre-create", self.progress, command="claim")
        machine.config.claim = {
            "Name": self.target,
            "Context": self.context,
            "Labels": self.labels,
            "Lease": self._begun_lease(),
            "Run": self.run,
            "Refuse": left,
        }
        machine.store.save(machine.config)
        authority = facts.authority(machine.directory)
        if authority.client_pair() is not None:
            self._look()  # a pair of the user's own, which no claim replaces
            return
        self._sign(facts, authority)

    def _sign(self, facts: Host, authority: Authority) -> None:
        from dinv.pki import pem
        from dinv.pki.certificates import certify, issued, new_key, request

        machine, directory = self.machine, self.machine.directory
        key = new_key()
        asking = telling.Asking(authority, facts, self.progress)
        lifetime = machine.config.cert_lifetime
        wanted = request(key, role="client", names=(), machine=self.target, lifetime=lifetime)
        chain, remarks = certify(asking, wanted, pem.read(os.path.join(directory, "ca.pem")))
        one = issued("client", chain)
        self.serial = one.serial
        issuance.record(machine, [one])
        try:
            files.replace_set(directory, [("key.pem", key, 0o600), ("cert.pem", chain, 0o644)])
        except OSError as error:
            raise StoreNotWritable(str(error.filename or directory), error.strerror or str(error)) from error
        self._look()
        for remark in remarks:
            self.progress.warn(remark)
        asking.tell()

    def _as_claimed(self) -> Host:
        """The machine as it is to be, for hooks: with its name in the store."""
        config = MachineConfig(self.machine.config.document(), name=self.target, store_path=self.store.root)
        return Host(config, self.store, trace=self.machine.trace)

    def _begun_lease(self) -> dict[str, Any]:
        """Its lease as it is to be recorded, which begins now. Raises OptionError, PreCreateCheckFailed."""
        if self.lease is None:
            return {}
        from dinv.lifecycle.host import leasing

        config = self.machine.config
        config.lease = self.lease
        try:
            leasing.begin(self.machine)
            leasing.check_idle(self.machine)
            return config.lease.document()
        finally:
            config.lease = None

    def _look(self) -> None:
        """Raise the error of a daemon that does not answer a client with the new certificate."""
        from dinv.engine import Engine, TLSFiles, parse_address

        machine = self.machine
        if not machine.url:
            raise MachineUnusable(machine.name, "", "its address is not known", "", connection=True)
        address = parse_address(machine.url, TLSFiles.of_directory(machine.directory))
        with Engine(address, timeout=LOOK_SECONDS, trace=machine.trace) as engine:
            engine.ping(timeout=LOOK_SECONDS)

    def take_back(self) -> None:
        """Its directory is as it was: what was signed has ended, and its key is gone."""
        machine = self.machine
        if self.taken or not os.path.isdir(machine.directory):
            return  # broken off just after it was taken: it is finished by the next command
        if self.serial:
            if not sealing.can_refuse(machine):
                issuance.end(machine, {self.serial})
            sealing.throw_away(machine)
        machine.config.claim = None
        machine.store.save(machine.config)

    def take(self) -> None:
        """It is in the store under its name, by one rename, and no longer in its pool."""
        before, after = self.machine.directory, self.store.directory(self.target)
        try:
            os.makedirs(self.store.machines_directory, mode=0o700, exist_ok=True)
            os.rename(before, after)
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise MachineExists(self.target) from error
            raise StoreNotWritable(after, error.strerror or str(error)) from error
        # From here on it is this claim's, whoever is killed.
        for path in (self.store.machines_directory, os.path.dirname(before)):
            files.sync_directory(path)
        self.taken = True
        self.store.held.add(self.target)
        self.machine.close()
        self.machine = Host(self.store.load(self.target), self.store, trace=self.machine.trace)

    def name(self) -> None:
        """Its record has its name, and so has its container, and the machine itself until it is restarted."""
        machine, journal = self.machine, self.machine.config.claim
        machine.config.take_name()
        if labels := journal.get("Labels"):
            kept = machine.config.driver
            kept["Labels"] = {**(kept.get("Labels") or {}), **labels}
        if lease := journal.get("Lease"):
            from dinv.store.lease import Lease

            machine.config.lease = Lease.of(lease)
        machine.config.run = bool(journal.get("Run"))
        machine.driver.take_name()
        # Not before: the command finds the container by its name.
        self._inside = Background(self._set_hostname, "hostname")
        if self.context and machine.has_tls:
            # Recorded beforehand, for the command that finishes this claim or removes the machine.
            machine.config.context = machine.name
        machine.store.save(machine.config)

    def _set_hostname(self) -> None:
        """Tell the machine its name, as far as it lets us: nothing depends on that."""
        config = self.machine.config
        with contextlib.suppress(DinvError, OSError):
            driver = self.machine.driver_class(config, self.store, trace=self.machine.trace)
            try:
                name = config.name[:63].rstrip(".-")
                driver.channel().run(["hostname", name], timeout=HOSTNAME_SECONDS)
            finally:
                driver.close()

    def has_to_refuse(self) -> bool:
        """Whether a claim that was killed, before it took the machine, has left a certificate."""
        return bool(self.machine.config.claim.get("Refuse"))

    def refuse(self) -> None:
        """The machine refuses what an earlier claim, which was killed, has had signed."""
        with contextlib.suppress(CannotRevoke):  # the key is gone, then
            sealing.refuse(self.machine, self.machine.config.claim.get("Refuse") or ())

    def write_context(self) -> None:
        """It has a docker context, if wanted and possible."""
        context.write(self.machine.config, self.progress)

    def finish(self) -> None:
        """It is recorded that it is claimed, and that nothing is left to do."""
        config = self.machine.config
        if self._inside is not None:
            self._inside.join()
        config.claim = None
        config.pool = {**config.pool, "State": "claimed", "Since": access_log.now(), "Why": ""}
        self.machine.store.save(config)
