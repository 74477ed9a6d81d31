"""The tables that `dinv access` prints."""

from __future__ import annotations

from dinv.cli.show import records
from dinv.cli.show.fitting import show as show_rows

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.cli.show.formatting import Format
    from dinv.lifecycle.sharing.held import Access
    from dinv.machine import Machine
    from dinv.store.access_log import Record

OWNER, MACHINE, UNKNOWN = "(owner)", "(machine)", "(unknown)"
"""In place of a holder's name, which has no brackets."""
_DIGITS = 12


def show(machine: Machine, found: list[Access], form: Format | None) -> None:
    """Print who has access by `form`, or as a table."""
    if form is not None:
        form.show_all(records.of_access(machine, found))
        return
    rows = [
        (
            access.holder or _nameless(access),
            access.serial[:_DIGITS],
            access.state,
            _short(access.not_after),
            _short(access.given),
            access.by,
        )
        for access in found
    ]
    head = ("HOLDER", "SERIAL", "STATE", "UNTIL", "GIVEN", "BY")
    colours = {"valid": "green", "expired": "yellow", "revoked": "red", "ended": "dim"}
    show_rows(head, rows, spare=("GIVEN", "BY", "SERIAL"), colours={"STATE": colours})


def _nameless(access: Access) -> str:
    if access.role == "server":
        return MACHINE
    # Of a certificate that somebody else's CA has signed no more is known than that it was revoked.
    return OWNER if access.given or access.current else UNKNOWN


def show_log(machine: Machine, found: list[Record], form: Format | None) -> None:
    """Print the record of issuance by `form`, or as a table."""
    if form is not None:
        form.show_all(records.of_access_log(machine, found))
        return
    rows = [
        (
            _short(record.time),
            record.event,
            record.holder or (MACHINE if record.role == "server" else OWNER),
            record.serial[:_DIGITS],
            _short(record.not_after),
            record.by,
        )
        for record in found
    ]
    show_rows(("TIME", "EVENT", "HOLDER", "SERIAL", "UNTIL", "BY"), rows, spare=("SERIAL", "UNTIL", "BY"))


def _short(time: str) -> str:
    """Return an RFC 3339 time in UTC for people: 2026-11-30 00:10Z."""
    return f"{time[:10]} {time[11:16]}Z" if time else ""
