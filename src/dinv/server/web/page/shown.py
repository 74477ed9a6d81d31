"""What things are called on the page, and in which tone: the words and colours of states, and amounts."""

from __future__ import annotations

from typing import Literal, NamedTuple

from dinv.formats.units import format_size
from dinv.server.models import Actor, AuditEntry, Endpoint, Machine, Pool

Tone = Literal["good", "warn", "bad", "plain"]
Unit = Literal["number", "bytes"]

_MACHINES: dict[str, Tone] = {
    "ready": "good",
    "failed": "bad",
    "parked": "bad",
    "stopped": "plain",
    "removed": "plain",
}


class State(NamedTuple):
    """A word in a tone; `moves` while something is being done."""

    word: str
    tone: Tone
    moves: bool = False


def machine_state(machine: Machine) -> State:
    """What a machine's state is called."""
    word = f"waiting, place {machine.place}" if machine.place else machine.state
    tone = _MACHINES.get(machine.state, "warn")
    return State(word, tone, moves=tone == "warn" and machine.state != "waiting")


def endpoint_state(endpoint: Endpoint) -> State:
    """What an endpoint's state is called: one that is switched off gets no new machines, whatever it says."""
    if not endpoint.enabled:
        return State("switched off", "plain")
    tones: dict[str, Tone] = {"ok": "good", "failing": "bad", "unreachable": "bad"}
    return State(endpoint.state, tones.get(endpoint.state, "plain"))


def pool_state(pool: Pool) -> State:
    """What a pool's state is called."""
    if pool.paused:
        return State("paused", "plain")
    if pool.error:
        return State("failing", "bad")
    return State("full", "good") if pool.ready >= pool.size else State("filling", "warn")


def may_change(actor: Actor, machine: Machine) -> bool:
    """Whether somebody is shown buttons for a machine; whether they may is decided when one is pressed."""
    owns = machine.owner_id == actor.person.id and actor.person.role != "auditor"
    return actor.is_operator or owns


def has_time(machine: Machine) -> bool:
    """Whether time runs for a machine: it is, or is being made, and has a limit."""
    return machine.expires_at is not None and machine.state not in ("waiting", "failed", "parked", "removed")


def has_log(machine: Machine) -> bool:
    """Whether there is something on an endpoint that has a log."""
    return machine.state in ("ready", "starting", "stopping", "stopped")


def details(entry: AuditEntry) -> str:
    """What an entry of the audit log says besides, in a line."""
    found = {key: _detail(value) for key, value in entry.detail.items()}
    return ", ".join(f"{key} {text}" for key, text in found.items() if text)


def _detail(value: object) -> str:
    if isinstance(value, list):
        return " ".join(map(str, value))
    return "" if value is None else str(value)


def plain(number: float | None) -> str:
    """A number without a needless fraction: 2, 2.5; rounded to one digit after the point."""
    return "" if number is None else f"{number:.1f}".removesuffix(".0")


def amount(value: float, unit: Unit = "number") -> str:
    """So much, for people."""
    return format_size(int(value)) if unit == "bytes" else plain(value)


def amounts(used: float, limit: float | None, unit: Unit = "number") -> str:
    """So much of so much, or so much where there is no limit."""
    return amount(used, unit) if limit is None else f"{amount(used, unit)} of {amount(limit, unit)}"
