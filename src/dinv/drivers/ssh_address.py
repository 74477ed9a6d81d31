"""Where a machine's own SSH server is, for drivers whose machines have one."""

from __future__ import annotations

from dinv.formats import host_port


class SSHAddress:
    """Host and port of an SSH server, and who logs in with what.

    `key` is the path of a private key, "" where ssh-agent has it; `whose` says what kind of machine it is,
    for the error that there is no ssh on this computer.
    """

    __slots__ = ("host", "key", "port", "user", "whose")

    def __init__(self, host: str, port: int, user: str, key: str, *, whose: str) -> None:
        self.host = host
        self.port = port
        self.user = user
        self.key = key
        self.whose = whose

    def __repr__(self) -> str:
        return f"SSHAddress({self.user}@{host_port.join(self.host, self.port)})"

    @property
    def identity(self) -> list[str]:
        """Options for the key, of ssh and of scp."""
        return ["-o", "IdentitiesOnly=yes", "-i", self.key] if self.key else []
