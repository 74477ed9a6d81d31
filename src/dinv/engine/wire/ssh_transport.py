"""`ssh://`: a docker CLI, or Podman, on the other side."""

from __future__ import annotations

from functools import cached_property

from dinv.engine.wire.http_syntax import quote
from dinv.formats.host_port import bracketed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.engine.wire.byte_stream import ByteStream
    from dinv.errors import EndpointUnreachable
    from dinv.system.deadline import Deadline

_SHOWN = "/@\\+=,!"
"""Characters of an ssh:// address that are not percent-encoded, besides the usual ones."""


class SSHTransport:
    """A docker CLI behind ssh, or Podman. `host` may be an alias of ~/.ssh/config.

    `socket_path` is the engine's socket over there, unless it is docker's default.
    """

    http_host = "localhost"
    base_path = ""

    def __init__(
        self, host: str, *, user: str | None = None, port: int | None = None, socket_path: str | None = None
    ) -> None:
        self.destination = host
        self.user = user
        self.port = port
        self.socket_path = socket_path
        self._looking = False
        self.address = "".join(
            (
                "ssh://",
                f"{quote(user, _SHOWN)}@" if user else "",
                bracketed(host).replace("%", "%25"),
                f":{port}" if port else "",
                quote(socket_path or "", _SHOWN),
            )
        )

    @cached_property
    def host(self) -> str:
        """Return the host name or address behind `destination`, which may be an alias that only ssh knows."""
        from dinv.engine.wire.ssh import host_name

        return host_name(self.destination)

    def argv(self) -> list[str]:
        """Return the command that connects: no questions, no forwarding, no terminal."""
        import shlex

        argv = [
            "ssh",
            "-T",
            "-o",
            "BatchMode=yes",
            "-o",
            "ClearAllForwardings=yes",
            "-o",
            "ServerAliveInterval=30",
        ]
        if self.user:
            argv += ["-l", self.user]
        if self.port:
            argv += ["-p", str(self.port)]
        if self._looking:
            from dinv.engine.wire.ssh import looking_for_docker

            command = looking_for_docker(self.socket_path or "")
        else:
            where = ["--host", shlex.quote(f"unix://{self.socket_path}")] if self.socket_path else []
            command = ["docker", *where, "system", "dial-stdio"]
        return [*argv, "--", self.destination, *command]

    def name_by_address(self) -> bool:
        """The far side is a socket there."""
        return False

    def connect(self, deadline: Deadline) -> ByteStream:
        """Start ssh. Raises EndpointUnreachable; what the far side says comes with the first answer."""
        from dinv.engine.wire.ssh import open_stream

        return open_stream(self.argv(), self.address, deadline)

    def another_way(self, error: EndpointUnreachable) -> bool:
        """Look for docker, or Podman, outside the PATH of commands run by ssh, if it is not in there."""
        from dinv.engine.wire.ssh import NoDockerThere

        if self._looking or not isinstance(error, NoDockerThere):
            return False
        self._looking = True
        return True
