"""The node that a machine is: what all that happens to it has in common."""

from __future__ import annotations

from dinv import errors
from dinv.provisioners import peers
from dinv.provisioners.membership import Membership
from dinv.provisioners.swarm import keys, managers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.engine import Engine
    from dinv.provisioners.swarm.managers import Control
    from dinv.store.record import MachineConfig

CALL_SECONDS = 25.0


class Node(Membership):
    """A machine's part in a swarm, as far as joining, leaving and the like share it."""

    kind = ""
    """The kind of cluster, as provisioners have it (`Provisioner.cluster`)."""

    def daemon(self) -> Engine:
        """Return a client of the machine's own daemon; the caller closes it."""
        return peers.open_daemon(self.config, timeout=CALL_SECONDS, trace=self.trace)

    def manager(self) -> Control:
        """Return a connection to a manager of the swarm that it is to join, or is in, other than itself.

        Raises CannotJoin, ClusterUnreachable.
        """
        found = managers.find(self.store, self.config_with_peer(), trace=self.trace)
        if found is None:
            raise errors.CannotJoin(
                self.config.name, str(self.options["join"] or ""), "this store has no manager of its swarm"
            )
        return found

    def config_with_peer(self) -> MachineConfig:
        """Return its record, with the machine that it joins by among the members."""
        if not self.config.membership.get(managers.PEER) and self.options["join"]:
            self.config.membership = {**self.config.membership, managers.PEER: str(self.options["join"])}
        return self.config

    def advertised(self) -> str:
        """Return the address at which the others are to reach it. Raises ClusterError."""
        found = str(self.options["advertise_addr"] or "") or self.driver.own_ip
        if not found:
            raise errors.ClusterError(
                self.config.name,
                f'Machine "{self.config.name}" has no address of its own that is known: other nodes could '
                "not reach "
                "it.",
            )
        return found

    def keep_key(self, engine: Engine) -> None:
        """Record the key that unlocks its daemon, a manager, if it is locked at all. Raises StoreError."""
        key = engine.swarm.unlock_key(timeout=CALL_SECONDS)
        if key:
            keys.keep(self.config.directory, key)
