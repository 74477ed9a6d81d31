"""What the kernel of an endpoint can do for a swarm: tried in a container like the machine's own.

dockerd does not look: it logs that IPVS is missing, shows services as running, and their addresses do not
answer. So it is tried beforehand. Asking for the netlink family IPVS makes the kernel load the module, if it
has it; adding an interface or a state does the same for vxlan and ESP. The container has a network namespace
of its own, which takes everything with it. What an image has no program for is looked up in the kernel's own
lists, and otherwise left open.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

VXLAN = "vxlan"
IPVS = "ip_vs"
XT_IPVS = "xt_ipvs"
ESP = "esp4"

SECONDS = 30.0
"""For the trial, with a container's start."""

_KEY = "0x" + "00" * 20

SCRIPT = f"""
said() {{ echo "$1=$2"; }}
has() {{ command -v "$1" >/dev/null 2>&1; }}
config() {{
	{{ zcat /proc/config.gz || gzip -dc /proc/config.gz; }} 2>/dev/null | grep -E "^(# )?$1[= ]"
}}
listed() {{
	grep -q "^$1 " /proc/modules 2>/dev/null && return 0
	case "$(config "$2")" in
	*=y) return 0 ;;
	*'is not set') return 1 ;;
	esac
	return 2
}}
judge() {{
	case $2 in
	0) said "$1" yes ;;
	1) said "$1" no ;;
	*) said "$1" unknown ;;
	esac
}}
if has ip && ip link help vxlan 2>&1 | grep -q id; then
	ip link add dinv-try type vxlan id 4242 dstport 4789 dev lo >/dev/null 2>&1
	judge {VXLAN} $(($? != 0))
	ip link del dinv-try >/dev/null 2>&1
else
	listed vxlan CONFIG_VXLAN
	judge {VXLAN} $?
fi
if has genl; then
	genl ctrl get name IPVS 2>/dev/null | grep -q IPVS
	judge {IPVS} $?
elif [ -e /proc/net/ip_vs ]; then
	said {IPVS} yes
else
	listed ip_vs CONFIG_IP_VS
	judge {IPVS} $?
fi
if has iptables && iptables -m ipvs --help >/dev/null 2>&1; then
	iptables -t mangle -N dinv-try >/dev/null 2>&1 &&
		iptables -t mangle -A dinv-try -m ipvs --ipvs -j RETURN >/dev/null 2>&1
	judge {XT_IPVS} $(($? != 0))
else
	listed xt_ipvs CONFIG_NETFILTER_XT_MATCH_IPVS
	judge {XT_IPVS} $?
fi
if has ip && ip xfrm state >/dev/null 2>&1; then
	ip xfrm state add src 127.0.0.1 dst 127.0.0.1 proto esp spi 0x1000 mode transport \\
		aead 'rfc4106(gcm(aes))' {_KEY} 64 >/dev/null 2>&1
	judge {ESP} $(($? != 0))
else
	listed esp4 CONFIG_INET_ESP
	judge {ESP} $?
fi
"""
"""Prints a line NAME=yes, NAME=no or NAME=unknown for each."""


def read(output: bytes) -> dict[str, bool | None]:
    """Return what was found, by name; None for what could not be tried."""
    words = {"yes": True, "no": False}
    found: dict[str, bool | None] = dict.fromkeys((VXLAN, IPVS, XT_IPVS, ESP))
    for line in output.decode(errors="replace").splitlines():
        name, _, said = line.strip().partition("=")
        if name in found:
            found[name] = words.get(said)
    return found


def missing(found: Mapping[str, bool | None]) -> list[str]:
    """Return what no swarm can do without, as sentences."""
    if found.get(VXLAN) is not False:
        return []
    return ["the kernel of the endpoint has no VXLAN (CONFIG_VXLAN): no network would join its containers"]


def warnings(found: Mapping[str, bool | None]) -> list[str]:
    """Return what will not work, and what does all the same, as sentences."""
    said = []
    lacking = [name for name in (IPVS, XT_IPVS) if found.get(name) is False]
    if lacking:
        said.append(
            f"The kernel of the endpoint lacks {' and '.join(lacking)}: services get no answer at their "
            "virtual "
            "address, nor at a port that is published in the ingress mode. What works: services with "
            "--endpoint-mode dnsrr, and ports with --publish mode=host,..."
        )
    if found.get(ESP) is False:
        said.append(
            "The kernel of the endpoint lacks ESP with AES-GCM (esp4): overlay networks with --opt "
            "encrypted pass "
            "nothing on. Those without work."
        )
    return said
