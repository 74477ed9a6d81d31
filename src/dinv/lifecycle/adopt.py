"""Adopting: a container that is already running becomes a machine.

If anything fails on the way, the container gets its own certificates back, and there is no machine.
"""

from __future__ import annotations

import re

from dinv.errors import CopyError, DinvError, InputError, Interrupted
from dinv.lifecycle import steps
from dinv.lifecycle.create import sweep
from dinv.lifecycle.host import Host, certificates, context, telling
from dinv.lifecycle.host.serving import serve
from dinv.lifecycle.steps import Step, Transaction
from dinv.store.layout import LONGEST_NAME, check_name
from dinv.store.record import READY
from dinv.timeouts import SERVE_SECONDS
from dinv.wording import command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from dinv.channel import Channel, File
    from dinv.progress import Progress
    from dinv.store.store import Store

MOST_BYTES = 1 << 20
"""Bytes of a certificate or a key that is kept until all is well."""


def name_for(container: str) -> str:
    """Return the machine's name if none is given: the container's, as far as possible. Raises InputError."""
    name = re.sub(r"[^a-zA-Z0-9.-]+", "-", container.strip("/")).strip("-.")[:LONGEST_NAME]
    if not name:
        given = command("adopt", container, "NAME")
        raise InputError(f'"{container}" cannot be turned into a machine name. Give one: ' + given)
    return name


def adopt(
    store: Store,
    container: str,
    progress: Progress,
    *,
    name: str = "",
    endpoint: str | None = None,
    cert_path: str | None = None,
    context: bool = True,
    timeout: float = SERVE_SECONDS,
    trace: Callable[[str], None] | None = None,
) -> Host:
    """Turn a running container of dch-photon, docker:dind or dinv's own image into a machine.

    Its daemon is restarted, and from then on serves only clients with a certificate of dinv's. dinv does not
    own the container: `remove` leaves it, `upgrade` is refused. `endpoint` as in `create`. Raises
    CannotAdopt, InputError, MachineExists, MachineBusy, MachineNotReady, AcceptsAnyone, and the errors of
    reaching an endpoint; the container is restored then, or the error has a note.
    """
    name = name or name_for(container)
    check_name(name)
    machine = Host.new(store, name, driver="docker", trace=trace)
    adoption = Adoption(machine, progress, timeout, container=container, context=context)
    adoption.endpoint = {"endpoint": endpoint, "endpoint_cert_path": cert_path}
    try:
        with store.claim(name, "adopting it") as leftovers:
            if leftovers:
                sweep(store, name, progress, trace)
            steps.run(adoption, STEPS)
        telling.tell(machine, "provisioned", progress, command="adopt")
        telling.tell(machine, "ready", progress, command="adopt")
    except BaseException as error:
        machine.close()
        if isinstance(error, (KeyboardInterrupt, Interrupted)):
            # It may have arrived between the claim and the transaction that would undo it.
            store.abandon(name)
        raise
    return machine


