"""Docker Datacenter: an installer that fails, a UCP that does not answer, a bundle that is none."""

from __future__ import annotations

from dinv.errors.cluster import ClusterError
from dinv.wording import command, either


class DatacenterError(ClusterError):
    """Docker Datacenter on a machine cannot be installed, reached or used."""


class InstallerFailed(DatacenterError):
    """An installer has failed: `operation` is its command, such as "install", `image` its image.

    `reasons` are its own words, `exit_status` its exit status, None if that is not known: it may
    be 0 where it says that it has failed.
    """

    def __init__(
        self, machine: str, image: str, operation: str, reasons: list[str], exit_status: int | None
    ) -> None:
        ended = f" (exit status {exit_status})" if exit_status else ""
        said = "".join(f"\n  {reason}" for reason in reasons) or "\n  It said nothing."
        super().__init__(machine, f'{image} {operation} has failed on machine "{machine}"{ended}:{said}')
        self.image = image
        self.operation = operation
        self.reasons = reasons
        self.exit_status = exit_status


class InstallerHangs(DatacenterError):
    """An installer did not end in its time; it was stopped. `last` is what it said last, or ""."""

    def __init__(self, machine: str, image: str, operation: str, seconds: float, last: str = "") -> None:
        said = f" Its last words: {last}" if last else ""
        super().__init__(
            machine,
            f'{image} {operation} on machine "{machine}" had not ended after {seconds:g} s, and was '
            f"stopped.{said}",
        )
        self.image = image
        self.operation = operation
        self.seconds = seconds


class DatacenterUnreached(DatacenterError):
    """UCP or DTR on a machine does not answer, or says that it is not well. `reason` says why."""

    def __init__(self, machine: str, address: str, reason: str) -> None:
        super().__init__(
            machine,
            f'{address} on machine "{machine}" does not serve: {reason}. Its containers may say why: '
            + command("ssh", machine, "docker", "ps", "-a"),
        )
        self.address = address
        self.reason = reason


class LoginRefused(DatacenterError):
    """UCP does not let the administrator in. `user` is the name that was tried."""

    def __init__(self, machine: str, user: str, reason: str) -> None:
        super().__init__(
            machine,
            f'UCP on machine "{machine}" refuses the administrator "{user}": {reason}. Give the password '
            "that it has now by "
            + either("ucp_admin_password=", "$DINV_UCP_ADMIN_PASSWORD")
            + ", then: "
            + command("provision", machine),
        )
        self.user = user
        self.reason = reason


class BundleUnusable(DatacenterError):
    """What UCP gave as client bundle cannot be used; nothing of it was kept. `reason` says why."""

    def __init__(self, machine: str, reason: str) -> None:
        super().__init__(machine, f'The client bundle of machine "{machine}" cannot be used: {reason}.')
        self.reason = reason
