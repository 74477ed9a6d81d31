"""This computer's routes: which networks it has routes to, and by which device it reaches an address.

They come from the kernel (rtnetlink(7)), which needs no privilege and covers all tables and rules: a VPN's
routes are often in a table of their own, which /proc/net/route does not show. On systems other than Linux
nothing is known. That is not an error: no engine's networks can be reached from there.
"""

from __future__ import annotations

import socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from ipaddress import IPv4Network

_HEADER = "=IHHII"  # length, type, flags, sequence, port (netlink(7))
_ROUTE = "=BBBBBBBBI"  # family, destination's bits, source's, tos, table, protocol, scope, type, flags
_HEADER_BYTES, _ROUTE_BYTES, _ATTRIBUTE_BYTES = 16, 12, 4
_GETROUTE, _REQUEST, _DUMP = 26, 0x1, 0x300
_ERROR, _DONE = 2, 3
_DESTINATION, _DEVICE = 1, 4
_BROADCAST = 3
_SECONDS = 2.0

KNOWN = hasattr(socket, "AF_NETLINK")
"""Return whether routes can be read on this system."""
_PIECE = 1 << 16


def networks() -> list[IPv4Network]:
    """Return all networks and addresses that this computer has an IPv4 route to, its own included.

    Routes for everything (the default route, and the two halves of it that some VPNs set) are left out.
    """
    import ipaddress

    found = []
    for bits, kind, destination, _ in _ask(_GETROUTE, _REQUEST | _DUMP, 0, b""):
        if bits > 1 and kind != _BROADCAST:
            found.append(ipaddress.IPv4Network((destination or bytes(4), bits)))
    return found


def device_to(address: str) -> str:
    """Return the network device by which this computer reaches an IPv4 address; "" if unknown."""
    import struct

    wanted = struct.pack("=HH", 8, _DESTINATION) + socket.inet_aton(address)
    for _, _, _, device in _ask(_GETROUTE, _REQUEST, 32, wanted):
        if device:
            try:
                return socket.if_indextoname(device)
            except OSError:
                return ""
    return ""


def is_device(name: str) -> bool:
    """Return whether this computer has a network device of this name."""
    try:
        socket.if_nametoindex(name)
    except OSError:
        return False
    return True


def is_own(address: str) -> bool:
    """Return whether an IPv4 address is one of this computer's own."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind((address, 0))
    except OSError:
        return False
    return True


def _ask(kind: int, flags: int, bits: int, attributes: bytes) -> Iterator[tuple[int, int, bytes, int]]:
    """Return routes as (bits of the destination, type, destination, device index); none if unavailable."""
    import struct

    if not KNOWN:
        return
    body = struct.pack(_ROUTE, socket.AF_INET, bits, 0, 0, 0, 0, 0, 0, 0) + attributes
    header = struct.pack(_HEADER, _HEADER_BYTES + len(body), kind, flags, 1, 0)
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as kernel:
            kernel.settimeout(_SECONDS)
            kernel.bind((0, 0))
            kernel.send(header + body)
            while True:
                data = kernel.recv(_PIECE)
                offset = 0
                while offset + _HEADER_BYTES <= len(data):
                    length, found, *_ = struct.unpack_from(_HEADER, data, offset)
                    if found in (_ERROR, _DONE) or length < _HEADER_BYTES:
                        return
                    yield _route(data[offset + _HEADER_BYTES : offset + length])
                    offset += -(-length // 4) * 4
                if not flags & _DUMP:
                    return
    except OSError:
        return


def _route(message: bytes) -> tuple[int, int, bytes, int]:
    import struct

    _, bits, _, _, _, _, _, kind, _ = struct.unpack_from(_ROUTE, message)
    destination, device, offset = b"", 0, _ROUTE_BYTES
    while offset + _ATTRIBUTE_BYTES <= len(message):
        length, what = struct.unpack_from("=HH", message, offset)
        if length < _ATTRIBUTE_BYTES:
            break
        value = message[offset + _ATTRIBUTE_BYTES : offset + length]
        if what == _DESTINATION:
            destination = value
        elif what == _DEVICE:
            device = struct.unpack("=I", value)[0]
        offset += -(-length // 4) * 4
    return bits, kind, destination, device
