"""What nobody needs any more of sessions, tokens, attempts and sign-ins under way."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

from dinv.server.database.schema import attempts, pending_sign_ins, sessions, tokens
from dinv.server.people.limits import KNOWN_DAYS
from dinv.server.people.sessions import IDLE


def over(now: datetime) -> list[tuple[sa.Table, sa.ColumnElement[bool]]]:
    """Return tables, and which of their rows can be removed."""
    old = now - timedelta(days=90)
    known = attempts.c.key.startswith("known ")
    return [
        (sessions, sa.or_(sessions.c.expires_at < now, sessions.c.seen_at < now - IDLE)),
        (pending_sign_ins, pending_sign_ins.c.expires_at < now),
        # That they were there stays in the audit log.
        (tokens, sa.or_(tokens.c.expires_at < old, tokens.c.revoked_at < old)),
        (attempts, sa.and_(sa.not_(known), attempts.c.time < now - timedelta(hours=1))),
        (attempts, sa.and_(known, attempts.c.time < now - timedelta(days=KNOWN_DAYS))),
    ]
