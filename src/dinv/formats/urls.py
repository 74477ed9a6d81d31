"""What goes from a record into `env`, URLs and command lines has to be what it says it is.

A machine's URL, address and SSH user may have been written by anybody: what a shell or another program's
command line would read as something else is none of these.
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
"""The Docker API's, without and with TLS (IANA: docker, docker-s)."""
_IPV4_BITS = 32


def is_url(text: str) -> bool:
    """Whether it can be the URL of a daemon, or is empty. docker-machine takes names without a scheme."""
    host, _, port = text.removeprefix("tcp://").rpartition(":")
    if is_plain(host) and port.isdecimal() and port.isascii():
        return 0 < int(port) <= LARGEST_PORT
    match = _match(_URL, text)
    return match is not None and int(match["port"] or 1) in range(1, LARGEST_PORT + 1)


def is_address(text: str) -> bool:
    """Whether it can be a host or, as docker-machine's driver `none` keeps it, a URL; or is empty."""
    return is_plain(text) or _match(_ADDRESS, text) is not None


def is_user(text: str) -> bool:
    """Whether it can be a user's name for SSH, or is empty."""
    return is_plain(text) or _match(_USER, text) is not None


def is_subnet(text: str) -> bool:
    """Whether it is an IPv4 network as the module `ipaddress` writes it, whose import takes 1 ms."""
    address, _, length = text.partition("/")
    if not (length.isdecimal() and length.isascii() and int(length) <= _IPV4_BITS):
        return False
    number = _ipv4(address)
    return number is not None and number % (1 << (_IPV4_BITS - int(length))) == 0


def is_ipv4(text: str) -> bool:
    """Whether it is an IPv4 address."""
    return _ipv4(text) is not None


def _ipv4(text: str) -> int | None:
    import _socket

    try:
        return int.from_bytes(_socket.inet_pton(_socket.AF_INET, text), "big")
    except (OSError, ValueError):  # ValueError: a character that none has
        return None


def is_plain(text: str) -> bool:
    """Whether it is a name or an IPv4 address at first sight: compiling expressions takes 2 ms of a start."""
    return not text or (text.isascii() and text.replace(".", "").isalnum())


def _match(expression: str, text: str) -> Match[str] | None:
    import re

    return re.fullmatch(expression, text)
