"""Passwords: what is one, and argon2id of them, a few at a time.

A hash takes 19 MiB and some 20 ms (OWASP's parameters, which are what argon2's authors call enough for a
server); however many sign in at once, only two are computed at a time, so memory stays bounded. The others
wait, and those who would wait for long are told to come again.
https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html
"""

from __future__ import annotations

import threading
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from dinv.server.problems import Invalid, TooManyRequests

SHORTEST = 12
LONGEST = 200
_AT_A_TIME = threading.BoundedSemaphore(2)
_WAITING = threading.BoundedSemaphore(32)
_PATIENCE = 10.0
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_NOBODY = _HASHER.hash("nobody's password")
"""What is verified when there is no such person, so that it takes as long."""


def check(password: str, name: str) -> None:
    """Raise Invalid for what cannot be a password. No rules of letters and digits (NIST SP 800-63B)."""
    detail = ""
    if len(password) < SHORTEST:
        detail = f"A password has {SHORTEST} characters or more; some words in a row are good."
    elif len(password) > LONGEST:
        detail = f"A password has at most {LONGEST} characters."
    elif len(set(password)) < 5 or (name and password.lower().replace(name.lower(), "") == ""):
        detail = "That password is too easy to guess: take one with more different characters."
    if detail:
        raise Invalid(detail, errors=[{"pointer": "/password", "detail": detail}])


def hashed(password: str) -> str:
    """Return what is kept of a password. Raises TooManyRequests."""
    with _turn():
        return _HASHER.hash(_normal(password))


def verify(kept: str | None, password: str) -> bool:
    """Tell whether it is the password. Takes as long where there is none. Raises TooManyRequests."""
    with _turn():
        try:
            matches = _HASHER.verify(kept or _NOBODY, _normal(password[: LONGEST + 1]))
        except (VerificationError, InvalidHashError):
            return False
        return bool(matches) and kept is not None


def is_outdated(kept: str) -> bool:
    """Tell whether it was made with other parameters than today's."""
    return _HASHER.check_needs_rehash(kept)


def _normal(password: str) -> str:
    # The same password typed on another system (RFC 8265, 4.1).
    return unicodedata.normalize("NFKC", password).encode(errors="replace").decode()


@contextmanager
def _turn() -> Iterator[None]:
    busy = TooManyRequests("Very many people are signing in at this moment. Try again.", retry_after=5)
    if not _WAITING.acquire(blocking=False):
        raise busy
    try:
        if not _AT_A_TIME.acquire(timeout=_PATIENCE):
            raise busy
        try:
            yield
        finally:
            _AT_A_TIME.release()
    finally:
        _WAITING.release()
