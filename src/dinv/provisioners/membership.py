"""The Membership capability: a machine's part in a cluster of machines.

A provisioner whose machines form clusters, as Docker's swarm mode does, returns one from
`Provisioner.membership`, and what lists show from `Provisioner.standings`. The lifecycle calls it at the
moments below and does not know which cluster it is.

What a membership has to remember is in `config.membership`, a part of the machine's record that is the
provisioner's own: names of other machines, ids of nodes, never a token or a key. Two keys are shared by all,
since lists show them: `Cluster`, the name by which users know the cluster, and `Role`. The record has an
entry before anything outside the machine knows of it, so that whatever is killed can be left again.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from dinv.drivers import Driver
    from dinv.images import ImageContract
    from dinv.progress import Progress
    from dinv.store.record import MachineConfig
    from dinv.store.store import Store

CLUSTER = "Cluster"
ROLE = "Role"
KUBECONFIG = "Kubeconfig"
"""The key of the path of the user's kubeconfig that has an entry of the machine's cluster."""

UNKNOWN = "unknown"
"""The state of a member whose cluster does not say what it is."""


class Standing:
    """What a cluster says of one machine: the cluster's name, the machine's role in it and its state there.

    `role` and `state` are words of the cluster's own, such as "manager" and "ready"; "" if unknown.
    """

    __slots__ = ("cluster", "role", "state")

    def __init__(self, cluster: str, role: str = "", state: str = "") -> None:
        self.cluster = cluster
        self.role = role
        self.state = state

    def __repr__(self) -> str:
        return f"<Standing {self}>"

    def __str__(self) -> str:
        """Such as "m1 (manager, ready)"."""
        known = ", ".join(word for word in (self.role, self.state) if word)
        return f"{self.cluster} ({known})" if known else self.cluster


class Membership(ABC):
    """One machine's part in a cluster. Its caller has the machine's lock, and that of no other machine.

    Other machines are reached by their own certificates (`dinv.provisioners.peers`), never changed in the
    store. Every method can be called again after a kill.
    """

    def __init__(
        self,
        config: MachineConfig,
        driver: Driver,
        contract: ImageContract,
        *,
        options: Mapping[str, Any],
        trace: Callable[[str], None] | None = None,
    ) -> None:
        """`options` are the values of its provisioner's options, by keyword."""
        self.config = config
        self.driver = driver
        self.contract = contract
        self.options = options
        self.trace = trace
        self.store: Store = driver.store

    def record(self, **entries: object) -> None:
        """Change entries of `config.membership` and save the record; None removes one."""
        kept = {**self.config.membership, **entries}
        self.config.membership = {key: value for key, value in kept.items() if value is not None}
        self.store.save(self.config)

    @property
    def begins(self) -> bool:
        """Whether it begins a cluster, which has its name, and does not join one."""
        return not self.options.get("join")

    # In a create, before there is a machine

    @abstractmethod
    def check(self, progress: Progress) -> None:
        """Check that the machine could become a member. Nothing has been made, and nothing is changed.

        What it is to join is there, runs and can take it, and its name is free there. Raises InputError,
        ClusterError, and the errors of reaching another machine.
        """

    def examine(self, progress: Progress) -> None:  # noqa: B027  (some need nothing)
        """Find out what is missing at the endpoint and in the image, which is there by now.

        `driver.try_out` tries things where the machine will be. Raises RequirementMissing for what it cannot
        do without, before the machine is made; says by `progress.warn` what will not work.
        """

    # In the cluster

    @abstractmethod
    def join(self, progress: Progress, *, timeout: float) -> None:
        """Make the machine, which serves, a member, or the first one; if it is one already, do what is left.

        `timeout` in seconds. Raises ClusterError.
        """

    def rest(self, progress: Progress) -> None:  # noqa: B027  (some have nothing to do)
        """Hand its work to others, since the machine, which runs, is about to be stopped."""

    def resume(self, progress: Progress, *, timeout: float) -> None:  # noqa: B027
        """Take on work again, as before `rest`: the machine serves again. `timeout` in seconds."""

    def check_leave(self) -> None:  # noqa: B027
        """Raise QuorumAtRisk, or another ClusterError, if the cluster would not survive its leaving."""

    @abstractmethod
    def leave(self, progress: Progress, *, force: bool) -> list[str]:
        """Take it out of the cluster, which forgets it. It may be stopped, half made, or gone.

        With `force` whatever is in the way is passed over. Returns a line for each thing that is left in the
        cluster. Raises ClusterError, and the errors of reaching another machine.
        """

    def controller(self) -> str:
        """Return the name of a machine by which the cluster is controlled, and which answers now.

        Itself, if it can. Raises NotSupported, ClusterError, and the errors of reaching other machines.
        """
        from dinv import errors

        raise errors.NotSupported(
            self.config.name,
            f'Machine "{self.config.name}" is provisioned by "{self.config.provisioner}", whose clusters '
            "are not controlled by a Docker daemon.",
        )

    def unlocking_key(self, progress: Progress, *, rotate: bool) -> str:
        """Return the key that unlocks members; with `rotate`, a new one. Raises ClusterError."""
        raise self._not_locked()

    def unlock(self, progress: Progress) -> None:
        """Unlock it by a key that the store has. Raises NotSupported, ClusterError."""
        raise self._not_locked()

    def _not_locked(self) -> Exception:
        from dinv import errors

        return errors.NotSupported(
            self.config.name,
            f'Machine "{self.config.name}" is provisioned by "{self.config.provisioner}", whose clusters '
            "lock no members.",
        )

    def forget(self) -> None:  # noqa: B027
        """Remove what it has outside the machine's directory on this computer. Makes no calls to machines."""

    def upgrade(self, image: str, progress: Progress) -> None:
        """Upgrade what makes the cluster, on all its machines, to the version of an installer's `image`.

        The machine is a member that serves. Raises NotSupported, ClusterError.
        """
        from dinv import errors

        raise errors.NotSupported(
            self.config.name,
            f'Machine "{self.config.name}" is provisioned by "{self.config.provisioner}": what makes its '
            "cluster is in the machines' image, and is upgraded with it.",
        )

    def recover(self, progress: Progress, *, timeout: float) -> None:
        """Make a cluster of this member alone that has all that the lost one had, as far as it knows.

        For one that has lost its quorum. `timeout` in seconds. Raises NotSupported.
        """
        from dinv import errors

        raise errors.NotSupported(
            self.config.name,
            f'Machine "{self.config.name}" is provisioned by "{self.config.provisioner}", whose clusters '
            f"cannot be made anew from one member.",
        )


def recorded(config: MachineConfig) -> Standing | None:
    """Return what a record says of a machine's cluster; None if it is in none."""
    kept = config.membership
    return Standing(str(kept[CLUSTER]), str(kept.get(ROLE) or "")) if kept.get(CLUSTER) else None
