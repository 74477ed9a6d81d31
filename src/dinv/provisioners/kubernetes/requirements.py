"""What Kubernetes needs of the kernel that the machine shares with its endpoint, and what is made up for.

Sources: k3s: contrib/util/check-config.sh, pkg/cgroups/cgroups_linux.go (which controllers end it),
pkg/agent/syssetup/setup.go (modules and settings whose lack it only logs), pkg/daemons/agent/agent_linux.go
(what kube-proxy and the kubelet are told anyway); kubernetes: pkg/kubelet/oom (/dev/kmsg), pkg/kubelet/cm
(sysctls), both of which the feature gate KubeletInUserNamespace lets pass. On paper: no Kubernetes has run
here.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

IPTABLES = ("comment", "addrtype", "conntrack", "mark", "statistic", "multiport", "masquerade", "reject")
_MODULES = {
    "comment": "xt_comment",
    "addrtype": "xt_addrtype",
    "conntrack": "xt_conntrack",
    "mark": "xt_mark",
    "statistic": "xt_statistic",
    "multiport": "xt_multiport",
    "masquerade": "xt_MASQUERADE",
    "reject": "ipt_REJECT",
}
SERVER_BYTES = 2 << 30
"""What k3s's documentation has as the least memory of a server; an agent needs a quarter of that."""
_MIB = 1 << 20


@dataclass(slots=True)
class Verdict:
    """What is `missing`, a sentence each; what will not work; settings that make up for what is lacking."""

    missing: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    adjustments: dict[str, object] = field(default_factory=dict)


def script() -> str:
    """Return the shell script that looks; its arguments are paths of programs that have to be there."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "probe.sh")
    with open(path, encoding="utf-8") as file:
        return file.read()


def parse(output: bytes) -> dict[str, str]:
    """Return what the script found, by name. Raises ValueError if it did not come to its end."""
    lines = (line.partition("=") for line in output.decode(errors="replace").splitlines())
    found = {name.strip(): value.strip() for name, equals, value in lines if equals}
    if found.get("end") != "yes":
        raise ValueError("it has not come to its end")
    return found


def judge(
    found: Mapping[str, str], *, server: bool, memory: int = 0, cpus: float = 0.0, one_network: bool = True
) -> Verdict:
    """Judge what the script found. `memory` (bytes) and `cpus` are the machine's limits, 0 for none.

    `one_network`: all nodes are neighbours, so that pods can be routed between them without an overlay.
    """
    verdict = Verdict()
    _cgroups(found, verdict)
    _iptables(found, verdict)
    if found.get("sysctl-net") != "yes":
        verdict.missing.append(
            "/proc/sys is read-only there, and forwarding cannot be switched on. Use an endpoint that shows "
            "it to the machine (Docker Engine does), or the isolation privileged."
        )
    if found.get("propagation") != "yes":
        verdict.missing.append(
            "Mounts cannot be shared with pods (mount --make-rshared / fails): the machine lacks "
            "CAP_SYS_ADMIN, or a security module of the endpoint forbids it."
        )
    gates = [name for name in ("kmsg", "sysctl-kernel") if found.get(name) != "yes"]
    kubelet = ["feature-gates=KubeletInUserNamespace=true"] if gates else []
    kubelet += _reserved(found, memory, cpus)
    if kubelet:
        verdict.adjustments["kubelet-arg"] = kubelet
    if found.get("overlay") != "yes":
        verdict.adjustments["snapshotter"] = "native"
        verdict.warnings.append(
            "The endpoint's kernel cannot stack file systems there (overlay): images of pods are copied "
            "instead, which takes time and room"
        )
    _network(found, verdict, one_network=one_network)
    least = SERVER_BYTES if server else SERVER_BYTES // 4
    has = memory or int(found.get("memory") or 0) * 1024
    if has and has < least:
        verdict.warnings.append(
            f"The machine has {has // _MIB} MiB of memory; {'a server' if server else 'an agent'} wants "
            f"{least // _MIB}, and its pods theirs"
        )
    return verdict


def _cgroups(found: Mapping[str, str], verdict: Verdict) -> None:
    lacks = [name for name in ("cpuset", "memory", "pids") if found.get(f"cgroup-{name}") != "yes"]
    if found.get("cgroup") == "v2" and found.get("cgroup-cpu") != "yes":
        lacks.insert(0, "cpu")
    if lacks:
        verdict.missing.append(
            f"Its kernel gives the machine no cgroup controller {', '.join(lacks)}: the kubelet would end. "
            + (
                "They have to be delegated to the endpoint's daemon (cgroup v2: Delegate=yes of its unit)."
                if found.get("cgroup") == "v2"
                else "They are switched on at the endpoint's boot: cgroup_enable=memory and the like."
            )
        )
    if found.get("cgroup") != "v2" and found.get("cgroup-cpu") != "yes":
        verdict.warnings.append("Its kernel has no cgroup controller cpu: CPU limits of pods do not hold")


def _iptables(found: Mapping[str, str], verdict: Verdict) -> None:
    lacks = [name for name in IPTABLES if found.get(f"iptables-{name}") != "yes"]
    if lacks:
        verdict.missing.append(
            f"Its kernel does not take kube-proxy's rules of iptables: {', '.join(lacks)}. Load their "
            f"modules on the endpoint's host: modprobe -a {' '.join(_MODULES[name] for name in lacks)}"
        )


def _network(found: Mapping[str, str], verdict: Verdict, *, one_network: bool) -> None:
    if found.get("br_netfilter") != "yes":
        verdict.warnings.append(
            "The endpoint's kernel has not loaded br_netfilter: a Service does not answer a pod on the node "
            "of the pod behind it. On the endpoint's host: modprobe br_netfilter"
        )
    if found.get("ipset") != "yes":
        verdict.adjustments["disable-network-policy"] = True
        verdict.warnings.append(
            "The endpoint's kernel has no ip_set: NetworkPolicies are not enforced. On the endpoint's host, "
            "before the machine is made: modprobe -a ip_set xt_set"
        )
    if found.get("vxlan") != "yes":
        if one_network:
            verdict.adjustments["flannel-backend"] = "host-gw"
        else:
            verdict.missing.append(
                "Its kernel has no vxlan, by which pods on different networks reach each other. On the "
                "endpoint's host: modprobe vxlan"
            )


def _reserved(found: Mapping[str, str], memory: int, cpus: float) -> list[str]:
    """Return an argument by which the kubelet counts with the machine's limits, not with the host."""
    pairs = []
    host_memory, host_cpus = int(found.get("memory") or 0) * 1024, int(found.get("cpus") or 0)
    if cpus and host_cpus > cpus:
        pairs.append(f"cpu={round((host_cpus - cpus) * 1000)}m")
    if memory and host_memory > memory:
        pairs.append(f"memory={(host_memory - memory) // 1024}Ki")
    return [f"system-reserved={','.join(pairs)}"] if pairs else []


def programs_missing(found: Mapping[str, str], programs: Sequence[str]) -> list[str]:
    """Return which of the programs an image lacks."""
    return [program for program in programs if found.get(f"program:{program}") != "yes"]
