"""What the server keeps for each connection: to a browser, and to SQLite."""

from __future__ import annotations

from asyncio import sslproto
from typing import TYPE_CHECKING

from dinv.server.database.backends import CACHE_KB
from dinv.server.database.database import Database
from dinv.server.serving import buffers
from dinv.server.serving.certificates import Certificates
from dinv.server.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_connection_over_tls_is_read_into_little(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sslproto.SSLProtocol, "max_size", 256 * 1024)
    Certificates(Settings(str(tmp_path)))

    # asyncio makes a buffer of this size for each connection; benchmarks/soak sees what it comes to.
    assert sslproto.SSLProtocol.max_size == buffers.SIZE


def test_a_connection_to_sqlite_keeps_few_pages(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/dinv.db")
    with database.read() as connection:
        assert connection.exec_driver_sql("PRAGMA cache_size").scalar_one() == -CACHE_KB
    database.close()
