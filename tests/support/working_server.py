"""A server's working half in a world of fake endpoints: what tests and benchmarks of its work begin with.

Several servers share a database and a world; each has a directory of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import fleet_world
import sqlalchemy as sa
from fake_machines import FakeHosts

from dinv.server.database.schema import endpoints, events, machines, operations
from dinv.server.fleet.service import Fleet
from dinv.server.settings import Settings
from dinv.server.work.service import Place, Work

if TYPE_CHECKING:
    from pathlib import Path

    from fake_machines import World

    from dinv.server.database.database import Database
    from dinv.server.models import Actor


class Server(fleet_world.World):
    """A server with its fleet, `hosts` in `world`, and its `working` half."""

    def __init__(
        self, database: Database, world: World, directory: Path, *, secret: str = "", **settings: Any
    ) -> None:
        super().__init__(database)
        directory.mkdir(exist_ok=True)
        self.world = world
        self.settings = Settings(str(directory), secret_file=secret, **settings)
        self.hosts = FakeHosts(world, directory.name)
        self.place = Place.opened(database, self.settings, self.hosts)
        self.fleet = Fleet(database, self.audit, self.place.access)
        self.working = Work(database, self.audit, self.settings, place=self.place)

    def endpoint(self, name: str = "here", **columns: Any) -> str:
        """Make an endpoint in the database and in the world."""
        return super().endpoint(name, options=self.world.add_endpoint(name), **columns)

    def prepared(self) -> Actor:
        """Make an endpoint, a template and a person; return the person."""
        self.endpoint()
        self.template(is_default=True)
        return self.person("ann")

    # What there is

    def row(self, machine_id: str) -> sa.Row[Any]:
        with self.database.read() as connection:
            return connection.execute(sa.select(machines).where(machines.c.id == machine_id)).one()

    def endpoint_row(self, name: str = "here") -> sa.Row[Any]:
        with self.database.read() as connection:
            return connection.execute(sa.select(endpoints).where(endpoints.c.name == name)).one()

    def operation_rows(self, machine_id: str = "") -> list[sa.Row[Any]]:
        query = sa.select(operations).order_by(operations.c.created_at, operations.c.id)
        if machine_id:
            query = query.where(operations.c.machine_id == machine_id)
        with self.database.read() as connection:
            return list(connection.execute(query))

    def said(self, machine_id: str, kind: str = "") -> list[str]:
        """The texts of a machine's events."""
        query = sa.select(events.c.kind, events.c.text).where(events.c.machine_id == machine_id)
        with self.database.read() as connection:
            rows = list(connection.execute(query.order_by(events.c.id)))
        return [text for found, text in rows if kind in ("", found)]

    def change(self, table: sa.Table, key: str, **values: Any) -> None:
        """Change a row behind the server's back."""
        self.database.write(lambda c: c.execute(table.update().where(table.c.id == key).values(values)))

    def due(self) -> None:
        """Let pauses before the next attempts be over."""
        self.database.write(lambda c: c.execute(operations.update().values(not_before=None)))

    def drain(self) -> int:
        """Do all that is due, without the duties."""
        count = 0
        while self.working.workers.run_one():
            count += 1
        return count
