"""Whether a clock is wrong, where a certificate seems to have expired, or not to be valid yet.

Only asked after something has failed: a wrong clock looks like that, and new certificates would not help.
"""

from __future__ import annotations

import os
import time
from functools import partial

from dinv.errors import CertificateError, DinvError
from dinv.formats.durations import about
from dinv.pki.validity import rfc3339

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from dinv.drivers import Driver
    from dinv.pki.validity import Certificates

ALLOWED_SECONDS = 300
"""How far two clocks may differ: certificates begin that much before they are made."""
ASK_SECONDS = 1.0
ADVICE = "Set the clock right (timedatectl set-ntp true); nothing has to be renewed for that"

_NAMES = ("CA", "server certificate", "client certificate")


def wrong(driver: Driver, certificates: Certificates, *, ask: bool = True, harmless: bool = False) -> str:
    """Return which clock is wrong and by how much; "" if none is, as far as can be found out.

    This computer's clock is compared with the dates of a machine's certificates and with the time of a file
    in the store; with `ask` also with the clock of the endpoint, which has a second to answer. A difference
    that leaves all certificates valid is left out, unless `harmless`.
    """
    return compared(
        certificates,
        driver.config.directory,
        partial(driver.system_time, timeout=ASK_SECONDS) if ask else None,
        whose="the machine",
        harmless=harmless,
    )


def compared(
    certificates: Certificates,
    directory: str,
    system_time: Callable[[], str] | None,
    *,
    whose: str,
    harmless: bool,
) -> str:
    """`wrong`, for anything with certificates and a config.json in `directory`.

    `system_time` asks its endpoint, and returns RFC 3339; `whose` names it in a sentence.
    """
    now = time.time()
    made = [(each.begin, name) for name, each in zip(_NAMES, certificates, strict=True) if each is not None]
    latest, name = max(made, default=(0, ""))
    if now < latest:
        return _behind(now, latest, f"{whose}'s {name} is valid from {_said(latest)} on")
    saved = _saved(directory)
    if now < saved - ALLOWED_SECONDS:
        return _behind(now, saved, f"{whose} was last changed at {_said(saved)}")
    there = _there(system_time) if system_time is not None else None
    if there is None or abs(now - there) <= ALLOWED_SECONDS:
        return ""
    if not harmless and certificates.valid(now) and certificates.valid(there):
        return ""
    how = f"{about(abs(now - there))} {'ahead of' if now > there else 'behind'}"
    whose = "is wrong" if certificates.valid(there) else "or the endpoint's is wrong"
    return (
        f"the clock of this computer {whose}: it is {how} the endpoint's, with {_said(now)} here and "
        f"{_said(there)} there"
    )


def check(driver: Driver, certificates: Certificates) -> None:
    """Raise CertificateError if a clock is wrong: new certificates might be of the future."""
    if said := wrong(driver, certificates, harmless=True):
        name = driver.config.name
        raise CertificateError(f'Nothing of machine "{name}" was renewed: {said}. {ADVICE}.')


def _behind(now: float, then: float, why: str) -> str:
    return (
        f"the clock of this computer is wrong: it says {_said(now)}, but {why}, so it is {about(then - now)} "
        f"behind or more"
    )


def _said(seconds: float) -> str:
    return rfc3339(seconds)[:16].replace("T", " ") + " UTC"


def _saved(directory: str) -> float:
    try:
        return os.stat(os.path.join(directory, "config.json")).st_mtime
    except OSError:
        return 0.0


def _there(system_time: Callable[[], str]) -> float | None:
    """Return the endpoint's clock, in seconds since 1970; None if it is not known."""
    import datetime as dt

    try:
        return dt.datetime.fromisoformat(system_time()).timestamp()
    except (DinvError, ValueError, OverflowError, OSError):
        return None
