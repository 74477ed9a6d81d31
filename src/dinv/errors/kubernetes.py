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
