"""A machine's lease: until when it is wanted, and what becomes of it then.

It is in the machine's record, and in labels of its container (`dinv.labels`), so that every dinv that has the
endpoint knows it. Labels cannot change: an extension is also in a file in the container (FILE), which is read
where the labels say that the lease is over. Of several ends the latest holds, so an extension that was killed
between the two counts. All of these times are the endpoint's.
"""

from __future__ import annotations

from dinv.labels import (
    LABEL_LEASE_EXPIRES,
    LABEL_LEASE_IDLE_TTL,
    LABEL_LEASE_KEEP_CACHE,
    LABEL_LEASE_ON_EXPIRY,
    LABEL_LEASE_TTL,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

REMOVE, STOP = "remove", "stop"
ON_EXPIRY = (REMOVE, STOP)
FILE = "/etc/dinv/lease"
"""In a container: one line, the end of its lease, as the label has it; written by an extension."""
LONGEST_SECONDS = 3650 * 86400
LONGEST_IDLE_SECONDS = 20 * 86400
"""What keeps the time of the last use in a machine forgets it after 24 days (images/README.md)."""
SOON_SECONDS = 3600
"""An end is near within this time, or the last quarter of the lease if that is less."""


class Lease:
    """Until when a machine is wanted. Times are in seconds; 0 and "" stand for none.

    `ttl` is how long it was given for, and `expires` its end, by the endpoint's clock: RFC 3339, UTC.
    `idle_ttl` is how long it may be unused. `on_expiry` is what happens then, "remove" or "stop"; with
    `keep_cache` its cache volume stays. `warned` is the end that hooks have been told of as near, and
    `warned_idle` the one that comes if nobody uses it until then.
    """

    __slots__ = ("expires", "idle_ttl", "keep_cache", "on_expiry", "ttl", "warned", "warned_idle")

    def __init__(
        self,
        *,
        ttl: int = 0,
        idle_ttl: int = 0,
        expires: str = "",
        on_expiry: str = REMOVE,
        keep_cache: bool = False,
        warned: str = "",
        warned_idle: str = "",
    ) -> None:
        self.ttl = ttl
        self.idle_ttl = idle_ttl
        self.expires = expires
        self.on_expiry = on_expiry
        self.keep_cache = keep_cache
        self.warned = warned
        self.warned_idle = warned_idle

    def __repr__(self) -> str:
        return f"<Lease until {self.expires or 'unused for ' + str(self.idle_ttl)}, then {self.on_expiry}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Lease) and self.document() == other.document()

    __hash__ = None  # type: ignore[assignment]

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Lease:
        """Return the lease of a record, whose kinds were checked (`is_one`)."""
        return cls(
            ttl=document.get("TTL") or 0,
            idle_ttl=document.get("IdleTTL") or 0,
            expires=document.get("Expires") or "",
            on_expiry=document.get("OnExpiry") or REMOVE,
            keep_cache=bool(document.get("KeepCache")),
            warned=document.get("Warned") or "",
            warned_idle=document.get("WarnedIdle") or "",
        )

    def document(self) -> dict[str, Any]:
        """Return it as the record has it."""
        found = {
            "TTL": self.ttl,
            "IdleTTL": self.idle_ttl,
            "Expires": self.expires,
            "OnExpiry": self.on_expiry,
            "KeepCache": self.keep_cache,
        }
        told = {"Warned": self.warned, "WarnedIdle": self.warned_idle}
        return {**found, **{key: end for key, end in told.items() if end}}

    @classmethod
    def of_labels(cls, labels: Mapping[str, str]) -> Lease | None:
        """Return the lease that a container's labels tell of; None if they tell of none that makes sense."""
        document: dict[str, Any] = {
            "TTL": _whole(labels.get(LABEL_LEASE_TTL)),
            "IdleTTL": _whole(labels.get(LABEL_LEASE_IDLE_TTL)),
            "Expires": labels.get(LABEL_LEASE_EXPIRES) or "",
            "OnExpiry": labels.get(LABEL_LEASE_ON_EXPIRY) or "",
            "KeepCache": labels.get(LABEL_LEASE_KEEP_CACHE) == "true",
        }
        # What is to happen has to be said: of a label that was cut off nothing is concluded.
        if not is_one(document) or not document["OnExpiry"]:
            return None
        return cls.of(document) if document["Expires"] or document["IdleTTL"] else None

    def labels(self) -> dict[str, str]:
        """Return the labels of a container that tell of it."""
        found = {
            LABEL_LEASE_TTL: str(self.ttl or ""),
            LABEL_LEASE_IDLE_TTL: str(self.idle_ttl or ""),
            LABEL_LEASE_EXPIRES: self.expires,
            LABEL_LEASE_ON_EXPIRY: self.on_expiry,
            LABEL_LEASE_KEEP_CACHE: "true" if self.keep_cache else "",
        }
        return {label: value for label, value in found.items() if value}

    @property
    def end(self) -> int | None:
        """Its end in seconds since 1970; None if it has none."""
        return seconds(self.expires) if self.expires else None

    def left(self, now: float) -> float | None:
        """Return the seconds until its end, negative afterwards; None if it has no end."""
        return None if self.end is None else self.end - now

    def about(self, now: float, *, stopped: bool = False) -> str:
        """Return how long it has, for people: "in 2 hours", "over", "3 hours unused", or both of its ends.

        With a "!" if the end is near, unless it has `stopped` as is to be; `remark` says more.
        """
        from dinv.formats.durations import about

        ends = []
        left = self.left(now)
        if left is not None:
            ends.append(f"in {about(left)}" if left > 0 else "over")
        if self.idle_ttl and (left is None or left > 0):
            ends.append(f"{about(self.idle_ttl)} unused")
        return " or ".join(ends) + ("!" if self.urgency(now, stopped=stopped) else "")

    def urgency(self, now: float, *, stopped: bool = False) -> str:
        """Return "over" if its end was, "soon" if one of its ends is near, as far as is known, or ""."""
        if stopped and self.on_expiry == STOP:
            return ""
        left = self.left(now)
        if left is not None and left <= 0:
            return "over"
        near = left is not None and self.is_near(left)
        return "soon" if near or self._unused_until(now) is not None else ""

    def described(self) -> str:
        """Return what it says, for people: "until 2026-11-30T12:00:00Z, then removed"."""
        from dinv.formats.durations import about

        ends = [f"until {self.expires}"] if self.expires else []
        ends += [f"until it is unused for {about(self.idle_ttl)}"] if self.idle_ttl else []
        return " or ".join(ends) + f", then {self._done}"

    def remark(self, machine: str, now: float, *, stopped: bool = False) -> str:
        """Return what to do if its end is near, or was; "" if not, and if it has `stopped` as is to be."""
        from dinv.formats.durations import about
        from dinv.wording import command

        if stopped and self.on_expiry == STOP:
            return ""
        left, then = self.left(now), self._done
        if left is not None and self.is_near(left):
            said = f"its lease ends in {about(left)}" if left > 0 else "its lease is over"
            when = "then" if left > 0 else "by the next reap"
            return f"{said}, it is {then} {when}: " + command("extend", machine, "DURATION")
        unused = self._unused_until(now)
        if unused is None:
            return ""
        return f"nobody used it when it was last looked at: it is {then} in {about(unused)} unless it is used"

    def is_near(self, left: float, *, within: float | None = None) -> bool:
        """Return whether the end is near with `left` seconds to go: `within` a time, else by SOON_SECONDS."""
        return left <= (min(SOON_SECONDS, self.ttl / 4 or SOON_SECONDS) if within is None else within)

    def is_idle_near(self, left: float, *, within: float | None = None) -> bool:
        """Return the same of the end that comes with `left` seconds more without a use."""
        return left <= (min(SOON_SECONDS, self.idle_ttl / 4) if within is None else within)

    @property
    def _done(self) -> str:
        return "stopped" if self.on_expiry == STOP else "removed"

    def _unused_until(self, now: float) -> float | None:
        """The seconds until the end of one that was seen unused for long; None of any other."""
        end = seconds(self.warned_idle) if self.idle_ttl and self.warned_idle else None
        return end - now if end is not None and end > now else None


def is_one(value: object) -> bool:
    """Return whether a value of a record is a lease's document."""
    if not isinstance(value, dict):
        return False
    numbers = [value.get("TTL") or 0, value.get("IdleTTL") or 0]
    texts = [value.get(key) or "" for key in ("Expires", "Warned", "WarnedIdle")]
    if not all(type(number) is int and 0 <= number <= LONGEST_SECONDS for number in numbers):
        return False
    if not all(isinstance(text, str) and (not text or seconds(text) is not None) for text in texts):
        return False
    return (value.get("OnExpiry") or REMOVE) in ON_EXPIRY and isinstance(value.get("KeepCache", False), bool)


def later(*expires: str) -> str:
    """Return the latest of several ends; "" if there is none. What is not a time does not count."""
    # Of one length and in UTC, they sort as texts.
    return max((each for each in expires if seconds(each) is not None), default="")


def seconds(text: str) -> int | None:
    """Return a time as a lease has it, "2026-11-30T12:00:00Z", in seconds since 1970; None for another text.

    `datetime` does more, and takes a millisecond to import, which `ls` would wait for.
    """
    shape = "".join("0" if each in "0123456789" else each for each in text)
    if shape != "0000-00-00T00:00:00Z":
        return None
    year, month, day = int(text[:4]), int(text[5:7]), int(text[8:10])
    hour, minute, second = int(text[11:13]), int(text[14:16]), int(text[17:19])
    if not (
        year >= 1970 and 1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second < 60
    ):
        return None
    # A year begins in March here, so that the day that only leap years have is its last.
    year, month = (year, month - 3) if month > 2 else (year - 1, month + 9)
    days = 365 * year + year // 4 - year // 100 + year // 400 + (153 * month + 2) // 5 + day - 719469
    return days * 86400 + hour * 3600 + minute * 60 + second


def _whole(text: str | None) -> int:
    """Return a number of seconds in a label; 0 for none, and -1, which is no lease's, for anything else."""
    if not text:
        return 0
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 12 else -1
