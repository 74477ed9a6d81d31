"""How long things may take, in seconds, unless the caller says otherwise (`--timeout`, `timeout=`)."""

from __future__ import annotations

SERVE_SECONDS = 60.0
"""For a machine's daemon to answer: after a create, a start, an upgrade, with new certificates."""
STOP_SECONDS = 20.0
"""Containers in the machine get 10 s to end (dockerd's own default), then the daemon itself."""
STATE_SECONDS = 10.0
"""For an endpoint to tell the state of a machine, and for a call of a machine's own daemon."""
LOOK_SECONDS = 1.0
"""For a look in passing, such as that of `url` and `env`, which stand in prompts and profiles."""
LIST_SECONDS = 2.0
"""For each endpoint to tell the states of its machines: `ls`, `active`."""
LONGEST_SECONDS = 86400.0
"""A day: what is asked to wait for longer would be waited for in vain."""
