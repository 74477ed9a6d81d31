"""The server under soak: `python -m benchmarks.soak.server DIRECTORY WORLD [DATABASE]`.

All of `dinv serve` but the endpoints: its TLS, its connections, its workers and duties. What it says goes to
its output, its log to its standard error. SIGTERM ends it.
"""

from __future__ import annotations

import os
import sys

from fake_machines import FakeHosts, World

from dinv.server.serving.running import serve
from dinv.server.settings import Settings
from dinv.server.web.log import log_to

STEP_SECONDS = 0.1
"""How long each of a create's nine steps takes."""


def main() -> None:
    """Run it until SIGTERM."""
    directory, path, *database = sys.argv[1:]
    log_to()
    world = World(path)
    world.step_seconds = STEP_SECONDS
    settings = Settings(
        os.path.join(directory, "server"), database="".join(database), listen=("127.0.0.1", 0)
    )
    serve(
        settings,
        store=os.path.join(directory, "store"),
        say=lambda text: print(text, flush=True),
        hosts=FakeHosts(world, "server"),
    )


if __name__ == "__main__":
    main()
