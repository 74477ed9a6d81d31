"""A server in a world of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fake_machines import World
from working_server import Server

if TYPE_CHECKING:
    from pathlib import Path

    from dinv.server.database.database import Database


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def server(database: Database, world: World, tmp_path: Path) -> Server:
    return Server(database, world, tmp_path / "server")
