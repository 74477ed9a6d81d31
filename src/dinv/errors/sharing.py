"""Access to a machine that others were given: it cannot be given, or taken away."""

from __future__ import annotations

from dinv.errors.base import InputError
from dinv.errors.machine import MachineError, NotSupported
from dinv.wording import command


class InvalidHolder(InputError):
    """The name cannot be that of somebody who is given access. `holder` is the name."""

    def __init__(self, holder: str, reason: str) -> None:
        super().__init__(
            f"{holder!r} cannot be the name of somebody who is given access: {reason}. It becomes the common "
            f"name of a certificate: up to 64 of a-z A-Z 0-9 . _ @ + -, beginning with a letter or a digit, "
            f"such as alice or alice@example.com."
        )
        self.holder = holder


class ShareExpired(InputError):
    """The share to import has expired. `owner` gave it, `not_after` (RFC 3339) is when it expired."""

    def __init__(self, machine: str, owner: str, not_after: str) -> None:
        super().__init__(
            f'This share of machine "{machine}" expired on {not_after}: its daemon would refuse it. '
            f"Ask {owner} for a new one."
        )
        self.machine = machine
        self.owner = owner
        self.not_after = not_after


class NobodyOfThatName(MachineError):
    """Nobody of this name, or no certificate with this serial number, has access.

    `asked` is the name or the number, `holders` are those who have access.
    """

    def __init__(self, machine: str, asked: str, holders: list[str], *, by_serial: bool = False) -> None:
        who = (
            f'No client certificate of machine "{machine}" has a serial number that begins with {asked}. '
            if by_serial
            else f'Nobody called "{asked}" has been given access to machine "{machine}". '
        )
        have = f"It has been given to: {', '.join(holders)}. " if holders else "It has been given to nobody. "
        super().__init__(machine, who + have + "All of it: " + command("access", "ls", machine))
        self.asked = asked
        self.holders = holders


class AccessOver(MachineError):
    """Access was to be revoked, and is over already. `state` is "revoked", "expired" or "ended"."""

    def __init__(self, machine: str, holder: str, state: str, said: str) -> None:
        super().__init__(
            machine, f'The access of {holder} to machine "{machine}" {said}: there is nothing to revoke.'
        )
        self.holder = holder
        self.state = state


class OwnAccess(MachineError):
    """The certificate to revoke is the one that dinv itself uses, or the machine's."""

    def __init__(self, machine: str, serial: str, role: str) -> None:
        if role == "server":
            said = f"{serial} is the machine's own certificate. For a new one: "
            advice = command("regenerate-certs", machine)
        else:
            said = (
                f'{serial} is your own certificate for machine "{machine}": without it neither docker nor '
                f"dinv would be let in. For a new one, with which all earlier ones are refused, yours and "
                f"everybody's: "
            )
            advice = command("regenerate-certs", "--client-certs", machine)
        super().__init__(machine, said + advice)
        self.serial = serial
        self.role = role


class CannotRevoke(NotSupported):
    """The machine's image cannot refuse single certificates; nothing was changed.

    `image` is one that can, "" if a newer version of the machine's own can; None if it cannot be upgraded.
    """

    def __init__(self, machine: str, image: str | None) -> None:
        upgrade = command("upgrade", *(("--image", image) if image else ()), machine)
        getting = "To get it: " + upgrade + ". Or lock" if image is not None else "You can lock"
        super().__init__(
            machine,
            f'Machine "{machine}" cannot refuse a single certificate: its image has no TLS front, which '
            f"the one that this dinv builds has. "
            + getting
            + " out everybody but yourself, which cuts all connections for some seconds: "
            + command("regenerate-certs", "--client-certs", machine),
        )
        self.image = image


class RevocationsLost(MachineError):
    """The machine's image cannot refuse what was revoked, and would let it in again; it was not used."""

    def __init__(self, machine: str, count: int) -> None:
        many = "1 certificate" if count == 1 else f"{count} certificates"
        super().__init__(
            machine,
            f'Machine "{machine}" would let in {many} again that you have revoked: this image has no TLS '
            f"front, and cannot refuse single ones. Use dinv's own image; or lock out everybody first, after "
            f"which there is nothing to refuse: " + command("regenerate-certs", "--client-certs", machine),
        )
        self.count = count
