"""Who has access to a machine: its record of issuance (`dinv.store.access_log`), brought together."""

from __future__ import annotations

from typing import NamedTuple

from dinv.errors import AccessOver, NobodyOfThatName, NotSupported, OwnAccess
from dinv.lifecycle.host.issuance import in_use
from dinv.lifecycle.opening import check_looked_after
from dinv.store import access_log
from dinv.store.access_log import is_serial
from dinv.wording import command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from dinv.drivers.remote import Remote
    from dinv.lifecycle.host import Host
    from dinv.progress import Progress
    from dinv.store.access_log import Record

VALID, EXPIRED = "valid", "expired"
SHORTEST_SERIAL = 4
"""Digits. What a serial number is named by has at least that many."""
SHORTEST_OF_OTHERS = 8
"""Digits. CAs may number from one (RFC 5280, 4.1.2.2), but a few digits are more likely a mistake."""
SHOWN_DIGITS = 12


class Access(NamedTuple):
    """One certificate, and who holds it.

    `holder` is "" for the machine's owner, and for the machine itself, whose `role` is "server". `serial` is
    in lower-case hex without leading zeros. `not_after`, `given` and `over` are RFC 3339 in UTC: when it
    expires, was issued, was revoked or came to its end; "" if it was not, or if that is not known, as of
    certificates made before there was a record. `by` and `over_by` are USER@HOST of whoever did that, a note
    and not proof. `state` is "valid", "expired", "revoked" or "ended" (its CA is not trusted any more, or its
    key was thrown away). `current`: it is the one that dinv itself uses here.
    """

    holder: str
    role: str
    serial: str
    not_after: str
    given: str
    by: str
    state: str
    over: str = ""
    over_by: str = ""
    current: bool = False


def listed(host: Host, progress: Progress) -> list[Access]:
    """Return what `of` does, and warn of what it remarks. Raises NotSupported if others look after it."""
    if (remote := host.driver.remote()) is not None:
        return of_remote(host, remote)
    check_looked_after(host)
    found, remarks = of(host)
    for remark in remarks:
        progress.warn(remark)
    if host.config.revoking and host.store.holder(host.name) is None:
        host.catch_up()  # whoever is revoking may have finished between the two looks
        if host.config.revoking:
            progress.warn(
                f'Machine "{host.name}" may not refuse yet what was revoked; its next start sees to it, or: '
                + command("provision", host.name)
            )
    return found


def log(host: Host, progress: Progress) -> list[Record]:
    """Return the record of issuance, oldest first. Raises StoreError, NotSupported."""
    if host.driver.remote() is not None:
        raise NotSupported(
            host.name,
            f'Machine "{host.name}" has no record here of what was issued for it. Who has access: '
            + command("access", "ls", host.name),
        )
    check_looked_after(host)
    records, remarks = access_log.read(host.directory)
    for remark in remarks:
        progress.warn(remark)
    return records


def of(host: Host) -> tuple[list[Access], list[str]]:
    """Return who has, or had, access to a machine, and remarks about what cannot be read.

    The owner comes first, then the others, each in the order in which they were given it. Of the certificates
    of the machine itself only the one in use is listed, and of the owner's not those whose key is gone. No
    endpoint is asked. Raises StoreError.
    """
    records, remarks = access_log.read(host.directory)
    used = {one.serial: one for one in in_use(host.directory)}
    found = _brought_together(records)
    for serial, one in used.items():
        if serial in found:
            found[serial] = found[serial]._replace(current=True)
        else:
            found[serial] = Access("", one.role, serial, one.not_after, "", "", VALID, current=True)
    now = access_log.now()
    shown = [
        access._replace(state=EXPIRED) if _expired(access, now) else access
        for access in found.values()
        if access.current or (access.role == "client" and (access.holder or access.state != access_log.ENDED))
    ]
    return sorted(shown, key=lambda access: (bool(access.holder), access.role == "server")), remarks


def of_remote(host: Host, remote: Remote) -> list[Access]:
    """Return who has, or had, access to a machine that a service looks after: that is asked."""
    own = {one.serial for one in in_use(host.directory)}
    now = access_log.now()
    found = []
    for one in reversed(remote.held()):
        state = access_log.REVOKED if one.revoked else VALID
        access = Access(
            one.holder,
            "client",
            one.serial,
            one.not_after,
            one.given,
            one.by,
            state,
            over=one.revoked,
            current=one.serial in own,
        )
        found.append(access._replace(state=EXPIRED) if _expired(access, now) else access)
    return sorted(found, key=lambda access: (bool(access.holder), access.given))


def _expired(access: Access, now: str) -> bool:
    """Whether it came to its end by its date, and not by anything before that."""
    until = now if access.state == VALID else access.over
    return access.state in (VALID, access_log.ENDED) and "" < access.not_after < until


def _brought_together(records: Iterable[Record]) -> dict[str, Access]:
    found: dict[str, Access] = {}
    for record in records:
        before = found.get(record.serial)
        if record.event == access_log.ISSUED:
            if before is None:
                found[record.serial] = Access(
                    record.holder,
                    record.role,
                    record.serial,
                    record.not_after,
                    record.time,
                    record.by,
                    VALID,
                )
            continue
        if before is None:  # the line about its issuance is lost
            before = Access(record.holder, record.role, record.serial, record.not_after, "", "", VALID)
        if before.state != access_log.REVOKED:
            found[record.serial] = before._replace(state=record.event, over=record.time, over_by=record.by)
    return found


def to_revoke(
    machine: str, held: Iterable[Access], *, holder: str, serial: str, others: bool = False
) -> list[Access]:
    """Return the valid certificates of `holder`, or the one with this serial number, or the beginning of one.

    With `others` there may be certificates that are not listed, since the CA signs for others as well: a
    whole serial number that is not known is then one of those. Raises NobodyOfThatName, AccessOver if all of
    them are over, OwnAccess for what dinv itself needs.
    """
    held = list(held)
    serial = serial.lower().lstrip("0")
    if serial:
        named = [access for access in held if access.serial.startswith(serial)]
        if holder:
            named = [access for access in named if access.holder == holder]
    else:
        named = [access for access in held if access.role == "client" and access.holder == holder and holder]
    if others and not named and not holder and len(serial) >= SHORTEST_OF_OTHERS and is_serial(serial):
        return [Access("", "client", serial, "", "", "", VALID)]
    short = len(serial) < SHORTEST_SERIAL and not any(access.serial == serial for access in named)
    if not named or (serial and (short or len(named) > 1)):
        holders = list(dict.fromkeys(access.holder for access in held if access.holder))
        raise NobodyOfThatName(machine, serial or holder, holders, by_serial=bool(serial))
    for access in named:
        if access.current or access.role == "server":
            raise OwnAccess(machine, access.serial, access.role)
    valid = [access for access in named if access.state == VALID]
    if not valid:
        raise _over(machine, named[-1])
    return valid


def _over(machine: str, access: Access) -> AccessOver:
    said = {
        EXPIRED: f"expired on {access.not_after}",
        access_log.REVOKED: f"was revoked on {access.over}"
        + (f" by {access.over_by}" if access.over_by else ""),
        access_log.ENDED: f"ended on {access.over}, when the machine got a new CA",
    }[access.state]
    return AccessOver(machine, access.holder or access.serial, access.state, said)
