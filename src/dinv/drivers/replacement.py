"""The Replacement capability: how a machine is recreated, for `dinv upgrade` and `dinv set`."""

from __future__ import annotations

from abc import ABC, abstractmethod

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dinv.progress import Progress


class Offer:
    """An image on the endpoint that a machine can be recreated from.

    `contract` is the name of its image contract; `same` whether the machine was made from exactly this.
    """

    def __init__(self, image: str, contract: str, *, same: bool) -> None:
        self.image = image
        self.contract = contract
        self.same = same


class Replacement(ABC):
    """How one machine is recreated, for `dinv upgrade`, and with other settings for `dinv set`.

    In this order: `offer`, or `current` for a machine of the same image; `replace`, the driver's `start`;
    then `let_go` when the new one answers, or `take_back` if something failed. Each can be called again, to
    finish or undo what was killed.
    Machines of a driver without this capability cannot be upgraded.
    """

    @abstractmethod
    def offer(self, image: str, progress: Progress) -> Offer:
        """Fetch an image to recreate the machine from; "" means its own, in its newest version.

        Raises PreCreateCheckFailed if this machine cannot be recreated, ImageError, MachineGone.
        """

    def current(self) -> str:
        """Return the image that the machine was made from, as `replace` takes it in `config.driver["Image"]`.

        An id, if the recorded name stands for a newer image now; "" for what is recorded. Raises
        PreCreateCheckFailed if this machine cannot be recreated, MachineGone.
        """
        return ""

    @abstractmethod
    def replace(
        self, environment: Mapping[str, str], command: Sequence[str], mounts: Mapping[str, str]
    ) -> None:
        """Make the new one, as the driver's `create` does, and set aside the existing one, stopped.

        If the infrastructure refuses, that is before anything is stopped. Raises the errors of `create`,
        MachineGone.
        """

    @abstractmethod
    def take_back(self) -> None:
        """Put what was set aside back in its place, not started, and remove what `replace` made.

        Raises MachineGone if it no longer exists, and there is nothing in its place either.
        """

    @abstractmethod
    def let_go(self) -> None:
        """Remove what was set aside; the machine is what `replace` made."""
