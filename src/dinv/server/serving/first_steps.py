"""What a server with an empty database begins with: this computer's engine, and a template that works."""

from __future__ import annotations

import os

from dinv.drivers.machine_urls import machine_urls
from dinv.endpoints.resolve import resolve
from dinv.errors import DinvError
from dinv.server.audit import SERVER
from dinv.server.fleet.service import Fleet
from dinv.server.models import Actor, Person
from dinv.store.store import Store

TEMPLATE = """\
apiVersion: dinv/v1
kind: Template
name: docker
title: A Docker host
description: A Docker daemon of your own, with its own images, networks and volumes.
default: true
ttl: 8h
longest-ttl: 7d
"""
ENDPOINT = "local"
_ITSELF = Actor(Person("", SERVER, "", "", "operator"), "system")


def take(fleet: Fleet, store: Store) -> list[str]:
    """Add what is missing where there is nothing at all; return sentences for whoever started the server.

    `store` is the user's, by which this computer's engine is found as `dinv create` finds it.
    """
    said = []
    if not fleet.endpoints(_ITSELF):
        said.append(_add_engine(fleet, store))
    if not fleet.templates(_ITSELF):
        fleet.put_template(_ITSELF, TEMPLATE)
    return said


def _add_engine(fleet: Fleet, store: Store) -> str:
    # In a container the engine's 127.0.0.1, which machines are published on there by default, is elsewhere.
    published: dict[str, object] = {"publish": where} if (where := os.environ.get("DINV_PUBLISH")) else {}
    if named := os.environ.get("DINV_ENDPOINT"):
        options: dict[str, object] = {"endpoint": named, **published}
        if certificates := os.environ.get("DINV_ENDPOINT_CERT_PATH"):
            options["endpoint_cert_path"] = certificates
        fleet.put_endpoint(_ITSELF, ENDPOINT, options=options)
        return f"Machines are made on {named}, as the variable DINV_ENDPOINT says."
    try:
        found = resolve(None, store, machine_urls=machine_urls)
    except DinvError:
        found = None
    if found is None or not found.url.startswith("unix://"):
        return (
            "No Docker engine was found on this computer. Add an endpoint on the page, under Operators; "
            "until then nobody can have a machine."
        )
    fleet.put_endpoint(_ITSELF, ENDPOINT, options={"endpoint": found.url, **published})
    return f"Machines are made on this computer's engine, {found.url}."
