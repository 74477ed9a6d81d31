"""The Distribution interface: one way to run Kubernetes in a machine, one file for each.

A distribution knows its own files and command lines, and nothing of machines, endpoints or stores. Its server
runs as a service of the machine's image (images/README.md, "Services"), in the foreground.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from dinv.errors import OptionError
from dinv.plugins import load

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dinv.channel import File
    from dinv.provisioners.kubernetes.api import Api
    from dinv.provisioners.kubernetes.node import Inside, Node

DEFAULT = "k3s"

TABLE = {
    "k3s": "dinv.provisioners.kubernetes.distributions.k3s:K3s",
    "k0s": "dinv.provisioners.kubernetes.distributions.k0s:K0s",
    "kubeadm": "dinv.provisioners.kubernetes.distributions.kubeadm:Kubeadm",
}


class Distribution(ABC):
    """The interface of a distribution. `port` is where its API answers, on each server."""

    name: str
    port = 6443
    programs: Sequence[str]
    """Absolute paths of the programs that an image has to have; the first is the distribution's own."""
    release_url = ""
    """Where a release is fetched from, with {version}, {arch} (Go's name) and {suffix}; "" for nowhere."""
    release_sums = ""
    """The SHA-256 sums that are published along with it."""
    subnets: Mapping[str, Sequence[str]] = {}
    """Subnets that pods and services get unless settings say otherwise, by the setting."""
    of_one_node: Sequence[str] = ()
    """Keys of its settings that are about one node; all others have to be the same on all servers."""
    of_the_cluster: Sequence[str] = ()
    """Keys of what makes up for lacks that have to be the same on all servers, and mean nothing to agents."""
    reset_already = "\0"
    """What `reset` complains of where that was done, and it was not started since."""
    brings_network = True
    """Whether it has a network for pods; without one its nodes are not Ready before somebody applies one."""
    kept: Sequence[str]
    """Directories that have to outlive the machine's container: each is on its volume."""
    reserved: Sequence[str] = ()
    """Keys of its settings that are dinv's to set."""
    settings_name: str
    """What its settings are keys of, for messages."""

    def shared(self, settings: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
        """Return the settings of a server that others of its cluster have to have as well."""
        return {key: list(values) for key, values in settings.items() if key not in self.of_one_node}

    def check_settings(self, settings: Mapping[str, Sequence[str]]) -> None:
        """Raise OptionError for a setting that is dinv's."""
        for key in settings:
            if key in self.reserved:
                raise OptionError(f"is dinv's to set in {self.settings_name}", option="kube-opt", value=key)

    @abstractmethod
    def files(self, node: Node) -> list[File]:
        """Return its configuration for a node. There is no secret in it."""

    @abstractmethod
    def services(self, node: Node) -> Mapping[str, str]:
        """Return by name the shell commands that run it, the last line of each an `exec`."""

    def started(self, inside: Inside, node: Node, *, timeout: float) -> None:  # noqa: B027  (most: nothing)
        """Do what is left once the services run, unless that was done before. `timeout` in seconds.

        Raises NodeNotReady.
        """

    @abstractmethod
    def ticket(self, server: Inside, role: str) -> bytes:
        """Return what lets a node of this role join, asked of a server; b"" if it has none yet.

        It pins the cluster's CA: who has it cannot be led to another cluster.
        """

    @abstractmethod
    def kubeconfig(self, server: Inside) -> bytes:
        """Return the administrator's kubeconfig of a server, as it stands there; b"" if there is none yet."""

    @abstractmethod
    def leave(self, inside: Inside, name: str, client: Api, *, timeout: float) -> str:
        """Take a server that runs out of the cluster's database; return why that was not done, "" if it was.

        It comes before its services end: a member that is gone still counts among those of which a majority
        has to agree, also to its removal. `name` is its node's, `client` the API at a server that stays,
        `timeout` in seconds.
        """

    def reset(self, node: Node) -> str:
        """Return the shell command that makes a stopped server the only one of its cluster.

        "" if there is none that could do so. It keeps what is in the cluster.
        """
        return ""


def find(name: str) -> Distribution:
    """Return the distribution of this name. Raises OptionError."""
    if name not in TABLE:
        raise OptionError(f"is not one of {', '.join(TABLE)}", option="distribution", value=name)
    made: Distribution = load(TABLE[name])()
    return made


def scalar_lines(settings: Mapping[str, object]) -> str:
    """Return YAML of a mapping of texts, switches, numbers and lists of texts: one level, in this order."""
    import json

    lines = []
    for key, value in settings.items():
        if isinstance(value, list | tuple):
            lines.append(f"{key}:")
            lines += [f"  - {json.dumps(str(each))}" for each in value]
        elif isinstance(value, bool):
            lines.append(f"{key}: {str(value).lower()}")
        else:
            lines.append(f"{key}: {json.dumps(str(value))}")
    return "".join(f"{line}\n" for line in lines)
