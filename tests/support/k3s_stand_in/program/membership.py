"""A server's part in etcd: joining, being taken out, and a cluster made anew from one."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import secrets
import shutil
import time
from typing import TYPE_CHECKING

from k3s_stand_in.program import certificates, client, logs, tokens
from k3s_stand_in.program.logs import fatal
from k3s_stand_in.program.state import ADDRESS, MEMBER

if TYPE_CHECKING:
    from k3s_stand_in.program.cluster import Cluster
    from k3s_stand_in.program.flags import Options

TOMBSTONE = "tombstone"
TOO_MANY_LEARNERS = "etcdserver: too many learner members in cluster"
UNHEALTHY = "etcdserver: unhealthy cluster"
_RESET_SECONDS = 1.0
_AGAIN_SECONDS = 1.0
_ANNOUNCE_SECONDS = 0.3
_ERRORS = (client.Refused, OSError, http.client.HTTPException)
_PREPARING = "starting kubernetes: preparing server:"


def reset(cluster: Cluster) -> None:
    """Make it the only member of etcd, and end (k3s: pkg/cluster/managed.go). Raises FatalError."""
    flag = _flag(cluster)
    if os.path.exists(flag):
        fatal(
            "starting kubernetes: preparing server: start managed database: Managed etcd cluster membership "
            "was previously reset, please remove the cluster-reset flag and start k3s normally. If you need "
            f"to perform another cluster reset, you must first manually delete the file at {flag}"
        )
    if not cluster.etcd:
        fatal("starting kubernetes: preparing server: start managed database: etcd is not its database")
    cluster.state.reset(cluster.name, cluster.own_url)
    certificates.write(flag, b"")
    time.sleep(_RESET_SECONDS)
    logs.info(
        "Managed etcd cluster membership has been reset, restart without --cluster-reset flag now. Backup "
        "and delete ${datadir}/server/db on each peer etcd server and rejoin the nodes"
    )


def bury(options: Options, database: str) -> None:
    """Begin anew where it was taken out of etcd (k3s: pkg/etcd/etcd.go, Register). Raises FatalError."""
    if not os.path.exists(os.path.join(database, "etcd", TOMBSTONE)):
        return
    if not options["server"]:
        fatal(
            "starting kubernetes: preparing server: tombstone file has been detected but --server is empty: "
            "backup and delete ${datadir}/server/db to create a new cluster, or set --server to rejoin"
        )
    logs.info("tombstone file has been detected, removing data dir to rejoin the cluster")
    shutil.rmtree(database)


def bootstrap(options: Options, directory: str) -> dict[str, str]:
    """Fetch another server's CAs and users (k3s: pkg/cluster/bootstrap.go). Raises FatalError."""
    if not options["token"]:
        fatal("starting kubernetes: preparing server: K3S_TOKEN is required to join a cluster")
    url, token = options["server"], tokens.parsed(options["token"])
    if token.user not in ("", "server"):
        fatal(f"starting kubernetes: preparing server: invalid token format for user {token.user}")
    try:
        ca = client.Server(url).call("/cacerts")
        tokens.check_ca(token, ca)
        server = client.Server(url, ca=ca)
        found = json.loads(server.call("/v1-k3s/server-bootstrap", basic=("server", token.secret)))
    except (*_ERRORS, logs.FatalError) as error:
        fatal(f"starting kubernetes: preparing server: bootstrap: {error}")
    for name, text in found["files"].items():
        certificates.write(os.path.join(directory, "tls", name), text.encode())
    state = os.path.join(directory, "db", "stand-in.json")
    certificates.write(state, json.dumps(found["state"]).encode())
    os.makedirs(os.path.join(directory, "db", "etcd"), mode=0o700, exist_ok=True)
    users: dict[str, str] = found["users"]
    return users


def join(cluster: Cluster) -> None:
    """Become a member of etcd that does not vote yet (k3s: pkg/etcd/etcd.go, join). Raises FatalError."""
    while why := _join(cluster):
        logs.info(f"Waiting for other members to finish joining etcd cluster: {why}")
        time.sleep(_AGAIN_SECONDS)
    begin(cluster)


