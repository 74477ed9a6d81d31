"""A server's audit log, beside the server: for `dinv audit`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from dinv.server.audit import Audit
from dinv.server.problems import Invalid
from dinv.server.serving.assembling import database_of, default_path
from dinv.server.settings import Settings


@contextmanager
def opened(settings: Settings) -> Iterator[Audit]:
    """Open the database, and have its log. Raises Invalid where there is none, Unavailable, and Problem."""
    if not settings.database and not os.path.exists(default_path(settings)):
        raise Invalid(f"There is no server's database: {default_path(settings)}.")
    database = database_of(settings)
    try:
        database.check(in_its_words=True)
        yield Audit(database)
    finally:
        database.close()
