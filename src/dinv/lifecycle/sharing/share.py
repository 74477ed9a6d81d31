"""Giving somebody access to a machine: a client certificate of their own, and the file that it comes in.

The machine is not asked and need not run: what it trusts is its CA. Nothing of the owner's is in the file:
neither the owner's key nor the CA's, and with a signing request not even the holder's.
"""

from __future__ import annotations

import datetime as dt
import os
import re
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from dinv.errors import CertificateError, InputError, InvalidHolder, MachineUnfinished, OptionError
from dinv.formats.durations import parse_duration
from dinv.formats.host_port import bracketed, of_url
from dinv.lifecycle.host import issuance, telling
from dinv.lifecycle.host.certificates import renewing
from dinv.lifecycle.opening import check_finished, opened
from dinv.lifecycle.remotely import asked
from dinv.lifecycle.sharing import share_file
from dinv.pki import pem
from dinv.pki.certificates import certify, issued, new_key, request
from dinv.pki.requests import CertificateRequest
from dinv.store import access_log
from dinv.system import files
from dinv.wording import command, option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from dinv.drivers.remote import Remote
    from dinv.lifecycle.host import Host
    from dinv.pki.certificates import Issued
    from dinv.progress import Progress
    from dinv.store.store import Store

_HOLDER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]*")
LONGEST_HOLDER = 64
"""Characters of a common name (RFC 5280, appendix A.1)."""
SHORTEST_SECONDS = 60
LONGEST_SECONDS = 3650 * 86400
LARGEST_CSR = 64 * 1024
"""Bytes."""
_ALLOWANCE_SECONDS = 600
"""How much longer than asked a certificate may be valid: authorities round, and clocks differ."""


class Share(NamedTuple):
    """What somebody is given.

    `data` is the file, a tar archive. `serial` is the certificate's, in hex, `not_after` in RFC 3339, UTC.
    `has_key`: whether the holder's key is in it, so that whoever has the file has the machine.
    """

    machine: str
    holder: str
    data: bytes
    serial: str
    not_after: str
    has_key: bool

    def write(self, path: str) -> None:
        """Write the file, readable by its owner alone. Raises InputError if that cannot be done."""
        try:
            files.write(path, self.data, mode=0o600)
        except OSError as error:
            raise InputError(f"The share cannot be written: {path}: {error.strerror or error}") from error


def check_holder(holder: str) -> None:
    """Raise InvalidHolder unless it can be the name of somebody who is given access."""
    if not holder:
        raise InvalidHolder(holder, "it is empty")
    if len(holder) > LONGEST_HOLDER:
        raise InvalidHolder(holder, f"it has {len(holder)} characters")
    wrong = sorted({letter for letter in holder if not re.fullmatch(r"[A-Za-z0-9._@+-]", letter)})
    if wrong:
        raise InvalidHolder(holder, f"it contains {', '.join(map(repr, wrong))}")
    if not _HOLDER.fullmatch(holder):
        raise InvalidHolder(holder, f"it begins with {holder[0]!r}")


def _seconds(lifetime: int | str | None) -> int | None:
    if lifetime is None:
        return None
    try:
        seconds = parse_duration(lifetime) if isinstance(lifetime, str) else int(lifetime)
    except ValueError as error:
        raise OptionError(str(error), option="ttl", value=lifetime) from error
    if not SHORTEST_SECONDS <= seconds <= LONGEST_SECONDS:
        raise OptionError("is not between a minute and ten years", option="ttl", value=lifetime)
    return seconds


def share(
    store: Store,
    name: str,
    progress: Progress,
    *,
    holder: str,
    lifetime: int | str | None = None,
    csr: bytes | None = None,
    path: str | None = None,
    trace: Callable[[str], None] | None = None,
) -> Share:
    """Give `holder` a client certificate for a machine, and record that; see Share.

    `lifetime`: for how many seconds it is to be valid, or such as "8h"; None for as long as the machine's own
    certificates.
    `csr`: the holder's signing request, PEM, for a key that stays with them. `path`: where to write the file;
    if that fails, what was signed has ended. Raises InvalidHolder, InputError, CertificateError,
    MachineUnfinished, NotSupported, HookRefused, MachineNotRunning if its address is not known yet.
    """
    check_holder(holder)
    seconds = _seconds(lifetime)
    if csr is not None:
        _check_csr(csr)
    with asked(store, name, "sharing it", trace) as elsewhere:
        if elsewhere is not None:
            return _by_its_keeper(*elsewhere, holder, seconds=seconds, csr=csr, path=path)
    with opened(store, name, "sharing it", trace) as machine:
        check_finished(machine.config, doing="be shared")
        if renewing(machine):
            raise MachineUnfinished(
                name,
                f'Machine "{name}" cannot be shared: the renewal of its certificates has not finished, and '
                f"may bring a new CA. Finish it first: " + command("provision", name),
            )
        if not machine.url:
            raise machine.not_running()
        telling.ask(machine, "pre-share", progress, holder=holder, lifetime=seconds)
        key = None if csr else new_key()
        chain, one = _certificate(machine, holder, seconds, key=key, csr=csr, progress=progress)
        remark = unreachable(machine)
        if remark:
            progress.warn(remark)
        made = Share(
            name,
            holder,
            _packed(machine, holder, chain, key, one),
            one.serial,
            one.not_after,
            key is not None,
        )
        if path is not None:
            try:
                made.write(path)
            except InputError:
                issuance.end(machine, {one.serial})
                raise
        telling.tell(machine, "shared", progress, holder=holder, serial=one.serial, not_after=one.not_after)
        return made


