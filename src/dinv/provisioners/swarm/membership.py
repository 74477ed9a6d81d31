"""A machine's part in a swarm: what the lifecycle calls, and where each of it stands."""

from __future__ import annotations

from dinv import errors
from dinv.errors import EngineError
from dinv.provisioners.swarm.node import Node

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.progress import Progress


class SwarmMembership(Node):
    """The node that a machine is.

    node.py       what the others share
    joining.py    checks, init and join
    kernel.py     what the endpoint's kernel can do
    leaving.py    drained, demoted, left, removed; the quorum
    working.py    its tasks handed over and taken on again
    locking.py    autolock: its managers unlocked, and the key
    recovery.py   a new swarm of one manager that is left
    standings.py  what lists show
    """

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

    def controller(self) -> str:
        from dinv.provisioners.swarm import managers

        return managers.controller(self.store, self.config, trace=self.trace)

    def unlocking_key(self, progress: Progress, *, rotate: bool) -> str:
        from dinv.provisioners.swarm import locking

        return locking.unlock_key(self, progress, rotate=rotate)

    def unlock(self, progress: Progress) -> None:
        from dinv.provisioners.swarm import locking, managers

        with self.daemon() as engine:
            if engine.swarm.state().get("LocalNodeState") != managers.LOCKED:
                raise errors.ClusterError(self.config.name, f'Machine "{self.config.name}" is not locked.')
            locking.unlock(self, engine, progress)

    def recover(self, progress: Progress, *, timeout: float) -> None:
        from dinv.provisioners.swarm import recovery

        recovery.recover(self, progress, timeout=timeout)
