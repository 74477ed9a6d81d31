"""People whom tests of the server sign in, and the database's time, moved forward."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest
    import sqlalchemy as sa

    from dinv.server.database.database import Database
    from dinv.server.models import Actor
    from dinv.server.people.service import People

PASSWORD = "correct horse battery"
ADDRESS = "192.0.2.1"


class Clock:
    """The database's time, moved forward."""

    def __init__(self, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ahead = timedelta()
        self._stopped: datetime | None = None
        self._real = database.now
        monkeypatch.setattr(database, "now", self._now)

    def _now(self, connection: sa.Connection) -> datetime:
        return (self._stopped or self._real(connection)) + self.ahead

    def stop(self) -> None:
        """Let it stand still but for `forward`: no pause of some seconds is over before it is looked at."""
        self._stopped = datetime.now(UTC)

    def forward(self, **by: float) -> None:
        self.ahead += timedelta(**by)


def signed_in(people: People, secret: str) -> Actor:
    """Whose session it is."""
    actor = people.session(secret, address=ADDRESS, request_id="r")
    assert actor is not None
    return actor
