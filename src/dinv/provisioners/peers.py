"""Other machines of the store: which belong together, and how their clients reach them."""

from __future__ import annotations

import os

from dinv.errors import DinvError, MachineNotRunning

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from dinv.engine import Engine
    from dinv.store.record import MachineConfig
    from dinv.store.store import Store

CALL_SECONDS = 10.0


def others(
    store: Store, config: MachineConfig, belongs: Callable[[MachineConfig], bool]
) -> list[MachineConfig]:
    """Return the records of the store's other machines that belong with this one, by name.

    One that cannot be read is passed over.
    """
    found = []
    for name in store.names():
        if name != config.name:
            try:
                other = store.load(name)
            except DinvError:
                continue
            if belongs(other):
                found.append(other)
    return found


def open_peer(
    store: Store,
    name: str,
    *,
    timeout: float = CALL_SECONDS,
    trace: Callable[[str], None] | None = None,
) -> Engine:
    """Return a client of the daemon of another machine, for the caller to close.

    `timeout`, in seconds, is for each call. No call is made yet. Raises MachineNotFound, ConfigError,
    MachineNotRunning if its address is not known.
    """
    return open_daemon(store.load(name), timeout=timeout, trace=trace)


def open_daemon(
    config: MachineConfig,
    *,
    timeout: float = CALL_SECONDS,
    trace: Callable[[str], None] | None = None,
) -> Engine:
    """Return a client of the daemon of the machine with this record, by its certificates; see `open_peer`."""
    from dinv.engine import Engine, TLSFiles, parse_address

    if not config.url:
        raise MachineNotRunning(config.name)
    files = (os.path.join(config.cert_directory, name) for name in ("ca.pem", "cert.pem", "key.pem"))
    return Engine(parse_address(config.url, TLSFiles(*files)), timeout=timeout, trace=trace)
