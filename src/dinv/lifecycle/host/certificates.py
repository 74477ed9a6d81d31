"""A machine's certificates, as its authority issues them."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.lifecycle.host import Host
    from dinv.progress import Progress

STAGING = ".renewal"
"""In a machine's directory: the certificates that a renewal will put in place."""


def issue(host: Host, directory: str = "", *, new_ca: bool = False, progress: Progress | None = None) -> None:
    """Issue new certificates for its current addresses. The caller must hold the machine's lock.

    They are put in `directory`, which must exist, by default the machine's own. With `new_ca` they are
    from a new CA, whose key is put there too, if the CA is the machine's own.
    Hooks are asked before and told afterwards; `progress` shows what they print. Raises HookRefused,
    CertificateError, StoreNotWritable.
    """
    # These take long to import, and a create has checks to do before.
    from dinv.lifecycle.host import issuance
    from dinv.lifecycle.host.telling import Asking
    from dinv.pki import certificates
    from dinv.progress import Progress as Silent

    directory = directory or host.directory
    authority = host.authority()
    if new_ca and authority.ca_per_machine:
        authority = host.authority(directory)
    names = [*host.driver.addresses(), *(host.config.auth_options.get("ServerCertSANs") or ())]
    asking = Asking(authority, host, progress or Silent())
    host.remarks += certificates.issue(
        asking,
        machine=host.name,
        directory=directory,
        names=names,
        client=authority.client_pair(),
        record=lambda signed: issuance.record(host, signed),
        lifetime=host.config.cert_lifetime,
    )
    asking.tell()


def show_remarks(host: Host, progress: Progress) -> None:
    """Tell the user how what was signed differs from what was asked, each once."""
    for remark in dict.fromkeys(host.remarks):
        progress.warn(remark)
    host.remarks.clear()


def renewing(host: Host) -> bool:
    """Whether a renewal of its certificates was killed."""
    return bool(host.config.renewal) or os.path.lexists(os.path.join(host.directory, STAGING))
