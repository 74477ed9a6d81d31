"""Which of the programs an image is: its variable STAND_IN says so."""

from __future__ import annotations

import os
import signal
import sys

from ucp_stand_in import agent, controller, dtr, ucp

PROGRAMS = {
    "ucp": ucp.run,
    "ucp-agent": agent.run,
    "ucp-controller": controller.run,
    "dtr": dtr.run,
    "dtr-nginx": dtr.run,
}

if __name__ == "__main__":
    # As the first process of a container it would not be ended by it otherwise.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    PROGRAMS[os.environ["STAND_IN"]](sys.argv[1:])
