"""The bridge of dinv's own engine: a network interface of this computer, with a subnet nobody else uses.

By default an engine creates and uses `docker0`, which belongs to the other engine if there is one. This
bridge has a name of its own for each store. Commands: ip(8) of iproute2, iptables(8).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil

from dinv.errors import LocalEngineError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from ipaddress import IPv4Network

_COMMAND_SECONDS = 30.0
_LOCK_SECONDS = 10
_TABLES = ("filter", "nat")


def search_path() -> str:
    """$PATH, with the directories of system programs, which an ordinary user's may lack."""
    path = os.environ.get("PATH") or os.defpath
    return os.pathsep.join([path, "/usr/local/sbin", "/usr/sbin", "/sbin"])


class Bridge:
    """One bridge. Its name is made from `seed` and has at most 15 bytes (Linux: IFNAMSIZ)."""

    def __init__(self, seed: str) -> None:
        digest = hashlib.sha256(os.fsencode(seed)).digest()
        self.name = f"dinv-{digest.hex()[:8]}"
        self._offset = digest[0]

    def exists(self) -> bool:
        """Return whether it exists, whoever created it."""
        return self.name in _interfaces()

    def make(self) -> IPv4Network:
        """Create it, or recreate it, up and with the first address of a free subnet, which is returned.

        Raises LocalEngineError.
        """
        self.remove()
        subnet = free_subnet(_ip("-4", "route", "show", "table", "all"), self._offset)
        _ip("link", "add", self.name, "type", "bridge")
        try:
            _ip("address", "add", f"{subnet[1]}/{subnet.prefixlen}", "dev", self.name)
            _ip("link", "set", self.name, "up")
        except BaseException:
            self.remove()
            raise
        return subnet

    def open_to_outside(self, subnet: IPv4Network, name: str = "") -> None:
        """Let containers on the bridge reach other networks: for an engine that makes no rules itself.

        `name` is another bridge of the same engine, which must be given to `remove` later.

        The rules are appended: what other rules forbid between their networks and this one stays forbidden.
        Raises LocalEngineError.
        """
        name = name or self.name
        for arguments in (
            f"-t nat -A POSTROUTING -s {subnet} ! -o {name} -j MASQUERADE",
            f"-A FORWARD -i {name} -j ACCEPT",
            f"-A FORWARD -o {name} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        ):
            _iptables(*arguments.split())

    def remove(self, others: Iterable[str] = ()) -> None:
        """Remove it, and the bridges that its engine made for networks, `others`; and the rules about them.

        Missing ones are ignored. Raises LocalEngineError if a bridge cannot be removed.
        """
        names = {self.name, *others} & _interfaces()
        subnets = [subnet for name in names for subnet in _subnets(name)]
        for name in names:
            _ip("link", "delete", name, "type", "bridge")
        # A computer without iptables, or with a kernel without it, has no rules to remove. A rule that
        # cannot be removed for another reason names an interface that is gone, and has no effect.
        for table in _TABLES:
            with contextlib.suppress(LocalEngineError):
                for rule in rules_about(_iptables("-t", table, "-S"), {self.name, *others}, subnets):
                    _iptables("-t", table, "-D", *rule)


def free_subnet(routes: str, offset: int) -> IPv4Network:
    """Return a subnet of 256 addresses that no route in `ip route show table all` overlaps.

    Subnets are searched in 172.20.0.0 to 172.30.255.255, private by RFC 1918. 172.17 to 172.19 are what
    engines take for themselves first, 172.31 is what AWS gives its hosts. `offset`, 0 to 255, is where the
    search begins, so that stores searching at the same time do not find the same. Raises LocalEngineError.
    """
    import ipaddress

    # "172.17.0.0/16 dev ..." or "local 172.17.0.1 dev ..."; "default" and 0.0.0.0/1 take nobody's subnet.
    taken = [
        network
        for line in routes.splitlines()
        for network in _networks(line.split()[:2])
        if network.prefixlen > 1
    ]
    for second in range(30, 19, -1):
        for third in range(256):
            subnet = ipaddress.IPv4Network(f"172.{second}.{(third + offset) % 256}.0/24")
            if not any(subnet.overlaps(network) for network in taken):
                return subnet
    raise LocalEngineError(
        "No subnet is left for the engine's bridge: this computer has routes to all of 172.20.0.0 to "
        "172.30.255.255 (ip route show table all)."
    )


def rules_about(listed: str, interfaces: Iterable[str], subnets: Iterable[IPv4Network]) -> list[list[str]]:
    """Yield the rules in `iptables -S` about interfaces or subnets, in the words that `iptables -D` takes."""
    import shlex

    interfaces, subnets = set(interfaces), list(subnets)
    rules = [shlex.split(line)[1:] for line in listed.splitlines() if line.startswith("-A ")]
    return [
        rule
        for rule in rules
        if interfaces.intersection(rule)
        or any(network.subnet_of(subnet) for network in _networks(rule) for subnet in subnets)
    ]


def _interfaces() -> set[str]:
    import socket

    return {name for _, name in socket.if_nameindex()}


def _networks(words: Iterable[str]) -> Iterator[IPv4Network]:
    import ipaddress

    for word in words:
        with contextlib.suppress(ValueError):
            yield ipaddress.IPv4Network(word, strict=False)


def _subnets(interface: str) -> list[IPv4Network]:
    return list(_networks(_ip("-4", "-o", "address", "show", "dev", interface).split()))


def _ip(*arguments: str) -> str:
    return _run("ip", *arguments, package="iproute2 (Fedora: iproute)")


def _iptables(*arguments: str) -> str:
    return _run("iptables", "-w", str(_LOCK_SECONDS), *arguments, package="iptables")


def _run(*command: str, package: str) -> str:
    import subprocess

    program = shutil.which(command[0], path=search_path())
    if program is None:
        raise LocalEngineError(f"The engine's network needs {command[0]}: install the package {package}.")
    try:
        done = subprocess.run(
            [program, *command[1:]],
            capture_output=True,
            text=True,
            check=False,
            timeout=_COMMAND_SECONDS,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LocalEngineError(f"{' '.join(command)}: {error}") from error
    if done.returncode:
        raise LocalEngineError(f"{' '.join(command)}: {done.stderr.strip() or f'status {done.returncode}'}")
    return done.stdout
