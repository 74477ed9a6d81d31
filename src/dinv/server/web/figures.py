"""Figures of what there is, asked of the database when Prometheus asks."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from dinv.server.audit import SERVER
from dinv.server.fleet.service import Fleet
from dinv.server.measures import REGISTRY
from dinv.server.models import Actor, Person
from dinv.server.problems import Unavailable

_ITSELF = Actor(Person("", SERVER, "", "", "operator"), "system")


def text(fleet: Fleet) -> bytes:
    """Return all figures in Prometheus's text format; without those of the database where it is gone."""
    registry = CollectorRegistry()
    up = Gauge("dinv_database_up", "Whether the database answered.", registry=registry)
    machines = Gauge("dinv_machines", "Machines, without removed ones.", ("state",), registry=registry)
    ready = Gauge("dinv_pool_ready", "Machines that wait for somebody.", ("pool",), registry=registry)
    pooled = Gauge("dinv_pool_machines", "Machines of a pool.", ("pool", "state"), registry=registry)
    try:
        for state, count in fleet.counts(_ITSELF).items():
            machines.labels(state).set(count)
        for pool in fleet.pools(_ITSELF):
            ready.labels(pool.template).set(pool.ready)
            for state in ("ready", "creating", "parked", "claimed"):
                pooled.labels(pool.template, state).set(getattr(pool, state))
        up.set(1)
    except Unavailable:
        up.set(0)
    return generate_latest(REGISTRY) + generate_latest(registry)
