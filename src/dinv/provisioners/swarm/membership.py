"""A machine's part in a swarm: what the lifecycle calls, and where each of it stands."""

from __future__ import annotations

from dinv import errors
from dinv.errors import EngineError
from dinv.provisioners import peers
from dinv.provisioners.membership import ROLE, Membership
from dinv.provisioners.swarm import keys, managers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from dinv.engine import Engine
    from dinv.progress import Progress
    from dinv.provisioners.swarm.managers import Control

CALL_SECONDS = 25.0


class SwarmMembership(Membership):
    """The node that a machine is.

    joining.py    checks, init and join
    kernel.py     what the endpoint's kernel can do
    leaving.py    drained, demoted, left, removed; the quorum
    working.py    its tasks handed over and taken on again; unlocking
    recovery.py   a new swarm of one manager that is left
    standings.py  what lists show
    """

    @property
    def begins(self) -> bool:
        """Whether it began the swarm, and did not join one."""
        return not self.options["join"]

    def check(self, progress: Progress) -> None:
        from dinv.provisioners.swarm import joining

        joining.check(self, progress)

    def examine(self, progress: Progress) -> None:
        from dinv.provisioners.swarm import kernel

        tried = self.driver.try_out(["sh", "-c", kernel.SCRIPT], timeout=kernel.SECONDS)
        if tried is None:
            return
        found = kernel.read(tried[1])
        if missing := kernel.missing(found):
            raise errors.RequirementMissing(self.config.name, "swarm", missing)
        for warning in kernel.warnings(found):
            progress.warn(warning)

    def join(self, progress: Progress, *, timeout: float) -> None:
        from dinv.provisioners.swarm import joining

        joining.join(self, progress, timeout=timeout)

    def rest(self, progress: Progress) -> None:
        from dinv.provisioners.swarm import working

        working.rest(self, progress)

    def resume(self, progress: Progress, *, timeout: float) -> None:
        from dinv.provisioners.swarm import working

        working.resume(self, progress, timeout=timeout)

    def check_leave(self) -> None:
        from dinv.provisioners.swarm import leaving

        leaving.check_leave(self)

    def leave(self, progress: Progress, *, force: bool) -> list[str]:
        from dinv.provisioners.swarm import leaving

        try:
            return leaving.leave(self, progress, force=force)
        except EngineError as error:
            raise errors.ClusterError(
                self.config.name,
                f'Machine "{self.config.name}" is not taken out of its swarm: a manager says '
                f'"{error.message}".',
            ) from error

    def recover(self, progress: Progress, *, timeout: float) -> None:
        from dinv.provisioners.swarm import recovery

        recovery.recover(self, progress, timeout=timeout)

    # What these share

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

    def config_with_peer(self) -> Any:
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

    def unlock(self, engine: Engine, progress: Progress) -> dict[str, Any]:
        """Unlock its daemon; return the daemon's state. Raises SwarmLocked."""
        from dinv.provisioners.swarm import working

        return working.unlock(self, engine, progress)

    def put_off_live_restore(self, engine: Engine) -> None:
        """Switch live-restore off in its daemon, with which no swarm begins. Raises ClusterError."""
        from dinv.provisioners.swarm import live_restore

        live_restore.put_off(self, engine)

    @property
    def is_manager(self) -> bool:
        """Whether it is recorded as a manager."""
        return bool(self.config.membership.get(ROLE) == "manager")
