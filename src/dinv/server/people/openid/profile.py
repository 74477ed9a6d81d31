"""What a provider's claims say of a person here: name, teams, role, and whether they may sign in at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dinv.server.models import Role
from dinv.server.people.names import made_of
from dinv.server.problems import NotSignedIn
from dinv.server.settings import OpenIdProvider

_MOST_GROUPS = 500


@dataclass(frozen=True)
class Profile:
    """`role` None: the provider does not decide about it."""

    issuer: str
    subject: str
    name: str
    display_name: str
    email: str
    teams: tuple[str, ...]
    role: Role | None


def is_complete(settings: OpenIdProvider, claims: dict[str, Any]) -> bool:
    """Tell whether claims have all that is looked for, so that nothing more has to be asked for."""
    return (
        "name" in claims and "preferred_username" in claims and _at(claims, settings.groups_claim) is not None
    )


def profile(settings: OpenIdProvider, claims: dict[str, Any]) -> Profile:
    """Return what claims say. Raises NotSignedIn for somebody who may not sign in here."""
    groups = _groups(_at(claims, settings.groups_claim))
    email = _text(claims.get("email"), 254)
    verified = claims.get("email_verified") is True
    domain = email.rpartition("@")[2].lower() if verified else ""
    refused = ""
    if settings.allowed_groups and not groups & set(settings.allowed_groups):
        refused = "you are in none of the groups that may use it"
    elif settings.allowed_domains and domain not in {each.lower() for each in settings.allowed_domains}:
        refused = "your e-mail address is not verified, or not of a domain that may use it"
    if refused:
        raise NotSignedIn(f"You are signed in at {settings.name}, and may not use this server: {refused}.")
    names = (
        _text(claims.get("preferred_username"), 200).partition("@")[0],
        email.partition("@")[0],
        f"user-{claims['sub']}",
    )
    return Profile(
        issuer=settings.issuer,
        subject=claims["sub"],
        name=next(name for name in (*map(made_of, names), "user") if name),
        display_name=_text(claims.get("name"), 200),
        email=email,
        teams=_teams(settings, groups),
        role=_role(settings, groups),
    )


def _teams(settings: OpenIdProvider, groups: set[str]) -> tuple[str, ...]:
    prefix = settings.group_prefix
    named = {made_of(each.removeprefix(prefix)) for each in groups if each.startswith(prefix)}
    return tuple(sorted(named - {""}))[:_MOST_GROUPS]


def _role(settings: OpenIdProvider, groups: set[str]) -> Role | None:
    if not settings.operator_groups and not settings.auditor_groups:
        return None
    if groups & set(settings.operator_groups):
        return "operator"
    return "auditor" if groups & set(settings.auditor_groups) else "user"


def _groups(claim: object) -> set[str]:
    if isinstance(claim, str):
        claim = [claim]
    if not isinstance(claim, list):
        return set()
    # Keycloak writes groups as paths.
    return {each.removeprefix("/") for each in claim[:_MOST_GROUPS] if isinstance(each, str)} - {""}


def _at(claims: dict[str, Any], path: str) -> object:
    if path in claims:
        return claims[path]
    found: object = claims
    for name in path.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    return found


def _text(claim: object, longest: int) -> str:
    if not isinstance(claim, str):
        return ""
    return "".join(each for each in claim if each.isprintable())[:longest]
