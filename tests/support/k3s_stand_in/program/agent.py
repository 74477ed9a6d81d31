"""`k3s agent`: a node of a cluster that another machine serves (k3s-io/k3s: pkg/cli/agent/agent.go)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from k3s_stand_in.program import answers, api, kubelet, logs, machine
from k3s_stand_in.program.logs import fatal

if TYPE_CHECKING:
    from k3s_stand_in.program.flags import Options


def run(options: Options) -> None:
    """Be a node until a signal ends the process. Raises FatalError."""
    if options["token-file"]:
        options.values["token"] = kubelet.read_file(options["token-file"])
    known = os.path.exists(os.path.join(options["data-dir"], "agent", "client-kubelet.crt"))
    if not options["token"] and not known:
        fatal("--token is required")
    if not options["server"]:
        fatal("--server is required")
    machine.check(options)
    logs.info(f"Starting k3s agent {answers.VERSION} (148243c4)")
    # The load balancer that kubelet and kube-proxy reach the servers by, and the kubelet.
    taken = [
        api.reserve("127.0.0.1", options["lb-server-port"]),
        api.reserve("127.0.0.1", int(options.argument("kubelet-arg", "port", "10250"))),
    ]
    node = kubelet.Kubelet(options, machine.node_name(options), options["server"], options["token"], ())
    logs.info(f"Running load balancer k3s-agent-load-balancer -> [{options['server']}] [{len(taken)}]")
    node.run()
