"""The status of a machine whose create, or adoption, has not finished."""

from __future__ import annotations

from dinv.states import ERROR, STARTING, Status, at_work
from dinv.wording import command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.store.record import MachineConfig


def status(config: MachineConfig, holder: str | None = None) -> Status:
    """Return its status, with how to finish it.

    `holder` is the result of `Store.holder`: if set, the machine is being created or cleaned up right now.
    """
    if holder is not None:
        return Status(STARTING, at_work(holder))
    container = config.adopting
    if container:
        return Status(
            ERROR,
            "its adoption did not finish; finish it: "
            + command("adopt", str(container), config.name)
            + ", or forget it: "
            + command("rm", config.name),
        )
    return Status(
        ERROR,
        "its create did not finish; finish it: "
        + command("create", config.name, "...")
        + ", or clean up: "
        + command("rm", config.name),
    )
