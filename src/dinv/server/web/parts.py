"""The parts of the server, as its web has them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

from dinv.server.audit import Audit
from dinv.server.database.database import Database
from dinv.server.fleet.service import Fleet
from dinv.server.people.service import People
from dinv.server.settings import Settings
from dinv.server.web.followed import Logs
from dinv.server.web.watching import Changes


@dataclass(frozen=True)
class Parts:
    """What handlers ask.

    `logs` are those that are followed. `stopping` is set when the server is to end: streams end then. `wake`
    tells this server's workers that there may be something to do.
    """

    settings: Settings
    database: Database
    audit: Audit
    people: People
    fleet: Fleet
    stopping: threading.Event = field(default_factory=threading.Event)
    logs: Logs = field(default_factory=Logs)
    wake: Callable[[], None] = lambda: None

    @cached_property
    def changes(self) -> Changes:
        """What wakes streams."""
        return Changes(self.fleet, self.stopping)
