"""A dinv server (`dinv serve`) that machines are asked from: it cannot be reached, or says no."""

from __future__ import annotations

from dinv.errors.base import DinvError, InputError
from dinv.wording import command


class DinvServerError(DinvError):
    """Something about a dinv server. `url` is the server's."""

    def __init__(self, url: str, message: str) -> None:
        super().__init__(message)
        self.url = url


class ServerUnreachable(DinvServerError):
    """It gave no answer that can be used. `reason` continues the URL.

    If the request was `sent`, nothing is known of what it did. `passes` is whether it may be there again in a
    moment, as after a restart.
    """

    def __init__(
        self, url: str, reason: str, advice: str = "", *, sent: bool = True, passes: bool = False
    ) -> None:
        super().__init__(url, f"The dinv server {url} {reason}. {advice}".rstrip())
        self.reason = reason
        self.sent = sent
        self.passes = passes


class ServerRefused(DinvServerError):
    """It answered, and did not do it.

    `status` is HTTP's, `kind` the server's name for the problem ("quota-exceeded", "not-found" ...), `reason`
    its words.
    """

    def __init__(self, url: str, status: int, kind: str, reason: str) -> None:
        super().__init__(url, f"The dinv server {url} refuses: {reason}")
        self.status = status
        self.kind = kind
        self.reason = reason


class NotLoggedIn(DinvServerError):
    """There is no token for it, or it is not valid any more."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(
            url, f"You are not logged in to the dinv server {url}: {reason}. " + command("login", url)
        )
        self.reason = reason


class NoServer(InputError):
    """A command needs a server, and the store is logged in to none."""

    def __init__(self, doing: str) -> None:
        super().__init__(
            f"{doing} needs a dinv server, and you are not logged in to one: "
            + command("login", "https://HOST")
            + ". To make machines on an endpoint of your own, give its driver: "
            + command("create", "-d", "docker", "NAME")
        )


class MachineGoneThere(DinvServerError):
    """The server has no such machine any more: its time was over, or somebody removed it."""

    def __init__(self, machine: str, url: str) -> None:
        super().__init__(
            url,
            f'Machine "{machine}" is no longer on the dinv server {url}: its time was over, or it was '
            f"removed there. To forget it here: " + command("rm", machine),
        )
        self.machine = machine
