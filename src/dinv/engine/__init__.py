"""A client of the Docker Engine API, as far as dinv speaks it.

    from dinv.engine import Engine, parse_address

    with Engine(parse_address("unix:///var/run/docker.sock")) as engine:
        engine.containers.list(all=True)

The way of a call, top to bottom, a file each:

    images volumes networks containers execs    the calls, by what they are about
    client       Engine: version negotiation, one idle connection kept, errors as types
    http         requests and responses on one connection (http_syntax: how they are written)
    streams      what comes inside bodies: multiplexed output, lines of JSON
    hijack       connections that stop being HTTP: exec and attach
    addresses    how endpoints are written
    transport    unix://, tcp://, ssh:// (tls and ssh have files of their own)
    bytestream   bytes to and fro, with a deadline

Every wait has a deadline. Nothing here is imported before it is needed: `import dinv.engine`
is on the way of each command that talks to an endpoint.
"""

from __future__ import annotations

from dinv.engine.addresses import parse_address
from dinv.engine.client import Engine, Ping
from dinv.engine.wire.transport import SSHTransport, TCPTransport, TLSFiles, Transport, UnixTransport
from dinv.system.deadline import Deadline, IdleDeadline

__all__ = [
    "Deadline",
    "Engine",
    "IdleDeadline",
    "Ping",
    "SSHTransport",
    "TCPTransport",
    "TLSFiles",
    "Transport",
    "UnixTransport",
    "parse_address",
]
