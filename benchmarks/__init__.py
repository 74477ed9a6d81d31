"""Measurements of dinv against the figures it holds itself to: `python -m benchmarks`, docs/benchmarks.md.

__main__    the one command: what is measured, in which order
session     an own store and own machines on the endpoint, and nothing left of them
process     one run of a program: time, CPU, peak memory
floor       create by bare API calls, which `dinv create` is measured against
creation    `dinv create` and the floor in turn
commands    what runs in shell profiles and prompts
listing     `ls` with 1, 10 and 50 machines, and with an endpoint that never answers
crowd       `ls` with 1000 machines that are up, and with 1 to 1000 that refuse
memory      an idle machine, and the client
report      the figures, and the table
host        what it was measured on
running     what a process that runs uses
server_claims, server_web, server_reconcile, scale, soak
            `dinv serve`, each a command of its own; they have the tests' helpers (`tests/support`)
"""

from __future__ import annotations

import os
import sys

_HELPERS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "tests", "support")
if _HELPERS not in sys.path:
    sys.path.insert(0, _HELPERS)
