"""Which client certificates a machine refuses although it trusts their CA: the revoked ones of its record."""

from __future__ import annotations

from dinv.store import access_log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.store.record import MachineConfig


def serials(config: MachineConfig) -> list[str]:
    """Return their serial numbers, in lower-case hexadecimal without leading zeros, each once.

    Raises StoreError if there is a record that cannot be read: without it a revoked certificate would be let
    in again.
    """
    records, _ = access_log.read(config.directory)
    return access_log.revoked(records)
