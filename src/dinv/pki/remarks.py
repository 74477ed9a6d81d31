"""How a certificate that can be used differs from what was asked for."""

from __future__ import annotations

import datetime as dt

from dinv.formats.durations import about

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from cryptography import x509

_SAME = 0.02
"""How far a lifetime may be from the one asked for, as a part of it: servers round, and set a date back."""
_SAME_SECONDS = 600.0


def another_lifetime(
    leaf: x509.Certificate, issuers: Iterable[x509.Certificate], lifetime: int | None
) -> str:
    """Return how a certificate's lifetime differs from the one asked for, in seconds; "" if it does not.

    It continues "The client certificate is ".
    """
    if lifetime is None:
        return ""
    end = leaf.not_valid_after_utc
    got = (end - dt.datetime.now(dt.UTC)).total_seconds()
    tolerance = max(min(_SAME_SECONDS, lifetime / 10), _SAME * lifetime)
    if abs(got - lifetime) <= tolerance:
        return ""
    ends = [each.not_valid_after_utc for each in issuers]
    why = " as its CA is" if any(abs((ca - end).total_seconds()) < tolerance for ca in ends) else ""
    # Issuing took a moment, and `about` cuts off.
    length = about(got * (1 + _SAME / 2))
    return f"valid for {length}, until {end:%Y-%m-%d %H:%M} UTC{why}, not for {about(lifetime)} as asked"
