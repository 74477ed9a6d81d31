"""Clusters of machines: one cannot become a member, or cannot leave."""

from __future__ import annotations

from dinv.errors.machine import MachineError
from dinv.wording import command


class ClusterError(MachineError):
    """A machine's part in a cluster. `machine` is the machine that was to be changed."""


class RequirementMissing(ClusterError):
    """The endpoint or the image lacks what members of the cluster cannot do without; nothing was made.

    `missing` has a sentence for each thing, with what to do about it.
    """

    def __init__(self, machine: str, kind: str, missing: list[str]) -> None:
        lacks = "".join(f"\n  {each}" for each in missing)
        super().__init__(machine, f'Machine "{machine}" could not be part of a {kind} there:{lacks}')
        self.missing = missing


class CannotJoin(ClusterError):
    """A machine cannot join, by reason of the machine that it is to join by: `peer`."""

    def __init__(self, machine: str, peer: str, reason: str, advice: str = "") -> None:
        super().__init__(
            machine, f'"{machine}" cannot join "{peer}": {reason}.' + (f" {advice}" if advice else "")
        )
        self.peer = peer


class QuorumAtRisk(ClusterError):
    """The cluster would not survive a member's leaving. `reason` says why; `advice` what helps."""

    def __init__(self, machine: str, reason: str, advice: str = "") -> None:
        super().__init__(
            machine,
            f'Machine "{machine}" is not removed: {reason}. '
            + (f"{advice} " if advice else "")
            + "To remove it all the same: "
            + command("rm", "-f", machine),
        )
        self.reason = reason