def begin(cluster: Cluster) -> None:
    """Have a log of etcd's, by which it is known at the next start that it was a member."""
    os.makedirs(write_ahead_log(cluster.directory), mode=0o700, exist_ok=True)


def write_ahead_log(directory: str) -> str:
    """Return the directory of etcd's log, which is there once etcd has run (IsInitialized)."""
    return os.path.join(directory, "db", "etcd", "member", "wal")


def _join(cluster: Cluster) -> str:
    """Return why it has to try again; "" if it is a member. Raises FatalError."""
    server = client.Server(cluster.options["server"], ca=cluster.server_ca.pem)
    member = {"name": cluster.name, "url": cluster.own_url, "critical": cluster.critical()}
    basic = ("server", cluster.users["server"])
    try:
        body = server.call("/v1-k3s/stand-in-join", method="POST", body=member, basic=basic)
    except client.Refused as refused:
        message = json.loads(refused.body or b"{}").get("message", "")
        if message in (TOO_MANY_LEARNERS, UNHEALTHY):
            return str(message)
        fatal(f"starting kubernetes: preparing server: failed to join etcd: {message or refused}")
    except (OSError, http.client.HTTPException) as error:
        fatal(f"starting kubernetes: preparing server: failed to join etcd: {error}")
    cluster.state.adopt(json.loads(body), joining=True)
    return ""


def wait_for_quorum(cluster: Cluster) -> None:
    """Wait until etcd answers on this server, and it votes (k3s: pkg/etcd/etcd.go, Test)."""
    said = ""
    while cluster.no_quorum():
        learning = "this server has not yet been promoted from learner to voting member"
        why = learning if cluster.learning() else "Waiting for etcd server to become available"
        if why != said:
            logs.info(why if why != learning else f"Failed to test data store connection: {learning}")
            said = why
        time.sleep(0.3)


def announce(cluster: Cluster) -> None:
    """Write into its node which member of etcd it is (pkg/etcd/metadata_controller.go). Never returns."""
    annotations = {MEMBER: _member_name(cluster), ADDRESS: cluster.address}
    path = f"/api/v1/nodes/{cluster.name}"
    merge = {"Content-Type": "application/merge-patch+json"}
    while True:
        node = cluster.state.node(cluster.name)
        said = ((node or {}).get("metadata", {}).get("annotations") or {}).items()
        if node is not None and not cluster.removed() and not annotations.items() <= said:
            with contextlib.suppress(*_ERRORS):
                body = {"metadata": {"annotations": annotations}}
                cluster.peer(cluster.own_url).call(path, method="PATCH", body=body, headers=merge)
        time.sleep(_ANNOUNCE_SECONDS)


def _member_name(cluster: Cluster) -> str:
    """Return its name in etcd, which is another one in each cluster that it joins (setName)."""
    path = os.path.join(cluster.directory, "db", "etcd", "name")
    if not os.path.exists(path):
        certificates.write(path, f"{cluster.name}-{secrets.token_hex(4)}".encode())
    with open(path, encoding="ascii") as stream:
        return stream.read()


def started(cluster: Cluster) -> None:
    """Have another reset allowed: it starts as usual."""
    if os.path.exists(_flag(cluster)):
        os.remove(_flag(cluster))


def watch(cluster: Cluster) -> None:
    """Note, and say, that it was taken out of etcd; k3s runs on then. Never returns."""
    tombstone = os.path.join(cluster.directory, "db", "etcd", TOMBSTONE)
    while True:
        time.sleep(0.3)
        if cluster.removed() and not os.path.exists(tombstone):
            certificates.write(tombstone, b"")
            logs.info("this node has been removed from the cluster please restart k3s to rejoin the cluster")


def _flag(cluster: Cluster) -> str:
    return os.path.join(cluster.directory, "db", "reset-flag")
