"""A client of the Docker Engine API, as far as dinv speaks it.

    from dinv.engine import Engine, parse_address

    with Engine(parse_address("unix:///var/run/docker.sock")) as engine:
        engine.containers.list(all=True)

The way of a call, top to bottom, a file each:

    client            Engine, with the calls by what they are about:
    images volumes networks containers execs
    calls             a call: version negotiation, one idle connection kept, errors as types
    addresses         how endpoints are written
    wire/http         requests and responses on one connection (http_syntax: how they are written)
    wire/streams      what comes inside bodies: multiplexed output, lines of JSON
    wire/hijack       connections that stop being HTTP: exec and attach
    wire/transport    unix:// (tcp_transport, ssh_transport: the others; tls, ssh: what they stream through)
    wire/byte_stream  bytes to and fro, with a deadline

Every wait has a deadline. Nothing here is imported before it is needed: `import dinv.engine`
is on the way of each command that talks to an endpoint.
"""

from __future__ import annotations

from dinv.engine.addresses import parse_address
from dinv.engine.calls import Ping
from dinv.engine.client import Engine
from dinv.engine.wire.transport import Transport, UnixTransport
from dinv.system.deadline import Deadline, IdleDeadline

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.engine.wire.ssh_transport import SSHTransport
    from dinv.engine.wire.tcp_transport import TCPTransport
    from dinv.engine.wire.tls_files import TLSFiles
else:
    # Not needed for an engine of this computer, which most commands use: loaded on first access.
    _LATER = {
        "SSHTransport": "dinv.engine.wire.ssh_transport",
        "TCPTransport": "dinv.engine.wire.tcp_transport",
        "TLSFiles": "dinv.engine.wire.tls_files",
    }

    def __getattr__(name: str) -> object:
        if name not in _LATER:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(__import__(_LATER[name], fromlist=[name]), name)


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
