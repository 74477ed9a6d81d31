"""A machine's certificates, as its authority issues them."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.lifecycle.host import Host

STAGING = ".renewal"
"""In a machine's directory: the certificates that a renewal will put in place."""


def issue(host: Host, directory: str = "", *, new_ca: bool = False) -> None:
    """Issue new certificates for its current addresses. The caller must hold the machine's lock.

    They are put in `directory`, which must exist, by default the machine's own. With `new_ca` they are
    from a new CA, whose key is put there too, if the CA is the machine's own.
    """
    # This takes long to import, and a create has checks to do before.
    from dinv.lifecycle.host import issuance
    from dinv.pki import certificates

    directory = directory or host.directory
    authority = host.authority()
    if new_ca and authority.ca_per_machine:
        authority = host.authority(directory)
    names = [*host.driver.addresses(), *(host.config.auth_options.get("ServerCertSANs") or ())]
    certificates.issue(
        authority,
        machine=host.name,
        directory=directory,
        names=names,
        client=authority.client_pair(),
        record=lambda signed: issuance.record(host, signed),
        lifetime=host.config.cert_lifetime,
    )


def cut_short(host: Host) -> str:
    """Return a warning that certificates just issued end earlier than asked for; "" if they do not."""
    import time

    from dinv.formats.durations import about
    from dinv.pki.validity import rfc3339

    asked, dates = host.config.cert_lifetime, host.certificates
    own = host.authority().client_pair() is None
    ends = [each.end for each in (dates.server, dates.client if own else None) if each is not None]
    if not asked or not ends:
        return ""
    # Issuing took a moment, and clocks differ.
    tolerance = min(600, asked // 10)
    if min(ends) >= time.time() + asked - tolerance:
        return ""
    with_ca = dates.ca is not None and dates.ca.end - min(ends) < tolerance
    why = "with its CA" if with_ca else "as its authority has it"
    return f"Its certificates expire on {rfc3339(min(ends))[:10]}, {why}, not {about(asked)} from now"


def renewing(host: Host) -> bool:
    """Whether a renewal of its certificates was killed."""
    return bool(host.config.renewal) or os.path.lexists(os.path.join(host.directory, STAGING))
