"""Until when a machine's certificates are valid, at a price that `env`, `ls` and `status` can pay.

The library for certificates takes 40 ms to import. What is needed here is one field of a certificate: its
place is fixed (RFC 5280, 4.1), so it is read from the DER as it stands. Whether a certificate is sound in any
other way is not looked at, and what cannot be read has no end.
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
_CENTURY_TURNS = "50"  # RFC 5280, 4.1.2.5.1: two digits from there on are of the last century
_WHAT = (("ca.pem", "CA"), ("server.pem", "server certificate"), ("cert.pem", "client certificate"))


def ends(pem: bytes) -> list[str]:
    """The end of validity of each certificate, as "YYYYMMDDHHMMSS" in UTC; of one that cannot be read ""."""
    import binascii

    found = []
    for part in pem.split(_BEGIN)[1:]:
        try:
            found.append(_not_after(binascii.a2b_base64(part.partition(_END)[0])))
        except (ValueError, IndexError, StopIteration):
            found.append("")
    return found


def remark(directory: str, *, soon: bool = False) -> tuple[str, str]:
    """What is to be said of the certificates in a directory: that one has expired, or with `soon` will have.

    The name of the file, and the words; both are "" where there is nothing to say. A file that cannot be read
    is for others to tell. Nothing is written: of a set that is half in place, what it is to be counts.
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
    """Of a bundle of CAs the last end counts, of a chain that of the first certificate."""
    from dinv.system.files import read

    try:
        found = ends(read(path, largest=_LARGEST))
    except (OSError, ValueError):
        return ""
    if not found or not all(found):
        return ""
    return max(found) if bundle else found[0]


def _not_after(der: bytes) -> str:
    """Raises ValueError, IndexError, StopIteration for what is no certificate."""
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
    """The types and contents one after the other. Raises ValueError when they are cut short."""
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