def _by_its_keeper(
    machine: Host,
    remote: Remote,
    holder: str,
    *,
    seconds: int | None,
    csr: bytes | None,
    path: str | None,
) -> Share:
    """Have what looks after the machine sign; the key, unless it is the holder's, is made here."""
    key = None if csr else new_key()
    wanted = csr or request(key or b"", role="client", names=(), machine=machine.name, holder=holder).csr
    given = remote.share(holder, wanted, seconds)
    one = issued("client", given.certificate)
    packed = _packed(machine, holder, given.certificate, key, one, url=given.url, ca=given.ca)
    made = Share(machine.name, holder, packed, one.serial, one.not_after, key is not None)
    if path is not None:
        made.write(path)
    return made


def _packed(
    machine: Host,
    holder: str,
    chain: bytes,
    key: bytes | None,
    one: Issued,
    *,
    url: str = "",
    ca: bytes = b"",
) -> bytes:
    owner = access_log.caller()
    content = {"ca.pem": ca or pem.read(os.path.join(machine.cert_path, "ca.pem")), "cert.pem": chain}
    if key is not None:
        content["key.pem"] = key
    return share_file.pack(
        url=url or machine.url,
        description=f"Machine {machine.name} of {owner}, shared with {holder} until {one.not_after}",
        facts={
            "Machine": machine.name,
            "ID": machine.config.identity,
            "Holder": holder,
            "Owner": owner,
            "Given": access_log.now(),
            "NotAfter": one.not_after,
            "Serial": one.serial,
        },
        pem=content,
    )


def _certificate(
    machine: Host,
    holder: str,
    lifetime: int | None,
    *,
    key: bytes | None,
    csr: bytes | None,
    progress: Progress,
) -> tuple[bytes, Issued]:
    """Return the chain and what is recorded of it, which is on record then."""
    wanted = lifetime or machine.config.cert_lifetime
    if key is not None:
        asked = request(key, role="client", names=(), machine=machine.name, holder=holder, lifetime=wanted)
    else:
        asked = CertificateRequest(
            csr=csr or b"", role="client", names=(), machine=machine.name, holder=holder, lifetime=wanted
        )
    anchor = pem.read(os.path.join(machine.cert_path, "ca.pem"))
    asking = telling.Asking(machine.authority(), machine, progress)
    certified = certify(asking, asked, anchor)
    one = issued("client", certified.chain)
    issuance.record(machine, [one], holder=holder)
    _check_lifetime(machine, one, lifetime)
    asking.tell()
    for remark in certified.remarks:
        progress.warn(remark)
    return certified.chain, one


def _check_lifetime(machine: Host, one: Issued, lifetime: int | None) -> None:
    """Raise CertificateError if it is valid for much longer than asked, having recorded that it has ended."""
    if lifetime is None:
        return
    wanted = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=lifetime)
    if (dt.datetime.fromisoformat(one.not_after) - wanted).total_seconds() <= _ALLOWANCE_SECONDS:
        return
    issuance.end(machine, {one.serial})
    raise CertificateError(
        f'The authority "{machine.config.authority}" signed a certificate that is valid until '
        f"{one.not_after}, longer than was asked for. It was thrown away with its key. Choose a profile or "
        f"role there that gives shorter ones, or share without a time to live."
    )


def read_csr(path: str) -> bytes:
    """Return the content of a file. Raises CertificateError if it cannot be read."""
    try:
        return files.read(path, largest=LARGEST_CSR)
    except OSError as error:
        raise CertificateError(f"The signing request cannot be read: {path}: {error.strerror}") from error


def _check_csr(data: bytes) -> None:
    """Raise CertificateError unless it is a signing request, signed with its own key."""
    try:
        csr = x509.load_pem_x509_csr(data)
        right = csr.is_signature_valid
    except (ValueError, UnsupportedAlgorithm) as error:
        raise CertificateError(f"This is not a certificate signing request in PEM: {error}") from error
    if not right:
        raise CertificateError("The certificate signing request is not signed with the key that it carries.")


def unreachable(machine: Host) -> str:
    """Return a remark if colleagues on other computers cannot reach the machine at its URL, with advice."""
    host, port = of_url(machine.url) or ("", 0)
    if not machine.driver.local_only and not _is_loopback(host):
        return ""
    return (
        f"{machine.url} can only be reached from the computer that its engine runs on. From another one: "
        f"ssh -N -L {port}:{bracketed(host)}:{port} USER@COMPUTER, and then docker -H "
        f"tcp://127.0.0.1:{port}, for which its certificate is valid too. Or share a machine made with "
        + option("publish", "ADDRESS")
        + ", an address of that computer that others reach"
    )


def _is_loopback(host: str) -> bool:
    import ipaddress

    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.rstrip(".").lower() == "localhost"
