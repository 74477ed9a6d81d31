"""The options of the kubernetes provisioner."""

from __future__ import annotations

from dinv.declaration import CHOICE, PAIRS, SWITCH, Option
from dinv.errors import OptionError
from dinv.provisioners.kubernetes import distributions
from dinv.provisioners.kubernetes.node import AGENT, SERVER
from dinv.wording import option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

OPTIONS = (
    Option("join", "", "machine to join the cluster by, a server (default: a new cluster)", metavar="NAME"),
    Option(
        "role",
        "",
        "what it is in the cluster (default: server in a new one, else agent)",
        type=CHOICE,
        values=(SERVER, AGENT),
        metavar="ROLE",
    ),
    Option(
        "distribution",
        "",
        "which Kubernetes (default: k3s, or that of the cluster)",
        type=CHOICE,
        values=tuple(distributions.TABLE),
        metavar="NAME",
    ),
    Option(
        "kube-opt",
        "",
        "setting of the distribution, such as disable=traefik with k3s",
        type=PAIRS,
        metavar="KEY=VALUE",
        rare=True,
    ),
    Option(
        "kubeconfig",
        "",
        "add nothing to your kubeconfig ($KUBECONFIG, or ~/.kube/config)",
        type=SWITCH,
        default=True,
        off="no-kubeconfig",
        rare=True,
    ),
)


def check(options: Mapping[str, Any]) -> None:
    """Raise OptionError for options that do not go together, or that a distribution does not take."""
    if options.get("role") == AGENT and not options.get("join"):
        raise OptionError(
            "is for a machine that joins a cluster ("
            + option("join", "NAME")
            + "): the first one is a server",
            option="role",
            value=AGENT,
        )
    for name in [options["distribution"]] if options.get("distribution") else distributions.TABLE:
        distributions.find(name).check_settings(settings(options.get("kube_opt") or ()))


def settings(pairs: Iterable[str]) -> dict[str, list[str]]:
    """Return the values of each key in KEY=VALUE, in their order."""
    found: dict[str, list[str]] = {}
    for pair in pairs:
        key, _, value = str(pair).partition("=")
        found.setdefault(key.lstrip("-"), []).append(value)
    return found
