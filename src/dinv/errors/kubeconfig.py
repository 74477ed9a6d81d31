"""The user's kubeconfig, which kubectl reads, and a machine's own."""

from __future__ import annotations

from dinv.errors.base import DinvError
from dinv.errors.machine import MachineError
from dinv.wording import command


class KubeconfigError(DinvError):
    """A kubeconfig cannot be read or changed. It was left as it was."""

    def __init__(self, path: str, reason: str, advice: str = "") -> None:
        super().__init__(
            f"The kubeconfig {path} is left unchanged: {reason}." + (f" {advice}" if advice else "")
        )
        self.path = path
        self.reason = reason


class KubeconfigLocked(KubeconfigError):
    """Another program changes the kubeconfig, or was killed while it did. `lock` is the lock's file."""

    def __init__(self, path: str, lock: str, seconds: float) -> None:
        super().__init__(
            path,
            f"another program has had it locked for {seconds:g} s, by the file {lock}",
            f"If no kubectl is at work, one that was killed has left it there: rm {lock}",
        )
        self.lock = lock
        self.seconds = seconds


class NoKubeconfig(MachineError):
    """A machine has no kubeconfig. `path` is where it would be, "" for one that is in no cluster."""

    def __init__(self, machine: str, provisioner: str, path: str = "") -> None:
        never = (
            f'Machine "{machine}" has no kubeconfig: it is not part of a Kubernetes cluster (its provisioner '
            f'is "{provisioner}"). Make one that is: '
        )
        missing = f'The kubeconfig of machine "{machine}" is not there ({path}). Have it fetched again: '
        super().__init__(
            machine,
            missing + command("provision", machine)
            if path
            else never + command("create", "--provisioner", "kubernetes", "NAME"),
        )
        self.provisioner = provisioner
        self.path = path
