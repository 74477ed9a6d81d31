"""A certificate as a file that `docker context import` and `dinv import` take."""

from __future__ import annotations

from datetime import UTC, datetime

from dinv.lifecycle.sharing import share_file
from dinv.server.models import Certificate, Machine

CONTEXT_TYPE = "application/x-tar"


def context_file(machine: Machine, certificate: Certificate, *, holder: str, owner: str) -> bytes:
    """Return the archive; without a key in it if the holder made it."""
    pem = {"ca.pem": certificate.ca, "cert.pem": certificate.certificate}
    if certificate.key is not None:
        pem["key.pem"] = certificate.key
    not_after = _rfc3339(certificate.not_after)
    return share_file.pack(
        url=certificate.url,
        description=f"Machine {machine.name} of {owner}, for {holder} until {not_after}",
        facts={
            "Machine": machine.name,
            "ID": machine.id,
            "Holder": holder,
            "Owner": owner,
            "Given": _rfc3339(datetime.now(UTC)),
            "NotAfter": not_after,
            "Serial": certificate.serial,
        },
        pem=pem,
    )


def _rfc3339(moment: datetime) -> str:
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
