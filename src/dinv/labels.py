"""Labels: on all that belongs to a machine on its endpoint, and on machine images."""

from __future__ import annotations

PREFIX = "io.dinv."
"""All labels that begin so are dinv's own."""

LABEL = "io.dinv.machine"
"""Label with the machine's name, on all that belongs to it."""
LABEL_ID = "io.dinv.id"
"""Label with the machine's identity: what says whose it is when names have been used again."""
LABEL_ROLE = "io.dinv.role"
"""Label: "machine" on the container, "cache" on the cache volume."""
LABEL_PORT = "io.dinv.port"
"""Label with the port that is published: the API lists no ports of stopped containers."""
LABEL_KEEP = "io.dinv.keep"
"""Label on dinv's own network where it stays when the last machine is gone: it belongs to a local engine."""

LABEL_CONTRACT = "io.dinv.image.contract"
"""Label on a machine image: the name of the contract that it keeps."""
LABEL_VERSION = "io.dinv.image.version"
"""Label on a machine image: the version of dinv that has built it."""

CONTEXT_OWNER = LABEL
"""Key in the metadata of a docker context: the identity of the machine that it was written for."""
