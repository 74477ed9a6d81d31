"""What a user should know of a certificate that can be used, but is not quite what was asked for."""

from __future__ import annotations

import datetime as dt

from cryptography.x509.oid import NameOID

from dinv.formats.durations import about

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cryptography import x509

    from dinv.pki.requests import Fault

_SAME = 0.02
"""How far a lifetime may be from the one asked for, as a part of it: servers round, and set a date back."""
_SAME_SECONDS = 600.0


def remarked(
    leaf: x509.Certificate, issuers: Iterable[x509.Certificate], *, lifetime: int | None, holder: str
) -> Iterator[tuple[Fault, str]]:
    """Yield remarks on a certificate, each with its kind; they continue "The client certificate is ".

    `lifetime` and `holder` are what was asked for, as in CertificateRequest.
    """
    if lifetime is not None:
        end = leaf.not_valid_after_utc
        got = (end - dt.datetime.now(dt.UTC)).total_seconds()
        tolerance = max(min(_SAME_SECONDS, lifetime / 10), _SAME * lifetime)
        if abs(got - lifetime) > tolerance:
            ends = [each.not_valid_after_utc for each in issuers]
            why = " as its CA is" if any(abs((ca - end).total_seconds()) < tolerance for ca in ends) else ""
            # Issuing took a moment, and `about` cuts off.
            length = about(got * (1 + _SAME / 2))
            asked = about(lifetime)
            yield (
                "lifetime",
                f"valid for {length}, until {end:%Y-%m-%d %H:%M} UTC{why}, not for {asked} as asked",
            )
    names = [str(each.value) for each in leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if holder and holder not in names:
        named = f'for "{names[0]}"' if names else "for nobody by name"
        yield "holder", f'{named}, and not for "{holder}": authorization plugins see that name'
