"""What the server was told at its start."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class OpenIdProvider:
    """An OpenID Connect provider that people sign in with; the secret is never shown."""

    name: str
    issuer: str
    client_id: str
    client_secret: str = field(default="", repr=False)
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    groups_claim: str = "groups"
    """Dots lead into objects: "realm_access.roles"."""
    group_prefix: str = ""
    """Only groups that begin so are teams, without it."""
    allowed_groups: tuple[str, ...] = ()
    """Who may sign in: members of one of these; empty for everybody whom the provider knows."""
    operator_groups: tuple[str, ...] = ()
    auditor_groups: tuple[str, ...] = ()
    """With either, the provider decides about roles at each sign-in."""
    allowed_domains: tuple[str, ...] = ()
    """Of verified e-mail addresses; empty for all."""
    ca_file: str = ""


@dataclass(frozen=True)
class Settings:
    """`state` is the server's directory: SQLite's file, the secret, certificates, working copies."""

    state: str
    database: str = ""
    """URL of SQLAlchemy; "" for SQLite in `state`."""
    listen: tuple[str, int] = ("127.0.0.1", 8443)
    public_url: str = ""
    """How people reach it, such as https://dinv.example.com; "" for what it listens at."""
    tls_certificate: str = ""
    tls_key: str = ""
    plain: bool = False
    """HTTP without TLS, behind a proxy on this computer."""
    trusted_proxies: tuple[str, ...] = ()
    secret_file: str = ""
    """The key that records are encrypted with, which servers of one database share; "" for one in `state`."""
    provider: OpenIdProvider | None = None
    workers: int = 8
    """How many operations run at a time."""
    reconcile_seconds: float = 15.0
    heartbeat_seconds: float = 5.0
    stale_seconds: float = 30.0
    """An operation whose server was not heard of for so long is taken over."""
    events_days: int = 30

    @property
    def url(self) -> str:
        """How people reach it, without a slash at the end."""
        host, port = self.listen
        host = f"[{host}]" if ":" in host else host
        return (self.public_url or f"{'http' if self.plain else 'https'}://{host}:{port}").rstrip("/")
