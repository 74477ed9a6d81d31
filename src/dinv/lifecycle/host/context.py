"""A machine's docker context: written and removed by what changes the machine."""

from __future__ import annotations

import contextlib
import os

from dinv import drivers
from dinv.endpoints import contexts
from dinv.errors import CertificateError, ContextError
from dinv.pki import client_files, pem

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from dinv.progress import Progress
    from dinv.store.record import MachineConfig
    from dinv.store.store import Store


def put(config: MachineConfig) -> None:
    """Write a context with the machine's name, or update it. Raises ContextError."""
    directory = config.cert_directory or drivers.cert_path(config) or config.directory
    try:
        ca, cert, key = (pem.read(os.path.join(directory, name)) for name in client_files.NAMES)
    except CertificateError as error:
        raise ContextError(error.text) from error
    contexts.write(
        config.name,
        host=drivers.url(config),
        description=f"dinv machine {config.name}",
        owner=config.identity,
        ca=ca,
        cert=cert,
        key=key,
    )


def write(config: MachineConfig, progress: Progress, *, had_one: bool = False) -> None:
    """Write the machine's context, if it is to have one; warn if that fails.

    `had_one` as in `or_none`.
    """
    if config.context:
        with or_none(config, progress, had_one=had_one):
            put(config)


def write_first(config: MachineConfig, store: Store, progress: Progress) -> None:
    """Give it its first context; that is recorded before it exists, so that a removal finds it."""
    config.context = config.name
    store.save(config)
    write(config, progress)


@contextlib.contextmanager
def or_none(config: MachineConfig, progress: Progress, *, had_one: bool = False) -> Iterator[None]:
    """Go on without a context if one cannot be read or written, with a warning.

    The record, which the caller saves, then says that the machine has none. If it `had_one`, which may still
    exist, the record keeps saying so, so that a removal finds it.
    """
    try:
        yield
    except ContextError as error:
        progress.warn("No docker context: " + error.text)
        if not had_one:
            config.context = ""


def remove(config: MachineConfig) -> None:
    """Remove the machine's context, if dinv wrote one."""
    if config.context:
        contexts.remove(config.context, config.identity)
