"""The Replacement capability: how a machine is made anew from another image, for `dinv upgrade`."""

from __future__ import annotations

from abc import ABC, abstractmethod

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dinv.progress import Progress


class Offer:
    """An image that a machine can be made anew from, on its endpoint already.

    `contract` is the name of its image contract; `same` whether the machine was made from exactly this.
    """

    def __init__(self, image: str, contract: str, *, same: bool) -> None:
        self.image = image
        self.contract = contract
        self.same = same


class Replacement(ABC):
    """How one machine is made anew from another image, for `dinv upgrade`.

    In this order: `offer`, `replace`, the driver's `start`; then `let_go` when the new one answers, or
    `take_back` when something has failed. Each can be called again, by who finishes or undoes
    what was killed. The machines of a driver that has none cannot be upgraded.
    """

    @abstractmethod
    def offer(self, image: str, progress: Progress) -> Offer:
        """Fetch an image to make the machine anew from; "" is its own, as new as it can be had.

        Raises PreCreateCheckFailed when this machine cannot be made anew, ImageError, MachineGone.
        """

    @abstractmethod
    def replace(
        self, environment: Mapping[str, str], command: Sequence[str], mounts: Mapping[str, str]
    ) -> None:
        """Make the new one, as the driver's `create` does, and set aside the one that there is, stopped.

        What the infrastructure refuses is refused before anything is stopped. Raises what `create` raises,
        MachineGone.
        """

    @abstractmethod
    def take_back(self) -> None:
        """Give what was set aside its place again, not started; what `replace` made is removed.

        Raises MachineGone when it is there no more, and nothing in its place either.
        """

    @abstractmethod
    def let_go(self) -> None:
        """Remove what was set aside; the machine is what `replace` made."""
