"""Kubernetes in machines: a server that refuses, or does not answer, and a node that does not get ready."""

from __future__ import annotations

from dinv.errors.cluster import ClusterError
from dinv.wording import command


class KubernetesError(ClusterError):
    """A cluster's API answered a call with an error, or not at all.

    `status` is HTTP's, 0 without an answer; `reason` is Kubernetes' word, such as "NotFound", or a sentence.
    """

    def __init__(self, machine: str, server: str, reason: str, status: int = 0) -> None:
        how = "refuses" if status else "cannot be reached"
        super().__init__(machine, f'The Kubernetes API of machine "{machine}" at {server} {how}: {reason}')
        self.server = server
        self.status = status
        self.reason = reason


class CannotLeave(ClusterError):
    """A machine's cluster does not let it go. `reason` says why; `stays` is a server of it that stays.

    `stopped` is the machine that has to be started for it, as far as that can be told.
    """

    def __init__(self, machine: str, stays: str, reason: str, *, stopped: str) -> None:
        text = (
            f'Machine "{machine}" is not removed: it cannot be taken out of its cluster ({reason}). If a '
            "machine of that is stopped, start it: "
            + command("start", stopped)
            + ". To remove it all the same: "
            + command("rm", "-f", machine)
            + f". If {stays} has no majority without it, make a cluster of it alone then: "
            + command("provision", "--force-new-cluster", stays)
        )
        super().__init__(machine, text)
        self.reason = reason
        self.stays = stays


class NodeNotReady(ClusterError):
    """A machine has not become a Ready node of its cluster. `log` is what its services said last."""

    def __init__(self, machine: str, reason: str, log: list[str]) -> None:
        said = "".join(f"\n  {line}" for line in log)
        super().__init__(
            machine,
            f'Machine "{machine}" has not become a node that is Ready: {reason}.{said}\nMore of its log: '
            + command("logs", machine)
            + ". To try again: "
            + command("provision", machine),
        )
        self.reason = reason
        self.log = log
