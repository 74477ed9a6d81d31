"""What the server counts and times, for Prometheus. No names of people or machines are labels."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry()
_QUICK = (0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.3, 0.5, 1, 2.5, 5, 10, 30)
_SLOW = (0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600)

REQUEST_SECONDS = Histogram(
    "dinv_http_request_seconds",
    "From a request's first byte to the last of its answer.",
    ("method", "route", "status"),
    buckets=_QUICK,
    registry=REGISTRY,
)
SIGN_INS = Counter("dinv_sign_ins_total", "Attempts to sign in.", ("way", "result"), registry=REGISTRY)
CLAIM_SECONDS = Histogram(
    "dinv_claim_seconds",
    "From the request to a machine that is ready, from a pool.",
    buckets=_QUICK,
    registry=REGISTRY,
)
CREATE_SECONDS = Histogram(
    "dinv_create_seconds",
    "Creating a machine on its endpoint.",
    buckets=_SLOW,
    registry=REGISTRY,
)
OPERATIONS = Counter(
    "dinv_operations_total",
    "Operations that ended.",
    ("kind", "result"),
    registry=REGISTRY,
)
RECONCILE_SECONDS = Histogram(
    "dinv_reconcile_seconds", "A pass of the reconciler.", buckets=_SLOW, registry=REGISTRY
)
RECONCILE_ERRORS = Counter(
    "dinv_reconcile_errors", "Passes of the reconciler that failed.", registry=REGISTRY
)
CERTIFICATE_EXPIRY = Gauge(
    "dinv_certificate_expiry_timestamp_seconds",
    "When a certificate of the server's own ends, in seconds since 1970.",
    ("certificate",),
    registry=REGISTRY,
)
