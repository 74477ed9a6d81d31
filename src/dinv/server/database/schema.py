"""The tables, for SQLite and PostgreSQL. A change here needs a migration (`database/migrations/`).

Times are UTC. Identities are random texts (`new_id`), so that servers never have to agree on a number; only
`events` and `audit` count up, because their order matters. Of a secret only its SHA-256 is kept.
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime

import sqlalchemy as sa

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class UtcTime(sa.TypeDecorator[datetime]):
    """Times with their zone, on SQLite too, which keeps none: they are kept, and come back, in UTC."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError("a time without a zone")
        return value and value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def new_id() -> str:
    """Return 20 characters, without those that are mistaken for others."""
    return "".join(secrets.choice("23456789abcdefghjkmnpqrstuvwxyz") for _ in range(20))


def _id() -> sa.Column[str]:
    return sa.Column("id", sa.String(20), primary_key=True, default=new_id)


def _time(name: str, *, index: bool = False, nullable: bool = True) -> sa.Column[datetime]:
    return sa.Column(name, UtcTime, nullable=nullable, index=index)


def _counter(name: str) -> sa.Column[int]:
    # SQLite counts up by itself only in a column of exactly this type.
    kind = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    return sa.Column(name, kind, primary_key=True, autoincrement=True)


# People

