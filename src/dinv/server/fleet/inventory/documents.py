"""A template's YAML, as an operator writes it: read by the reader of dinv.yaml, so just as strict.

    apiVersion: dinv/v1
    kind: Template
    name: docker
    title: A Docker host
    default: true
    ttl: 8h
    longest-ttl: 3d
    options:
      memory: 4g
      cpus: 2
    pool:
      size: 3

`options` are those of `dinv create`, but for what the server decides: name, endpoint and lease.
"""

from __future__ import annotations

from typing import Any

from dinv.declaration import DURATION, Option
from dinv.declared.kinds import Kind
from dinv.declared.option_shapes import CreateOptions, OptionValue
from dinv.declared.reading import Document
from dinv.declared.reading import read as read_declared
from dinv.declared.shapes import Keys, Many, Named, Switch, Text, Whole
from dinv.errors.declared import DeclarationError
from dinv.formats.durations import parse_duration
from dinv.formats.units import parse_size
from dinv.pools.planning import generation
from dinv.server.problems import Invalid
from dinv.store.layout import NAME

_LONGEST_TIME = 3650 * 86400
_MOST_POOLED = 10_000
DECIDED_BY_SERVER = (
    *("endpoint", "endpoint-cert-path", "cache-volume", "ttl", "idle-ttl", "keep-cache-on-expiry"),
    *("context", "keep-on-failure"),
)
"""Options of `create` that no template has."""


def kind() -> Kind:
    """Return the kind of document that a template is."""
    return Kind(
        "Template",
        {
            "name": Text("What people choose it by", pattern=NAME, due="a name", longest=60),
            "title": Text("What the page calls it", longest=200),
            "description": Text("What it is for", longest=4000),
            "default": Switch("Whether it is the one that is preselected"),
            "teams": Many(Text(longest=64), "Who may have it: names of teams; without it, everybody"),
            "endpoint-labels": Named(
                Text(longest=255),
                "What an endpoint's labels have to be for a machine of it to be there",
                pattern=r"[A-Za-z0-9][A-Za-z0-9._/-]*",
                due="a label: letters, digits, dots, slashes, hyphens and underscores",
                longest=128,
            ),
            "ttl": _duration("ttl", "For how long a machine is given; without it, for ever"),
            "longest-ttl": _duration("longest-ttl", "For how long at most, at a time"),
            "idle-ttl": _duration("idle-ttl", "After how long without use a machine is taken away"),
            "options": CreateOptions("The options of create", without=DECIDED_BY_SERVER),
            "pool": Keys(
                {
                    "size": Whole("How many machines are kept ready", most=_MOST_POOLED),
                    "max": Whole("How many there are at most, with those in use; 0: any", most=_MOST_POOLED),
                    "paused": Switch(
                        "Whether nothing is made for it, replaced or removed; requests go on taking from it"
                    ),
                },
                "Machines that are kept ready for whoever asks next",
            ),
        },
        text="A kind of machine that people may press the button for",
    )


def _duration(name: str, text: str) -> OptionValue:
    return OptionValue(Option(name, "", text, type=DURATION, bounds=(60, _LONGEST_TIME)))


def read(text: str) -> dict[str, Any]:
    """Return a template's columns. Raises Invalid with all that is wrong, each with its line."""
    try:
        # No variables: what the server's environment has is not for templates, which people can read.
        return _columns(read_declared(text, kinds=[kind()], variables=None), text)
    except DeclarationError as error:
        raise Invalid(f"The template cannot be used.\n{error}", errors=_errors(error)) from error


def _errors(error: DeclarationError) -> list[dict[str, Any]]:
    return [
        {"pointer": "/document", "detail": str(problem), "line": problem.line, "column": problem.column}
        for problem in error.problems
    ]


def _columns(document: Document, text: str) -> dict[str, Any]:
    values = document.values
    given = values.get("options") or {}
    options = {name.replace("-", "_"): value for name, value in given.items()}
    labels = values.get("endpoint-labels") or {}
    pool = values.get("pool") or {}
    times = {name: _seconds(values, name) for name in ("ttl", "longest-ttl", "idle-ttl")}
    problems = []
    if times["longest-ttl"] and times["ttl"] > times["longest-ttl"]:
        problems.append(document.problem("ttl", "is longer than longest-ttl"))
    if pool.get("max") and pool.get("size", 0) > pool["max"]:
        problems.append(document.problem("pool.size", f"is more than pool.max, {pool['max']}"))
    if problems:
        raise DeclarationError(problems)
    return {
        "name": document.name,
        "title": values.get("title") or document.name,
        "description": values.get("description") or "",
        "document": text,
        "options": options,
        "generation": generation({**options, "endpoint_labels": labels}),
        "ttl": times["ttl"],
        "longest_ttl": times["longest-ttl"],
        "idle_ttl": times["idle-ttl"],
        "cpus": float(given.get("cpus") or 0.0),
        "memory": _bytes(given.get("memory")),
        "cache": _bytes(given.get("cache-size")),
        "endpoint_labels": labels,
        "teams": sorted(set(values.get("teams") or ())),
        "is_default": bool(values.get("default")),
        "pool_size": pool.get("size", 0),
        "pool_max": pool.get("max", 0),
        "pool_paused": bool(pool.get("paused")),
    }


def _seconds(values: dict[str, Any], name: str) -> int:
    given = values.get(name)
    return parse_duration(str(given)) if given else 0


def _bytes(given: str | int | None) -> int:
    return given if isinstance(given, int) else parse_size(given or "0")
