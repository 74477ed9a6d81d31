"""Checks of values that go from a record into `env`, URLs and command lines.

Anybody may have written a machine's URL, address and SSH user: what a shell or another program's command line
would read as something else is rejected.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from re import Match

_URL = (
    r"(?:(?:tcp|https?|ssh)://(?:[\w.+~\\][\w.+~@\\-]*@)?(?:\[[\w:.%-]+\]|\w[\w.-]*)?(?::(?P<port>[0-9]{1,5}))?"
    r"(?:/[\w.:/@%+~=,-]*)?|unix:///?[\w.:/@%+~=,-]*|(?!\w+://)[\w./][\w.:/@%+~=,-]*)?"
)
_ADDRESS = r"(?:[\w:\[][\w.:/%\[\]-]*)?"
_USER = r"(?:[\w.][\w.+@\\-]*)?"
LARGEST_PORT = 65535
PLAIN_PORT = 2375
TLS_PORT = 2376
"""The ports of the Docker API, without and with TLS (IANA: docker, docker-s)."""
_IPV4_BITS = 32


def is_url(text: str) -> bool:
    """Return whether it can be a daemon's URL, or is empty. docker-machine accepts names without a scheme."""
    host, _, port = text.removeprefix("tcp://").rpartition(":")
    if is_plain(host) and port.isdecimal() and port.isascii():
        return 0 < int(port) <= LARGEST_PORT
    match = _match(_URL, text)
    return match is not None and int(match["port"] or 1) in range(1, LARGEST_PORT + 1)


def is_address(text: str) -> bool:
    """Return whether it can be a host, or is empty; docker-machine's driver `none` keeps a URL here."""
    return is_plain(text) or _match(_ADDRESS, text) is not None


def is_user(text: str) -> bool:
    """Return whether it can be a user's name for SSH, or is empty."""
    return is_plain(text) or _match(_USER, text) is not None


def is_subnet(text: str) -> bool:
    """Return whether it is an IPv4 network as the module `ipaddress`, whose import takes 1 ms, writes it."""
    address, _, length = text.partition("/")
    if not (length.isdecimal() and length.isascii() and int(length) <= _IPV4_BITS):
        return False
    number = _ipv4(address)
    return number is not None and number % (1 << (_IPV4_BITS - int(length))) == 0


def is_ipv4(text: str) -> bool:
    """Return whether it is an IPv4 address."""
    return _ipv4(text) is not None


def _ipv4(text: str) -> int | None:
    import _socket

    try:
        return int.from_bytes(_socket.inet_pton(_socket.AF_INET, text), "big")
    except (OSError, ValueError):  # ValueError: an invalid character
        return None


def is_plain(text: str) -> bool:
    """Return whether it is plainly a name or an IPv4 address: compiling expressions takes 2 ms of a start."""
    return not text or (text.isascii() and text.replace(".", "").isalnum())


def _match(expression: str, text: str) -> Match[str] | None:
    import re

    return re.fullmatch(expression, text)
