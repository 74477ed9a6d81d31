"""Whether what `dinv serve` needs is installed: it comes with an extra, as no other verb needs it."""

from __future__ import annotations

from importlib.util import find_spec

from dinv.errors import ServerNotInstalled

_NEEDED = ("alembic", "argon2", "authlib", "fastapi", "httpx", "jinja2", "prometheus_client", "sqlalchemy")


def check() -> None:
    """Raise ServerNotInstalled unless everything is there."""
    missing = [name for name in (*_NEEDED, "uvicorn", "yaml") if find_spec(name) is None]
    if missing:
        raise ServerNotInstalled(missing)
