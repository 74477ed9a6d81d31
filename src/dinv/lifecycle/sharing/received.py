"""A machine of somebody else's, from the file in which they shared it: reached, and not looked after."""

from __future__ import annotations

import hashlib
import json

from dinv.errors import ArchiveError, CertificateError, ShareExpired
from dinv.formats.host_port import of_url
from dinv.pki.certificates import Pair, check_pair, issued
from dinv.store import access_log
from dinv.store.record import READY, MachineConfig
from dinv.wording import command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.lifecycle.sharing.share_file import ShareFile

_CERTIFICATE = "cert.pem of the share"


def machine_files(share: ShareFile, *, key: bytes | None = None) -> tuple[str, dict[str, bytes]]:
    """Return the name and the files of the machine that a share leads to, for `transfer.import_`.

    `key`: the holder's, PEM, for a share of which it is not a part. Raises ShareExpired, and ArchiveError,
    also for a key or a certificate that cannot be used.
    """
    machine, owner = share.facts["Machine"], share.facts["Owner"]
    pem = dict(share.pem)
    if key is None and "key.pem" not in pem:
        raise ArchiveError(
            "This share has no private key: it was made for a signing request, and the key is where that was "
            "made. Give it, too: " + command("import", "--key", "KEYFILE", "FILE")
        )
    if key is not None and "key.pem" in pem:
        raise ArchiveError("This share has a private key of its own, and takes no other.")
    pem.setdefault("key.pem", key or b"")
    key_name = "the key" if key is not None else "key.pem of the share"
    try:
        one = issued("client", pem["cert.pem"], _CERTIFICATE)
        if one.not_after < access_log.now():
            raise ShareExpired(machine, owner, one.not_after)
        check_pair(
            Pair(pem["key.pem"], pem["cert.pem"], key_name, _CERTIFICATE),
            anchor_pem=pem["ca.pem"],
            role="client",
        )
    except CertificateError as error:
        raise ArchiveError(error.text) from error
    config = MachineConfig.new(
        name=machine,
        store_path="/",
        driver_name="none",
        # Never that of the machine itself, which may be in the same store.
        identity=hashlib.sha256(f"{share.facts['ID']}/{one.serial}".encode()).hexdigest()[:32],
        created=access_log.now(),
    )
    config.driver.update(URL=share.url, IPAddress=(of_url(share.url) or ("", 0))[0], TLS=True)
    config.phase = READY
    config.provisioner = "none"
    config.shared = {
        **{key: share.facts[key] for key in ("Owner", "Machine", "Holder", "Given")},
        "NotAfter": one.not_after,
        "Serial": one.serial,
    }
    return machine, {"config.json": json.dumps(config.shown(), indent=4).encode(), **pem}
