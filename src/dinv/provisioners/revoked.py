"""Which client certificates a machine refuses by their serial number, and cuts the connections of."""

from __future__ import annotations

from dinv.store import access_log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.store.record import MachineConfig


def serials(config: MachineConfig) -> list[str]:
    """Return those of certificates that were revoked although their CA is trusted, each once.

    In lower-case hexadecimal, without leading zeros. Raises StoreError if there is a record that cannot be
    read: without it a revoked certificate would be let in again.
    """
    records, _ = access_log.read(config.directory)
    return access_log.revoked(records)


def ended(config: MachineConfig) -> list[str]:
    """Return those of shares that have ended, perhaps with their CA, each once. Raises StoreError.

    They would be refused anyway; listed, their open connections are cut, too. The owner's own earlier ones
    are not among them: what the owner has open goes on when the CA is replaced.
    """
    records, _ = access_log.read(config.directory)
    return list(
        dict.fromkeys(
            record.serial for record in records if record.event == access_log.ENDED and record.holder
        )
    )