people = sa.Table(
    "people",
    metadata,
    _id(),
    sa.Column("name", sa.String(64), nullable=False, unique=True),
    sa.Column("display_name", sa.String(200), nullable=False, default=""),
    sa.Column("email", sa.String(254), nullable=False, default=""),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("password", sa.String(255)),
    sa.Column("issuer", sa.String(500), nullable=False, default=""),
    sa.Column("subject", sa.String(255)),
    sa.Column("disabled", sa.Boolean, nullable=False, default=False),
    _time("created_at", nullable=False),
    sa.UniqueConstraint("issuer", "subject"),
)
teams = sa.Table("teams", metadata, _id(), sa.Column("name", sa.String(64), nullable=False, unique=True))
members = sa.Table(
    "members",
    metadata,
    sa.Column("team_id", sa.ForeignKey("teams.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("person_id", sa.ForeignKey("people.id", ondelete="CASCADE"), primary_key=True, index=True),
    sa.Column("from_provider", sa.Boolean, nullable=False, default=False),
)
tokens = sa.Table(
    "tokens",
    metadata,
    _id(),
    sa.Column("person_id", sa.ForeignKey("people.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("name", sa.String(100), nullable=False),
    sa.Column("digest", sa.String(64), nullable=False, unique=True),
    sa.Column("scopes", sa.JSON, nullable=False),
    _time("created_at", nullable=False),
    _time("expires_at"),
    _time("used_at"),
    _time("revoked_at"),
)
sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("digest", sa.String(64), primary_key=True),
    sa.Column("person_id", sa.ForeignKey("people.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("address", sa.String(64), nullable=False, default=""),
    _time("created_at", nullable=False),
    _time("seen_at", nullable=False),
    _time("expires_at", nullable=False, index=True),
)
attempts = sa.Table(
    "attempts",
    metadata,
    _counter("id"),
    sa.Column("key", sa.String(128), nullable=False),
    _time("time", nullable=False, index=True),
    sa.Index("ix_attempts_key_time", "key", "time"),
)
"""Sign-ins that failed, by address and by name: what limits are counted from."""
pending_sign_ins = sa.Table(
    "pending_sign_ins",
    metadata,
    sa.Column("digest", sa.String(64), primary_key=True),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("data", sa.JSON, nullable=False),
    _time("expires_at", nullable=False, index=True),
)
"""Sign-ins under way: OIDC (state, nonce, verifier), the device flow, the first operator's link."""

# Audit

audit = sa.Table(
    "audit",
    metadata,
    sa.Column(
        "seq", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=False
    ),
    _time("time", nullable=False, index=True),
    sa.Column("actor", sa.String(128), nullable=False, index=True),
    sa.Column("via", sa.String(16), nullable=False),
    sa.Column("action", sa.String(64), nullable=False, index=True),
    sa.Column("object", sa.String(255), nullable=False, index=True),
    sa.Column("result", sa.String(64), nullable=False),
    sa.Column("address", sa.String(64), nullable=False, default=""),
    sa.Column("request_id", sa.String(64), nullable=False, default=""),
    sa.Column("detail", sa.JSON, nullable=False),
    sa.Column("previous", sa.String(64), nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
)
audit_head = sa.Table(
    "audit_head",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("seq", sa.BigInteger, nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
)
"""One row: the newest entry of `audit`. Writers queue at it; a log whose end was cut off does not fit it."""

# What there is

endpoints = sa.Table(
    "endpoints",
    metadata,
    _id(),
    sa.Column("name", sa.String(64), nullable=False, unique=True),
    sa.Column("options", sa.JSON, nullable=False),
    sa.Column("weight", sa.Integer, nullable=False, default=1),
    sa.Column("max_machines", sa.Integer),
    sa.Column("cpus", sa.Float),
    sa.Column("memory", sa.BigInteger),
    sa.Column("labels", sa.JSON, nullable=False),
    sa.Column("enabled", sa.Boolean, nullable=False, default=True),
    sa.Column("state", sa.String(16), nullable=False, default="unknown"),
    sa.Column("error", sa.Text, nullable=False, default=""),
    _time("checked_at"),
    # Creates that failed there in a row, and until when no others are begun.
    sa.Column("failures", sa.Integer, nullable=False, default=0),
    _time("not_before"),
    sa.Column("strangers", sa.JSON, nullable=False, default=list),
    # What is taken there, changed in the transaction that takes it.
    sa.Column("machines", sa.Integer, nullable=False, default=0),
    sa.Column("used_cpus", sa.Float, nullable=False, default=0.0),
    sa.Column("used_memory", sa.BigInteger, nullable=False, default=0),
)
templates = sa.Table(
    "templates",
    metadata,
    _id(),
    sa.Column("name", sa.String(64), nullable=False, unique=True),
    sa.Column("title", sa.String(200), nullable=False),
    sa.Column("description", sa.Text, nullable=False, default=""),
    sa.Column("document", sa.Text, nullable=False),
    sa.Column("options", sa.JSON, nullable=False),
    sa.Column("generation", sa.String(64), nullable=False),
    sa.Column("ttl", sa.Integer, nullable=False, default=0),
    sa.Column("longest_ttl", sa.Integer, nullable=False, default=0),
    sa.Column("idle_ttl", sa.Integer, nullable=False, default=0),
    sa.Column("cpus", sa.Float, nullable=False, default=0.0),
    sa.Column("memory", sa.BigInteger, nullable=False, default=0),
    sa.Column("cache", sa.BigInteger, nullable=False, default=0),
    sa.Column("endpoint_labels", sa.JSON, nullable=False),
    sa.Column("teams", sa.JSON, nullable=False),
    sa.Column("is_default", sa.Boolean, nullable=False, default=False),
    _time("removed_at"),
    # Its pool
    sa.Column("pool_size", sa.Integer, nullable=False, default=0),
    sa.Column("pool_max", sa.Integer, nullable=False, default=0),
    sa.Column("pool_paused", sa.Boolean, nullable=False, default=False),
    sa.Column("pool_failures", sa.Integer, nullable=False, default=0),
    sa.Column("pool_error", sa.Text, nullable=False, default=""),
    _time("pool_not_before"),
)
quotas = sa.Table(
    "quotas",
    metadata,
    sa.Column("subject", sa.String(80), primary_key=True),
    sa.Column("machines", sa.Integer),
    sa.Column("cpus", sa.Float),
    sa.Column("memory", sa.BigInteger),
    sa.Column("cache", sa.BigInteger),
    sa.Column("hours", sa.Float),
)

# Machines

machines = sa.Table(
    "machines",
    metadata,
    _id(),
    sa.Column("name", sa.String(64), nullable=False, default=""),
    sa.Column("host_name", sa.String(64), nullable=False, unique=True),
    sa.Column("owner_id", sa.ForeignKey("people.id"), index=True),
    sa.Column("team", sa.String(64), nullable=False, default=""),
    sa.Column("template_id", sa.ForeignKey("templates.id"), nullable=False, index=True),
    sa.Column("generation", sa.String(64), nullable=False),
    sa.Column("endpoint_id", sa.ForeignKey("endpoints.id"), index=True),
    sa.Column("state", sa.String(16), nullable=False, index=True),
    sa.Column("options", sa.JSON, nullable=False),
    sa.Column("pooled", sa.Boolean, nullable=False, default=False),
    sa.Column("version", sa.Integer, nullable=False, default=1),
    sa.Column("url", sa.String(200), nullable=False, default=""),
    sa.Column("docker_version", sa.String(64), nullable=False, default=""),
    sa.Column("error", sa.Text, nullable=False, default=""),
    sa.Column("waits_for", sa.String(200), nullable=False, default=""),
    sa.Column("cpus", sa.Float, nullable=False, default=0.0),
    sa.Column("memory", sa.BigInteger, nullable=False, default=0),
    sa.Column("cache", sa.BigInteger, nullable=False, default=0),
    sa.Column("cache_used", sa.BigInteger),
    # What was asked for, in seconds; it counts from when the machine is theirs.
    sa.Column("ttl", sa.Integer, nullable=False, default=0),
    sa.Column("idle_ttl", sa.Integer, nullable=False, default=0),
    _time("created_at", nullable=False),
    _time("ready_at"),
    _time("claimed_at"),
    _time("expires_at", index=True),
    _time("removed_at"),
    # When its own certificates are to be renewed.
    _time("renew_at"),
    sa.Index("ix_machines_pool", "template_id", "state", "owner_id", "ready_at"),
    # For sweeping. All the rest asks for those that are not removed: there SQLite would choose this one.
    sa.Index(
        "ix_machines_removed_at",
        "removed_at",
        sqlite_where=sa.text("removed_at IS NOT NULL"),
        postgresql_where=sa.text("removed_at IS NOT NULL"),
    ),
    # Pages of a list; those removed stay for a while, and are in none.
    sa.Index(
        "ix_machines_renew_at",
        "renew_at",
        sqlite_where=sa.text("removed_at IS NULL"),
        postgresql_where=sa.text("removed_at IS NULL"),
    ),
    sa.Index(
        "ix_machines_created_at_id",
        "created_at",
        "id",
        sqlite_where=sa.text("removed_at IS NULL"),
        postgresql_where=sa.text("removed_at IS NULL"),
    ),
    sa.Index(
        "ix_machines_team",
        "team",
        sqlite_where=sa.text("removed_at IS NULL"),
        postgresql_where=sa.text("removed_at IS NULL"),
    ),
    # A name is its owner's own, and free again when the machine is gone.
    sa.Index(
        "uq_machines_owner_name",
        "owner_id",
        "name",
        unique=True,
        sqlite_where=sa.text("removed_at IS NULL AND owner_id IS NOT NULL"),
        postgresql_where=sa.text("removed_at IS NULL AND owner_id IS NOT NULL"),
    ),
)
records = sa.Table(
    "records",
    metadata,
    sa.Column("machine_id", sa.ForeignKey("machines.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("content", sa.LargeBinary, nullable=False),
)
"""A machine's directory, as dinv exports it, encrypted by the server's secret (`work/records.py`)."""
operations = sa.Table(
    "operations",
    metadata,
    _id(),
    sa.Column("machine_id", sa.ForeignKey("machines.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("arguments", sa.JSON, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False, default=0),
    sa.Column("priority", sa.Integer, nullable=False, default=0),
    sa.Column("error", sa.Text, nullable=False, default=""),
    sa.Column("server", sa.String(64), nullable=False, default=""),
    _time("created_at", nullable=False),
    _time("not_before"),
    _time("heartbeat_at"),
    _time("finished_at"),
    sa.Index("ix_operations_state", "state", "priority", "created_at"),
)
"""What is to be done on endpoints: taken by one server at a time, one at a time for a machine. People's come
before those of pools (`priority`)."""
events = sa.Table(
    "events",
    metadata,
    _counter("id"),
    sa.Column("machine_id", sa.ForeignKey("machines.id", ondelete="CASCADE"), nullable=False),
    _time("time", nullable=False, index=True),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Index("ix_events_machine_id", "machine_id", "id"),
)
shares = sa.Table(
    "shares",
    metadata,
    sa.Column("machine_id", sa.ForeignKey("machines.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("serial", sa.String(64), primary_key=True),
    sa.Column("holder", sa.String(64), nullable=False),
    sa.Column("given_by", sa.String(64), nullable=False),
    sa.Column("is_owner", sa.Boolean, nullable=False, default=False),
    _time("given_at", nullable=False),
    _time("not_after", nullable=False),
    _time("revoked_at"),
)
usage = sa.Table(
    "usage",
    metadata,
    _counter("id"),
    sa.Column("machine_id", sa.String(20), nullable=False, index=True),
    sa.Column("person_id", sa.String(20), nullable=False, index=True),
    sa.Column("team", sa.String(64), nullable=False, default="", index=True),
    _time("begun_at", nullable=False),
    _time("ended_at", index=True),
)
"""From when to when somebody had a machine: hours are counted from here, also of machines that are gone."""

# Servers

idempotency = sa.Table(
    "idempotency",
    metadata,
    sa.Column("person_id", sa.String(20), primary_key=True),
    sa.Column("key", sa.String(128), primary_key=True),
    sa.Column("request", sa.String(64), nullable=False),
    sa.Column("status", sa.Integer),
    sa.Column("answer", sa.JSON),
    _time("expires_at", nullable=False, index=True),
)
servers = sa.Table(
    "servers",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("version", sa.String(32), nullable=False),
    _time("started_at", nullable=False),
    _time("seen_at", nullable=False),
)
duties = sa.Table(
    "duties",
    metadata,
    sa.Column("name", sa.String(32), primary_key=True),
    sa.Column("server", sa.String(64), nullable=False),
    _time("until", nullable=False),
)
"""What one server does at a time: reconciling, watching endpoints, reaping. A duty lapses unless renewed."""

facts = sa.Table(
    "facts",
    metadata,
    sa.Column("name", sa.String(32), primary_key=True),
    sa.Column("value", sa.String(255), nullable=False),
)
"""What all servers of this database agree on, such as the fingerprint of their secret (`work/records.py`)."""
