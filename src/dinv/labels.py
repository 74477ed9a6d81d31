"""Labels on all that belongs to a machine on its endpoint."""

from __future__ import annotations

LABEL = "io.dinv.machine"
"""Label with the machine's name, on all that belongs to it."""
LABEL_ID = "io.dinv.id"
"""Label with the machine's identity: what says whose it is when names have been used again."""
LABEL_ROLE = "io.dinv.role"
"""Label: "machine" on the container, "cache" on the cache volume."""
LABEL_PORT = "io.dinv.port"
"""Label with the port that is published: the API lists no ports of stopped containers."""
