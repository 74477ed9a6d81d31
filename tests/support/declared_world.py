"""Files of machines, planned and applied in a store with the fake driver."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from dinv.declared.kinds import fleet
from dinv.declared.reading import read

if TYPE_CHECKING:
    from dinv.declared.changes import Change
    from dinv.machines import Machines

HEAD = "apiVersion: dinv/v1\nname: shop\n"


def planned(machines: Machines, text: str, *, head: str = HEAD, **more: Any) -> list[Change]:
    document = read(head + text, kinds=[fleet(os.environ)], variables=os.environ)
    return machines.declared.plan([document], **more)


def apply(machines: Machines, text: str, **more: Any) -> list[tuple[str, str, str]]:
    """Apply a file; return what was done, or failed."""
    done = machines.declared.apply(planned(machines, text, **more))
    return [
        (each.change.action, each.change.name, type(each.error).__name__ if each.error else "")
        for each in done
    ]


def actions(changes: list[Change]) -> dict[str, str]:
    return {change.name: change.action for change in changes}


def means(change: Change) -> dict[str, str]:
    return {difference.option: difference.means for difference in change.differences}
