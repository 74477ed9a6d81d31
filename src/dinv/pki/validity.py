"""When a machine's certificates expire, cheaply enough for `env`, `ls` and `status`.

The certificate library takes 40 ms to import. Only one field of a certificate is needed here, and its place
is fixed (RFC 5280, 4.1), so it is read straight from the DER. Nothing else about a certificate is checked,
and one that cannot be read has no end.
"""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

SOON_SECONDS = 14 * 86400

_BEGIN, _END = b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----"
_LARGEST = 1024 * 1024
_SEQUENCE, _UTC_TIME, _GENERALIZED_TIME, _VERSION = 0x30, 0x17, 0x18, 0xA0
_LONG_FORM = 0x80
_CENTURY_TURNS = "50"  # RFC 5280, 4.1.2.5.1: two-digit years from there on are in the last century
_WHAT = (("ca.pem", "CA"), ("server.pem", "server certificate"), ("cert.pem", "client certificate"))


def ends(pem: bytes) -> list[str]:
    """Return when each certificate expires, as "YYYYMMDDHHMMSS" in UTC; "" for one that cannot be read."""
    import binascii

    found = []
    for part in pem.split(_BEGIN)[1:]:
        try:
            found.append(_not_after(binascii.a2b_base64(part.partition(_END)[0])))
        except (ValueError, IndexError, StopIteration):
            found.append("")
    return found


def remark(directory: str, *, soon: bool = False) -> tuple[str, str]:
    """Return a warning about the certificates in a directory: one has expired, or with `soon` is about to.

    Returns the file's name and the words, both "" if there is nothing to report. A file that cannot be read
    is left for others to report. Nothing is written: of a set that is half in place, the new files count.
    """
    from dinv.system.files import current

    for seconds, verb in ((0, "expired"), (SOON_SECONDS, "expires"))[: 2 if soon else 1]:
        limit = time.strftime("%Y%m%d%H%M%S", time.gmtime(time.time() + seconds))
        for name, what in _WHAT:
            end = _end(current(directory, name), bundle=name == "ca.pem")
            if end and end < limit:
                return name, f"its {what} {verb} on {end[:4]}-{end[4:6]}-{end[6:8]}"
    return "", ""


def _end(path: str, *, bundle: bool) -> str:
    """Return when a file expires: a bundle of CAs with the last one, a chain with its first certificate."""
    from dinv.system.files import read

    try:
        found = ends(read(path, largest=_LARGEST))
    except (OSError, ValueError):
        return ""
    if not found or not all(found):
        return ""
    return max(found) if bundle else found[0]


def _not_after(der: bytes) -> str:
    """Return a certificate's end. Raises ValueError, IndexError, StopIteration if it is not a certificate."""
    certificate = _inside(der, _SEQUENCE)
    fields = _fields(_inside(certificate, _SEQUENCE))
    tag, _ = next(fields)
    if tag == _VERSION:
        next(fields)  # the serial number
    next(fields)  # the signature's algorithm
    next(fields)  # the issuer
    tag, validity = next(fields)
    times = list(_fields(validity)) if tag == _SEQUENCE else []
    if len(times) != 2:  # from, to
        raise ValueError("no validity where it should be")
    tag, value = times[1]
    text = value.decode("ascii").removesuffix("Z")
    if tag == _UTC_TIME:
        text = ("19" if text[:2] >= _CENTURY_TURNS else "20") + text
    elif tag != _GENERALIZED_TIME:
        raise ValueError("no time where it should be")
    if len(text) != len("YYYYMMDDHHMMSS") or not text.isdecimal():
        raise ValueError("no time in UTC")
    return text


def _inside(der: bytes, expected: int) -> bytes:
    tag, value = next(_fields(der))
    if tag != expected:
        raise ValueError("another type")
    return value


def _fields(der: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield (type, content) of consecutive DER values. Raises ValueError when they are cut short."""
    place = 0
    while place < len(der):
        tag, length = der[place], der[place + 1]
        place += 2
        if length & _LONG_FORM:
            size = length & ~_LONG_FORM
            length = int.from_bytes(der[place : place + size], "big")
            place += size
        if place + length > len(der):
            raise ValueError("cut short")
        yield tag, der[place : place + length]
        place += length
