"""Certificates that a killed process has left half in place: the rest is moved, or waited for.

Keys and certificates are moved into a machine's directory one after the other, when all of them are ready
(`dinv.system.files`).
"""

from __future__ import annotations

import contextlib
import time

from dinv.errors import CertificatesTorn, ContextError, StoreError
from dinv.lifecycle.host import context
from dinv.system import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.store.record import MachineConfig
    from dinv.store.store import Store

MOVE_SECONDS = 1.0
"""Seconds for another process to move a file of a set into place."""
POLL_SECONDS = 0.02


def finish(config: MachineConfig, store: Store) -> None:
    """Move what is left into place, and update the docker context. See `Host.finish_certificates`."""
    try:
        files.move_set(config.directory)
    except OSError:
        _check_client(config)
        return
    with contextlib.suppress(OSError, StoreError, ContextError), contextlib.ExitStack() as stack:
        if config.name not in store.held:
            stack.enter_context(store.lock(config.name, "finishing a renewal"))
        now = store.load(config.name)
        if now.identity == config.identity:
            if now.context:
                context.put(now)
            files.end_set(config.directory)


def _check_client(config: MachineConfig) -> None:
    """Check that the client's certificate and key match; a process that is moving them gets a moment.

    They are moved in the order of their names, each pair in one set, so both are old or both are new
    unless the process is between the two moves.
    """
    end = time.monotonic() + MOVE_SECONDS
    while files.is_pending(config.directory, "key.pem") and not files.is_pending(
        config.directory, "cert.pem"
    ):
        if time.monotonic() >= end:
            raise CertificatesTorn(config.name, config.directory)
        time.sleep(POLL_SECONDS)
