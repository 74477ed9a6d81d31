"""Clusters of machines: one cannot become a member, or cannot leave."""

from __future__ import annotations

from dinv.errors.machine import MachineError
from dinv.wording import command, option


class ClusterError(MachineError):
    """A machine's part in a cluster. `machine` is the machine that was to be changed."""


class RequirementMissing(ClusterError):
    """The endpoint or the image lacks what members of the cluster cannot do without; nothing was made.

    `missing` has a sentence for each thing, with what to do about it.
    """

    def __init__(self, machine: str, kind: str, missing: list[str]) -> None:
        said = f'Machine "{machine}" could not be part of a {kind} there:'
        for each in missing:
            said = said + "\n  " + each  # which keeps the words of each reader (`dinv.wording`)
        super().__init__(machine, said)
        self.missing = missing


class CannotJoin(ClusterError):
    """A machine cannot join, by reason of the machine that it is to join by: `peer`."""

    def __init__(self, machine: str, peer: str, reason: str, advice: str = "") -> None:
        super().__init__(
            machine, f'"{machine}" cannot join "{peer}": ' + reason + "." + (" " + advice if advice else "")
        )
        self.peer = peer


class QuorumAtRisk(ClusterError):
    """The cluster would not survive a member's leaving. `reason` says why; `advice` what helps."""

    def __init__(self, machine: str, reason: str, advice: str = "") -> None:
        super().__init__(
            machine,
            f'Machine "{machine}" is not removed: '
            + reason
            + ". "
            + (advice + " " if advice else "")
            + "To remove it all the same: "
            + command("rm", "-f", machine),
        )
        self.reason = reason


class ClusterUnreachable(ClusterError):
    """No machine of a cluster, as far as this store has them, decides in it.

    `whys` has pairs of a machine's name and the reason. Something is left to be done there: `kind` is the
    kind of cluster, and `decides` its word for who does.
    """

    def __init__(
        self, machine: str, kind: str, whys: list[tuple[str, str]], *, decides: str = "manager"
    ) -> None:
        said = "; ".join(f"{name}: {why.rstrip('.')}" for name, why in whys)
        first = whys[0][0] if whys else "NAME"
        super().__init__(
            machine,
            f'No {decides} of the {kind} of machine "{machine}" can be asked ({said}). Start one: '
            + command("start", first)
            + f"; if the {kind} has lost its quorum, make it anew: "
            + command("provision", "--force-new-cluster", first),
        )
        self.whys = whys


class SwarmLocked(ClusterError):
    """A manager is locked, and no key that this store has unlocks it."""

    def __init__(self, machine: str) -> None:
        super().__init__(
            machine,
            f'Machine "{machine}" is a locked manager of its swarm, and no key in this store unlocks it. '
            "Unlock it by "
            f"the key: docker --context {machine} swarm unlock",
        )


class ClusterExists(ClusterError):
    """A machine would begin a cluster of a name that another has. `members` are the machines in that."""

    def __init__(self, machine: str, members: list[str]) -> None:
        there = "is in it" if len(members) == 1 else "are in it"
        super().__init__(
            machine,
            f'There is a cluster called "{machine}": {", ".join(members)} {there}. To join it, name one of '
            "them: " + option("join", members[0]) + ". To begin another, choose another name.",
        )
        self.members = members
