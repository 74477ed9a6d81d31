"""Who may do what: roles and the scopes of tokens. What somebody may not see is NotFound, elsewhere."""

from __future__ import annotations

from dinv.server.models import Actor
from dinv.server.problems import Forbidden


def may_look(actor: Actor) -> None:
    """Raise Forbidden unless the actor may read; each scope includes it."""
    if not actor.scopes:
        raise Forbidden("This token may do nothing. Make one with the scope read or machines.")


def may_have_machines(actor: Actor) -> None:
    """Raise Forbidden unless the actor may make and change machines of their own."""
    may_look(actor)
    if actor.person.role == "auditor":
        raise Forbidden("Auditors look, and change nothing.")
    if not actor.scopes & {"machines", "operate"}:
        raise Forbidden("This token may only look. Make one with the scope machines.")


def may_operate(actor: Actor) -> None:
    """Raise Forbidden unless the actor is an operator, by a token that may be one."""
    may_look(actor)
    if actor.person.role != "operator":
        raise Forbidden("Only operators may do that.")
    if not actor.is_operator:
        raise Forbidden("This token may not do what operators do. Make one with the scope operate.")


def may_see_all(actor: Actor) -> None:
    """Raise Forbidden unless the actor is an operator or an auditor."""
    may_look(actor)
    if not actor.sees_all:
        raise Forbidden("Only operators and auditors see what belongs to others.")
