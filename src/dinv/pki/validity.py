"""When a machine's certificates expire, cheaply enough for `env`, `ls` and `status`.

The certificate library takes 40 ms to import. Only two fields of a certificate are needed here, and their
place is fixed (RFC 5280, 4.1), so they are read straight from the DER. Nothing else about a certificate is
checked, and one that cannot be read has no dates.
"""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator
    from typing import Self

SOON_SECONDS = 14 * 86400
"""What is left of a certificate that is about to expire, at most."""
SOON_PART = 6
"""Which part of its life that is at most: half of what was left when its renewal fell due."""

RENEWED_PART = 3
"""A certificate is to be renewed when this part of its life is left, ..."""
JITTER_PART = 20
"""... and up to this part of its life earlier, so that those made at one time are not renewed at one time.

Smallstep's step does the same (smallstep/certificates: ca/renew.go).
"""

_BEGIN, _END = b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----"
_LARGEST = 1024 * 1024
_SEQUENCE, _INTEGER, _UTC_TIME, _GENERALIZED_TIME, _VERSION = 0x30, 0x02, 0x17, 0x18, 0xA0
_LONG_FORM = 0x80
_WITH_CA_SECONDS = 60
_CENTURY_TURNS = "50"  # RFC 5280, 4.1.2.5.1: two-digit years from there on are in the last century