class Adoption(Transaction):
    """One adoption; the caller has claimed the name."""

    kind = "adopt"

    def __init__(
        self, machine: Host, progress: Progress, timeout: float, *, container: str, context: bool
    ) -> None:
        super().__init__(machine, progress)
        self.timeout = timeout
        self.container = container
        self.context = context
        self.endpoint: dict[str, Any] = {}
        """The driver's options that name the container's endpoint."""
        self.before: list[File] = []

    def journal(self) -> dict[str, Any] | None:
        """Return the record's section Dinv itself, whose Phase is `creating`."""
        ours: dict[str, Any] = self.machine.config.ours
        return ours

    def wants_context(self) -> bool:
        """Whether a docker context is wanted."""
        return self.context

    # The steps

    def configure(self) -> None:
        """The container has been inspected: it is running, and its image can be adopted."""
        self.machine.driver.set_config_from_flags(self.endpoint, self.progress)
        self.machine.use_contract(self.machine.driver.adopt(self.container, self.progress))
        telling.ask(self.machine, "pre-create", self.progress, command="adopt")

    def record(self) -> None:
        """The record says which container is being adopted."""
        self.machine.config.adopting = self.container
        self.machine.store.save(self.machine.config)

    def certify(self) -> None:
        """Keys and certificates of a new CA exist."""
        with self.progress.working("Certificates", "CA, server, client"):
            certificates.issue(self.machine, progress=self.progress)
        certificates.show_remarks(self.machine, self.progress)
        self.machine.store.save(self.machine.config)
        self.progress.line("Certificates", "CA, server, client (ECDSA P-256)", "issued")

    def remember(self) -> None:
        """The container's own files, which are about to be replaced, are in memory."""
        contract, config = self.machine.contract, self.machine.config
        files = contract.files(
            ca=b"", certificate=b"", key=b"", options=config.engine_options, driver_name=config.driver_name
        )
        channel = self.machine.driver.channel()
        found = (_read(channel, file.path) for file in [*contract.adoption_files, *files])
        self.before = [file for file in found if file is not None]

    def install(self) -> None:
        """The container has the new certificates, and its daemon has been restarted."""
        with self.progress.working("Docker", "restarting with the new certificates"):
            self.machine.provisioner.provision()
            self.machine.provisioner.activate()

    def serve(self) -> None:
        """The daemon answers, and refuses a client without a certificate."""
        serve(self.machine, self.progress, timeout=self.timeout)

    def write_context(self) -> None:
        """It has a docker context, if possible."""
        context.write_first(self.machine.config, self.machine.store, self.progress)

    def finish(self) -> None:
        """It is recorded as ready."""
        config = self.machine.config
        config.phase = READY
        config.adopting = ""
        config.step = ""
        self.machine.store.save(config)

    # How they are undone

    def put_back(self) -> None:
        """The container has its own certificates again, and its daemon has been restarted."""
        if self.before:
            self.machine.driver.channel().put(self.before)
            self.machine.provisioner.activate()

    def remove_context(self) -> None:
        """Its docker context is gone."""
        context.remove(self.machine.config)

    def forget(self) -> None:
        """Its directory is gone, and the name is free."""
        self.machine.store.remove(self.machine.name)

    def not_undone(self, error: BaseException, why: str) -> None:
        """Say how to try again; the record is kept for the next `adopt`."""
        error.add_note(
            "The container's own certificates could not be put back"
            + why
            + ". Try again: "
            + command("adopt", self.container, self.machine.name)
        )


STEPS: tuple[Step[Adoption], ...] = (
    Step("configure", Adoption.configure, undo=Adoption.forget),
    Step("record", Adoption.record, undo=Adoption.remove_context),
    Step("certificates", Adoption.certify),
    Step("remember", Adoption.remember),
    Step("install", Adoption.install, undo=Adoption.put_back),
    Step("serve", Adoption.serve),
    Step("context", Adoption.write_context, when=Adoption.wants_context),
    Step("ready", Adoption.finish),
)


def _read(channel: Channel, path: str) -> File | None:
    import tarfile

    from dinv.channel import File
    from dinv.formats.archives.entries import Entry

    found = channel.stat(path)
    if found is None or not found.is_regular or found.size > MOST_BYTES:
        return None
    try:
        with (
            channel.get_archive(found.path) as archive,
            tarfile.open(fileobj=archive, mode="r|", tarinfo=Entry) as tar,  # type: ignore[call-overload]
        ):
            entry = tar.next()
            content = tar.extractfile(entry) if entry is not None else None
            if content is None:
                return None
            return File(found.path, content.read(MOST_BYTES), entry.mode & 0o777)
    except (DinvError, OSError):
        raise
    except Exception as error:  # TarError, or whatever else odd headers cause
        raise CopyError(f"{path} cannot be read: {error}") from error
