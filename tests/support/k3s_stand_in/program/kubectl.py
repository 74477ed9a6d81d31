"""`k3s kubectl`, as much of it as a test may need inside a machine; outside, it is the real one."""

from __future__ import annotations

import base64
import http.client
import os
import sys
import tempfile

import yaml

from k3s_stand_in.program import client, logs
from k3s_stand_in.program.server import KUBECONFIG


def run(arguments: list[str]) -> int:
    """Run `get --raw PATH`. Raises FatalError for anything else."""
    if arguments[:2] != ["get", "--raw"] or len(arguments) != 3:
        logs.fatal("the stand-in's kubectl only has: get --raw PATH")
    try:
        with open(os.environ.get("KUBECONFIG") or KUBECONFIG, encoding="utf-8") as stream:
            config = yaml.safe_load(stream)
    except OSError as error:
        logs.fatal(f"error: {error}")
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    with tempfile.NamedTemporaryFile() as identity:
        for key in ("client-certificate-data", "client-key-data"):
            identity.write(base64.b64decode(user[key]))
        identity.flush()
        ca = base64.b64decode(cluster["certificate-authority-data"])
        server = client.Server(cluster["server"], ca=ca, identity=(identity.name, identity.name))
        try:
            sys.stdout.write(server.call(arguments[2]).decode())
        except client.Refused as refused:
            sys.stderr.write(f"Error from server: {refused.body.decode()}\n")
            return 1
        except (OSError, http.client.HTTPException) as error:
            sys.stderr.write(f"The connection to the server was refused: {error}\n")
            return 1
    return 0
