"""Adopting: a container that somebody runs already becomes a machine.

    claim the name -> look at the container -> record it -> certificates of a new CA -> remember what they
    replace -> put them in -> restart its daemon as its image wants it -> wait for it, see a client without
    a certificate refused -> docker context -> record it as ready

Whatever fails on the way, the container has its own certificates again afterwards, and there is no machine.
"""

from __future__ import annotations

import re

from dinv.errors import ContextError, DinvError, InputError, Interrupted
from dinv.lifecycle.host import Host
from dinv.store.layout import LONGEST_NAME, check_name
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
"""Of a certificate or a key that is kept until all is well."""


def name_for(container: str) -> str:
    """The machine's name where none is given: the container's, as far as it can be one. Raises InputError."""
    name = re.sub(r"[^a-zA-Z0-9.-]+", "-", container.strip("/")).strip("-.")[:LONGEST_NAME]
    if not name:
        given = command("adopt", container, "NAME")
        raise InputError(f'"{container}" makes no machine name. Give one: ' + given)
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
    """Make a machine of a running container of dch-photon, docker:dind or dinv's own image.

    Its daemon is restarted, and serves whom dinv has given a certificate, and nobody else any more. dinv does
    not own the container: `remove` leaves it, `upgrade` is refused. `endpoint` as in `create`. Raises
    CannotAdopt, InputError, MachineExists, MachineBusy, MachineNotReady, ClientNotRefused, and what reaching
    an endpoint raises; the container is as it was then, or the error has a note.
    """
    name = name or name_for(container)
    check_name(name)
    try:
        with store.claim(name, "adopting it") as leftovers:
            if leftovers:
                from dinv.lifecycle.create import sweep

                sweep(store, name, trace)
            return _adopt(store, name, container, progress, context, timeout, trace, (endpoint, cert_path))
    except (KeyboardInterrupt, Interrupted):
        store.abandon(name)
        raise


def _adopt(  # noqa: PLR0917  (adopt, once)
    store: Store,
    name: str,
    container: str,
    progress: Progress,
    context: bool,  # noqa: FBT001
    timeout: float,
    trace: Callable[[str], None] | None,
    endpoint: tuple[str | None, str | None],
) -> Host:
    machine = Host.new(store, name, driver="docker", trace=trace)
    before: list[File] = []
    try:
        values: dict[str, Any] = {"endpoint": endpoint[0], "endpoint_cert_path": endpoint[1]}
        machine.driver.set_config_from_flags(values, progress)
        machine.use_contract(machine.driver.adopt(container, progress))
        machine.config.adopting = container
        store.save(machine.config)
        with progress.working("Certificates", "CA, server, client"):
            machine.issue_certificates()
        store.save(machine.config)
        progress.line("Certificates", "CA, server, client (ECDSA P-256)", "issued")
        before = _now_in(machine)
        _take_over(machine, progress, timeout)
        _finish(machine, progress, context=context)
    except BaseException as error:
        _undo(machine, before, error)
        machine.close()
        raise
    return machine


def _now_in(machine: Host) -> list[File]:
    """The files in the container that its new certificates replace."""
    contract, config = machine.contract, machine.config
    files = contract.files(
        ca=b"", certificate=b"", key=b"", options=config.engine_options, driver_name=config.driver_name
    )
    channel = machine.driver.channel()
    found = (_read(channel, file.path) for file in [*contract.adoption_files, *files])
    return [file for file in found if file is not None]


def _read(channel: Channel, path: str) -> File | None:
    import tarfile

    from dinv.channel import File
    from dinv.errors import CopyError
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
    except Exception as error:  # TarError, or whatever odd headers lead to
        raise CopyError(f"{path} cannot be read: {error}") from error


def _take_over(machine: Host, progress: Progress, timeout: float) -> None:
    with progress.working("Docker", "restarting with the new certificates"):
        machine.provisioner.provision()
        machine.provisioner.activate()
    machine.serve(progress, timeout=timeout)


def _finish(machine: Host, progress: Progress, *, context: bool) -> None:
    from dinv.store.record import READY

    config = machine.config
    if context:
        # Recorded before there is one, for who removes what a kill has left.
        config.context = machine.name
        machine.store.save(machine.config)
        try:
            machine.write_context()
        except ContextError as error:
            config.context = ""
            progress.warn("No docker context: " + error.text)
    config.phase = READY
    config.adopting = ""
    machine.store.save(machine.config)


def _undo(machine: Host, before: list[File], error: BaseException) -> None:
    """The container's own files in their places, and no machine."""
    try:
        if before:
            machine.driver.channel().put(before)
            machine.provisioner.activate()
        machine.remove_context()
    except BaseException as failure:  # noqa: BLE001  (a second Ctrl-C, too; the first error goes on)
        why = " (" + failure.text + ")" if isinstance(failure, DinvError) else ""
        error.add_note("The container's own certificates could not be put back" + why)
    machine.store.remove(machine.name)
