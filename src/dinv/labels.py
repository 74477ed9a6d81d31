"""Labels: on everything on an endpoint that belongs to a machine, and on machine images."""

from __future__ import annotations

PREFIX = "io.dinv."
"""The prefix of all of dinv's own labels."""

LABEL = "io.dinv.machine"
"""Label with the machine's name, on everything that belongs to it."""
LABEL_ID = "io.dinv.id"
"""Label with the machine's identity: tells machines apart when a name was used again."""
LABEL_ROLE = "io.dinv.role"
"""Label with the role: "machine" on the container, "cache" on the cache volume."""
LABEL_STORE = "io.dinv.store"
"""Label with the identity of the store (`dinv.store.identity`), on volumes."""
LABEL_CLONE_OF = "io.dinv.clone-of"
"""Label with the name of the volume that a volume is a copy of."""
LABEL_PORT = "io.dinv.port"
"""Label with the published port: the API lists no ports of stopped containers."""
LABEL_KEEP = "io.dinv.keep"
"""Label on dinv's own network if it outlives the last machine: it belongs to a local engine."""

LABEL_CACHE = "io.dinv.cache"
"""Label with a registry cache's name, on its container and its volume."""
LABEL_CACHE_ID = "io.dinv.cache.id"
"""Label with the cache's identity."""

LABEL_CONTRACT = "io.dinv.image.contract"
"""Label on a machine image: the name of its image contract."""
LABEL_VERSION = "io.dinv.image.version"
"""Label on a machine image: the version of dinv that built it."""
LABEL_FEATURES = "io.dinv.image.features"
"""Label on a machine image: what it has besides a daemon, comma-separated: "services", "sshd" ..."""
LABEL_CACHE_IMAGE = "io.dinv.image.cache"
"""Label on an image for registry caches."""

CONTEXT_OWNER = LABEL
"""Key in the metadata of a docker context: the identity of the machine that it was written for."""
SHARE = "io.dinv.share"
"""Key in a share's context metadata: what dinv tells whoever imports it."""
