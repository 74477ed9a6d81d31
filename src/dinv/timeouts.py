"""Default time limits, in seconds, unless the caller sets one (`--timeout`, `timeout=`)."""

from __future__ import annotations

SERVE_SECONDS = 60.0
"""For a machine's daemon to answer: after a create, a start, an upgrade, or with new certificates."""
STOP_SECONDS = 20.0
"""For a stop: containers in the machine get 10 s (dockerd's own default), then the daemon itself."""
STATE_SECONDS = 10.0
"""For an endpoint to report the state of a machine, and for a call to a machine's own daemon."""
AUTHORITY_SECONDS = 30.0
"""For an authority that is a server or another program to answer one request."""
LOOK_SECONDS = 1.0
"""For a quick look, as by `url` and `env`, which are used in prompts and profiles."""
CHECK_SECONDS = 5.0
"""For a machine's daemon to answer a client that is about to use it: `config`. One that is well may stall for
a second or more, right after its start or with new certificates."""
LIST_SECONDS = 2.0
"""For each endpoint to report the states of its machines: `ls`, `active`."""
LONGEST_SECONDS = 86400.0
"""A day: the longest limit that is accepted."""