class Validity(tuple[str, int, int]):
    """The serial number of a certificate and from when until when it is valid. Immutable."""

    __slots__ = ()

    def __new__(cls, serial: str, begin: int, end: int) -> Self:
        return super().__new__(cls, (serial, begin, end))

    @property
    def serial(self) -> str:
        """Its serial number: lower-case hexadecimal, without leading zeros."""
        return self[0]

    @property
    def begin(self) -> int:
        """The first second in which it is valid, since 1970."""
        return self[1]

    @property
    def end(self) -> int:
        """The last second in which it is valid, since 1970."""
        return self[2]

    @property
    def not_before(self) -> dt.datetime:
        """The first second in which it is valid, in UTC."""
        return _datetime(self.begin)

    @property
    def not_after(self) -> dt.datetime:
        """The last second in which it is valid, in UTC."""
        return _datetime(self.end)

    @property
    def life(self) -> int:
        """For how many seconds it is valid in all."""
        return self.end - self.begin

    def expired(self, now: float) -> bool:
        """Whether it is not valid any more at `now`, in seconds since 1970."""
        return self.end < now

    def ends_soon(self, now: float) -> bool:
        """Whether it expires within two weeks, or within the sixth part of its life if that is less."""
        return self.end - min(SOON_SECONDS, self.life // SOON_PART) < now

    def due_at(self, identity: str) -> float:
        """When it is to be renewed, in seconds since 1970: a third of its life, or a little more, is left.

        How much more depends on the machine's identity and on nothing else.
        """
        import binascii

        share = binascii.crc32(identity.encode()) / 2**32
        return self.end - self.life / RENEWED_PART - self.life / JITTER_PART * share

    def __repr__(self) -> str:
        return f"Validity({self.serial!r}, {rfc3339(self.begin)!r}, {rfc3339(self.end)!r})"


class Certificates(tuple["Validity | None", "Validity | None", "Validity | None"]):
    """The dates of a machine's certificates; None for one that is missing or cannot be read. Immutable."""

    __slots__ = ()

    def __new__(
        cls, ca: Validity | None = None, server: Validity | None = None, client: Validity | None = None
    ) -> Self:
        return super().__new__(cls, (ca, server, client))

    @property
    def ca(self) -> Validity | None:
        """The CA that machine and users trust; while it is being replaced, the one that expires last."""
        return self[0]

    @property
    def server(self) -> Validity | None:
        """The machine's certificate."""
        return self[1]

    @property
    def client(self) -> Validity | None:
        """The user's certificate."""
        return self[2]

    @property
    def first_end(self) -> int | None:
        """When the machine's or the user's certificate expires, whichever is first, in seconds since 1970."""
        return min((each.end for each in self[1:] if each is not None), default=None)

    def valid(self, now: float | None = None) -> bool:
        """Whether all that can be read are valid now: not expired, and not of the future."""
        now = time.time() if now is None else now
        return all(each is None or each.begin <= now <= each.end for each in self)

    def due(
        self, each: Validity | None, identity: str, *, now: float | None = None, before: float | None = None
    ) -> bool:
        """Whether one of them is to be renewed: see `Validity.due_at`, or within `before` seconds of its end.

        Not one that is missing, nor one that ends with its CA: renewed, it would end at the same time.
        """
        if each is None or (self.ca is not None and self.ca.end - each.end < _WITH_CA_SECONDS):
            return False
        now = time.time() if now is None else now
        return now >= (each.due_at(identity) if before is None else each.end - before)

    def document(self) -> dict[str, dict[str, str]]:
        """Return them as `inspect` shows them; what is missing is left out."""
        return {
            name: {"Serial": each.serial, "NotBefore": rfc3339(each.begin), "NotAfter": rfc3339(each.end)}
            for name, each in zip(("CA", "Server", "Client"), self, strict=True)
            if each is not None
        }

    def remark(self, *, soon: bool = False, now: float | None = None) -> tuple[str, str]:
        """Return a warning: one of them has expired, or with `soon` is about to.

        Returns the file's name and the words, both "" if there is nothing to report.
        """
        now = time.time() if now is None else now
        for name, what, each in zip(FILES, _WHAT, self, strict=True):
            if each is not None and each.expired(now):
                return name, f"its {what} expired on {rfc3339(each.end)[:10]}"
        for name, what, each in zip(FILES, _WHAT, self, strict=True):
            if soon and each is not None and each.ends_soon(now):
                return name, f"its {what} expires {_when(each.end, now)}"
        return "", ""


FILES = ("ca.pem", "server.pem", "cert.pem")
_WHAT = ("CA", "server certificate", "client certificate")


def validities(pem: bytes) -> list[Validity | None]:
    """Return the dates of each certificate in PEM; None for one that cannot be read."""
    import binascii

    found: list[Validity | None] = []
    for part in pem.split(_BEGIN)[1:]:
        try:
            found.append(_validity(binascii.a2b_base64(part.partition(_END)[0])))
        except (ValueError, IndexError, StopIteration):
            found.append(None)
    return found


def in_directory(directory: str) -> Certificates:
    """Return the dates of the certificates in a machine's directory.

    A file that cannot be read is left for others to report. Nothing is written: of a set that is half in
    place, the new files count.
    """
    from dinv.system.files import current

    return Certificates(*(_of_file(current(directory, name), bundle=name == "ca.pem") for name in FILES))


def rfc3339(seconds: float | None) -> str:
    """Return a time, in seconds since 1970, as "2026-11-29T12:00:00Z"; "" for None."""
    return "" if seconds is None else time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def until(end: float | None) -> str:
    """Return until when something is valid, for people: a day, and the time if that is near; "" for None."""
    text = rfc3339(end)
    return text[:10] if end is None or end - time.time() > 2 * 86400 else f"{text[:10]} {text[11:16]} UTC"


def _when(end: int, now: float) -> str:
    """Return a day, or a time if that is today or tomorrow."""
    text = rfc3339(end)
    return f"on {text[:10]}" if end - now > 86400 else f"at {text[11:16]} UTC on {text[:10]}"


def _datetime(seconds: int) -> dt.datetime:
    import datetime as dt

    return dt.datetime.fromtimestamp(seconds, dt.UTC)


def _of_file(path: str, *, bundle: bool) -> Validity | None:
    """Return a file's dates: of a bundle of CAs the last to expire, of a chain its first certificate."""
    from dinv.system.files import read

    try:
        found = validities(read(path, largest=_LARGEST))
    except (OSError, ValueError):
        return None
    sound = [each for each in found if each is not None]
    if not sound or len(sound) < len(found):
        return None
    return max(sound, key=lambda each: each.end) if bundle else sound[0]


def _validity(der: bytes) -> Validity:
    """Return a certificate's dates. Raises ValueError, IndexError, StopIteration if it is not one."""
    certificate = _inside(der, _SEQUENCE)
    fields = _fields(_inside(certificate, _SEQUENCE))
    tag, serial = next(fields)
    if tag == _VERSION:
        tag, serial = next(fields)
    next(fields)  # the signature's algorithm
    next(fields)  # the issuer
    kind, validity = next(fields)
    times = list(_fields(validity)) if kind == _SEQUENCE else []
    if tag != _INTEGER or len(times) != 2:  # from, to
        raise ValueError("no serial number or validity where it should be")
    number = int.from_bytes(serial, "big", signed=True)
    return Validity(f"{number:x}", _seconds(*times[0]), _seconds(*times[1]))


def _seconds(tag: int, value: bytes) -> int:
    """Return a time in seconds since 1970. Raises ValueError."""
    text = value.decode("ascii").removesuffix("Z")
    if tag == _UTC_TIME:
        text = ("19" if text[:2] >= _CENTURY_TURNS else "20") + text
    elif tag != _GENERALIZED_TIME:
        raise ValueError("no time where it should be")
    if len(text) != len("YYYYMMDDHHMMSS") or not text.isdecimal():
        raise ValueError("no time in UTC")
    year, month, day = int(text[:4]), int(text[4:6]), int(text[6:8])
    hour, minute, second = int(text[8:10]), int(text[10:12]), int(text[12:])
    if not (year and 1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second < 61):
        raise ValueError("no such time")
    return _days(year, month, day) * 86400 + hour * 3600 + minute * 60 + second


def _days(year: int, month: int, day: int) -> int:
    """Return the days from 1970-01-01 to a day of the Gregorian calendar.

    `calendar.timegm` does the same, and takes 3 ms to import. A year begins in March here, so that the day
    that only leap years have is its last.
    """
    year, month = (year, month - 3) if month > 2 else (year - 1, month + 9)
    return 365 * year + year // 4 - year // 100 + year // 400 + (153 * month + 2) // 5 + day - 719469


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
