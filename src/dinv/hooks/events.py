"""The events that hooks are told of, and the facts that come with each; docs/hooks.md has the same for users.

Names and facts do not change within one VERSION of what a hook is sent; events and facts may be added.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

VERSION = 1
"""The version of what a hook is sent."""

_TEXT: dict[str, Any] = {"type": "string"}
_TEXTS: dict[str, Any] = {"type": "array", "items": {"type": "string"}}
_SWITCH: dict[str, Any] = {"type": "boolean"}

FACTS: dict[str, tuple[dict[str, Any], str]] = {
    "command": (_TEXT, "the command that it is about: `create`, `adopt`, `start`, ..."),
    "role": ({"enum": ["server", "client"]}, "what the certificate is for"),
    "names": (_TEXTS, "the DNS names and addresses in it; none in a client's"),
    "holder": (_TEXT, "who it is for; empty for the machine's owner"),
    "lifetime": ({"type": ["integer", "null"]}, "the seconds asked for; null leaves that to the authority"),
    "serial": (_TEXT, "its serial number, in lower-case hex without leading zeros"),
    "serials": (_TEXTS, "their serial numbers, written in the same way"),
    "not_after": (_TEXT, "when it ends: RFC 3339, UTC"),
    "seconds_left": ({"type": "integer"}, "how long that is from now; negative once it has ended"),
    "clients": (_SWITCH, "whether there are new certificates for clients, too"),
    "keep_cache": (_SWITCH, "whether the cache volume stays"),
    "left": (_TEXTS, "a line for each thing that stays"),
    "expires": (
        _TEXT,
        "the end of its lease, or that which is near, by its endpoint's clock: RFC 3339, UTC; empty for none",
    ),
    "on_expiry": ({"enum": ["remove", "stop"]}, "what happens then"),
    "why": (
        {"enum": ["ttl", "idle", "left"]},
        "the end of its lease; nobody has used it; the run that it was made for was killed",
    ),
}
"""By name: its JSON schema, and what it is."""

MACHINE: dict[str, tuple[dict[str, Any], str]] = {
    "name": (_TEXT, "its name"),
    "id": (_TEXT, "its identity, which no other machine ever has"),
    "driver": (_TEXT, "its driver"),
    "provisioner": (_TEXT, "its provisioner"),
    "authority": (_TEXT, "who signs its certificates"),
    "endpoint": (_TEXT, "the URL of the endpoint that it is on; empty if there is none"),
    "url": (_TEXT, "the URL of its daemon; empty while it is not known"),
    "ip": (_TEXT, "the host in that"),
    "image": (_TEXT, "its image; empty if it has none"),
    "image_contract": (_TEXT, "how that takes certificates and options; empty while it is not known"),
    "labels": ({"type": "object", "additionalProperties": {"type": "string"}}, "those of `--label`"),
    "docker_version": (_TEXT, "the version of its daemon, at its last start"),
    "created": (_TEXT, "when it was made: RFC 3339, UTC"),
}
"""What is said of the machine, in the same way. All of it is in its record, and none of it is a secret."""


class Event:
    """One event. `asks`: whether a hook can refuse what is about to happen. `when` says when it is sent."""

    __slots__ = ("asks", "facts", "when")

    def __init__(self, when: str, *facts: str, asks: bool = False) -> None:
        self.when = when
        self.facts = facts
        self.asks = asks


EVENTS: dict[str, Event] = {
    "pre-create": Event("all checks have passed, and nothing has been made", "command", asks=True),
    "pre-issue": Event(
        "before the authority gets a signing request", "role", "names", "holder", "lifetime", asks=True
    ),
    "issued": Event("a certificate has been signed", "role", "names", "holder", "serial", "not_after"),
    "provisioned": Event("certificates and options are in the machine", "command"),
    "ready": Event("its daemon answers, after a create, an adoption or a start", "command"),
    "near-expiry": Event(
        "a command has noticed that a certificate ends soon", "role", "holder", "not_after", "seconds_left"
    ),
    "renewed": Event("new certificates are in use", "clients"),
    "pre-share": Event("before somebody gets a certificate for the machine", "holder", "lifetime", asks=True),
    "shared": Event("somebody has got one", "holder", "serial", "not_after"),
    "pre-revoke": Event("before somebody's certificates are revoked", "holder", "serials", asks=True),
    "revoked": Event("the machine refuses them", "holder", "serials"),
    "pre-remove": Event("before the machine is removed", "keep_cache", asks=True),
    "lease-expiring": Event(
        "`reap` has seen that its lease ends soon, or that nobody uses it; once for each end",
        "why",
        "expires",
        "seconds_left",
        "on_expiry",
        "keep_cache",
    ),
    "pre-reap": Event(
        "before `reap` stops or removes it", "why", "expires", "on_expiry", "keep_cache", asks=True
    ),
    "lease-expired": Event("`reap` has stopped or removed it", "why", "expires", "on_expiry", "keep_cache"),
    "removed": Event("it is gone, with its record", "keep_cache", "left"),
}


def document(store: str, event: str, facts: dict[str, Any]) -> dict[str, Any]:
    """Return what a hook is sent, but for the time. Raises ValueError if `facts` are not those of the event.

    `facts` has `machine`, too: those of MACHINE.
    """
    facts = dict(facts)
    machine = facts.pop("machine", {})
    if set(facts) != set(EVENTS[event].facts) or set(machine) != set(MACHINE):
        raise ValueError(f"not the facts of {event}: {sorted(facts)} of the machine {sorted(machine)}")
    return {"version": VERSION, "event": event, "store": store, "machine": machine, "facts": facts}


def schema() -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12) of what a hook is sent."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "required": ["version", "event", "time", "store", "machine", "facts"],
        "properties": {
            "version": {"const": VERSION},
            "event": {"enum": list(EVENTS)},
            "time": {"type": "string", "format": "date-time"},
            "store": {"type": "string"},
            "machine": {
                "type": "object",
                "required": list(MACHINE),
                "properties": {name: kind for name, (kind, _) in MACHINE.items()},
            },
            "facts": {"type": "object", "properties": {name: kind for name, (kind, _) in FACTS.items()}},
        },
        "allOf": [
            {
                "if": {"properties": {"event": {"const": name}}},
                "then": {"properties": {"facts": {"required": list(event.facts)}}},
            }
            for name, event in EVENTS.items()
        ],
    }
