"""A PostgreSQL for tests: Debian's, on a unix socket in a directory of its own, without fsync."""

from __future__ import annotations

import contextlib
import glob
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from typing import Self

import psycopg

SECONDS = 60.0
_END_OTHERS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
_EMPTY = """
DO $$
DECLARE name text;
BEGIN
    SET LOCAL session_replication_role = replica;
    FOR name IN
        SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'
    LOOP
        EXECUTE format('DELETE FROM %I', name);
    END LOOP;
    FOR name IN SELECT sequencename FROM pg_sequences WHERE schemaname = 'public' LOOP
        EXECUTE format('ALTER SEQUENCE %I RESTART', name);
    END LOOP;
END $$
"""
_SHAPE = """
SELECT table_name::text, column_name::text, data_type::text FROM information_schema.columns
WHERE table_schema = 'public'
UNION ALL SELECT version_num::text, '', '' FROM alembic_version ORDER BY 1, 2
"""
"""Every table and column, and the step of the migrations."""


def programs() -> str:
    """Return the directory of the newest initdb and postgres; "" where there is none."""
    found = glob.glob("/usr/lib/postgresql/*/bin/initdb")
    if found:
        return os.path.dirname(max(found, key=lambda path: float(path.split("/")[4])))
    return os.path.dirname(shutil.which("initdb") or "")


class PostgreSQL:
    """A running cluster; PostgreSQL refuses to run as root, so root runs it as another user."""

    def __init__(self, *, durable: bool = False) -> None:
        """`durable` as in production: what is committed is on the disk."""
        self.programs = programs()
        self._durable = durable
        self._free: list[str] = []
        self._made = 0
        self._shapes: dict[str, list[tuple[object, ...]]] = {}
        self.directory = tempfile.mkdtemp(prefix="dinv-pg-")
        self._user: str | None = None
        if os.geteuid() == 0:
            names = [entry.pw_name for entry in pwd.getpwall()]
            self._user = "postgres" if "postgres" in names else "nobody"
            shutil.chown(self.directory, self._user)
        self._data = os.path.join(self.directory, "data")
        self._process: subprocess.Popen[bytes] | None = None
        try:
            self._run(
                "initdb", "--no-sync", "--auth=trust", "--username=dinv", "--encoding=UTF8", "--no-locale"
            )
            self.start()
        except BaseException:
            self.close()
            raise

    def _run(self, program: str, *words: str) -> None:
        command = [os.path.join(self.programs, program), "-D", self._data, *words]
        done = subprocess.run(
            command, check=False, capture_output=True, user=self._user, cwd="/", timeout=SECONDS
        )
        assert done.returncode == 0, done.stderr.decode()

    def start(self) -> None:
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": self.directory,
            "max_connections": "200",
            "shared_buffers": "32MB",
            "max_wal_size": "256MB",
        }
        if not self._durable:
            loose = ("fsync", "full_page_writes", "synchronous_commit", "autovacuum")
            settings.update(dict.fromkeys(loose, "off"))
        with open(os.path.join(self.directory, "log"), "ab") as log:
            self._process = subprocess.Popen(
                [
                    os.path.join(self.programs, "postgres"),
                    "-D",
                    self._data,
                    *(word for name, value in settings.items() for word in ("-c", f"{name}={value}")),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                user=self._user,
                cwd="/",
            )
        end = time.monotonic() + SECONDS
        while True:
            try:
                psycopg.connect(self.dsn("postgres"), connect_timeout=5).close()
            except psycopg.OperationalError:
                assert self._process.poll() is None, f"postgres has ended; see {self.directory}/log"
                assert time.monotonic() < end, "postgres does not answer"
                time.sleep(0.02)
            else:
                return

    def stop(self) -> None:
        """End it at once, with its connections."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.send_signal(signal.SIGQUIT)
                self._process.wait(20)
            self._process = None

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def dsn(self, database: str) -> str:
        return f"host={self.directory} dbname={database} user=dinv"

    def url(self, database: str) -> str:
        """What `dinv.server.database.database.Database` takes."""
        return f"postgresql://dinv@/{database}?host={self.directory}"

    def create(self, database: str, *, template: str = "template0", options: str = "") -> str:
        """Make a database, a copy of another; return its URL."""
        self._execute(f'CREATE DATABASE "{database}" TEMPLATE "{template}" {options}')
        return self.url(database)

    def drop(self, database: str) -> None:
        self._execute(f'DROP DATABASE "{database}" WITH (FORCE)')

    def lend(self, template: str) -> str:
        """Return the name of a database like the template, which has no rows; made only if none is free."""
        if self._free:
            return self._free.pop()
        self._made += 1
        name = f"lent_{os.getpid()}_{self._made}"
        self.create(name, template=template)
        return name

    def take_back(self, name: str, template: str) -> None:
        """Empty a database that was lent, in less time than a new one takes; drop it if it was changed."""
        if template not in self._shapes:
            self._shapes[template] = self._execute(_SHAPE, database=template)
        try:
            is_same = self._execute(_END_OTHERS, _EMPTY, _SHAPE, database=name) == self._shapes[template]
        except psycopg.Error:
            is_same = False
        if is_same:
            self._free.append(name)
        else:
            self.drop(name)

    def _execute(self, *statements: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run them; return the rows of the last."""
        with contextlib.closing(psycopg.connect(self.dsn(database), autocommit=True)) as connection:
            for statement in statements:
                done = connection.execute(statement.encode())
            return done.fetchall() if done.description else []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
