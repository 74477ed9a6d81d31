"""`k3s server`: a control plane, and its node."""

from __future__ import annotations

import base64
import http.client
import ipaddress
import json
import os
import secrets
import shutil
import threading
import time
from typing import TYPE_CHECKING

from k3s_stand_in.program import api, certificates, client, kubelet, logs, machine, tokens
from k3s_stand_in.program.cluster import Cluster
from k3s_stand_in.program.logs import fatal

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

    from k3s_stand_in.program.certificates import Authority
    from k3s_stand_in.program.flags import Options

KUBECONFIG = "/etc/rancher/k3s/k3s.yaml"
TOMBSTONE = "tombstone"
_STARTING_SECONDS = 1.0
_ERRORS = (client.Refused, OSError, http.client.HTTPException)


def run(options: Options) -> None:
    """Serve until a signal ends the process. Raises FatalError."""
    for name in ("token", "agent-token"):
        if options[f"{name}-file"]:
            options.values[name] = kubelet.read_file(options[f"{name}-file"])
    if options["cluster-init"] and options["server"]:
        logs.warning("cluster-init is ignored: --server is set")
    machine.check(options)
    name, address = machine.node_name(options), machine.address(options)
    directory = os.path.join(options["data-dir"], "server")
    logs.info(f"Starting k3s {_version()}")
    etcd = os.path.join(directory, "db", "etcd")
    _bury(options, os.path.join(directory, "db"))
    joining = bool(options["server"]) and not os.path.isdir(etcd)
    users = _bootstrap(options, directory) if joining else {}
    if options["cluster-init"] and not options["server"]:
        os.makedirs(etcd, mode=0o700, exist_ok=True)
    cluster = Cluster(options, name, address)
    _users(cluster, users)
    _listen(cluster)
    cluster.keep_in_step()
    if joining:
        _join(cluster)
    elif cluster.etcd and not cluster.state.exported()["members"]:
        cluster.state.set_member(name, cluster.own_url)
    _write_tokens(cluster)
    _write_kubeconfig(cluster)
    logs.info("Waiting for API server to become available")
    time.sleep(_STARTING_SECONDS)
    _wait_for_quorum(cluster)
    cluster.ready = True
    logs.info("k3s is up and running")
    grace = options.argument("kube-controller-manager-arg", "node-monitor-grace-period", "40s")
    watcher = threading.Thread(target=kubelet.watch_over, args=(cluster.state, _seconds(grace)), daemon=True)
    watcher.start()
    if not options["disable-agent"]:
        roles = ("control-plane", "etcd", "master") if cluster.etcd else ("control-plane", "master")
        url = f"https://127.0.0.1:{options['https-listen-port']}"
        token = tokens.written(cluster.server_ca.pem, "node", cluster.users["node"])
        node = kubelet.Kubelet(options, name, url, token, roles)
        threading.Thread(target=node.run, daemon=True).start()
    while True:
        time.sleep(0.3)
        if cluster.removed() and not os.path.exists(os.path.join(etcd, TOMBSTONE)):
            certificates.write(os.path.join(etcd, TOMBSTONE), b"")
            logs.info("this node has been removed from the cluster please restart k3s to rejoin the cluster")


def _bury(options: Options, database: str) -> None:
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


def _bootstrap(options: Options, directory: str) -> dict[str, str]:
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


def _join(cluster: Cluster) -> None:
    """Become a member of etcd. Raises FatalError."""
    server = client.Server(cluster.options["server"], ca=cluster.server_ca.pem)
    member = {"name": cluster.name, "url": cluster.own_url, "critical": cluster.critical()}
    basic = ("server", cluster.users["server"])
    try:
        body = server.call("/v1-k3s/stand-in-join", method="POST", body=member, basic=basic)
    except client.Refused as refused:
        message = json.loads(refused.body or b"{}").get("message", "")
        fatal(f"starting kubernetes: preparing server: failed to join etcd: {message or refused}")
    except (OSError, http.client.HTTPException) as error:
        fatal(f"starting kubernetes: preparing server: failed to join etcd: {error}")
    cluster.state.adopt(json.loads(body))


def _users(cluster: Cluster, users: dict[str, str]) -> None:
    """Keep who may join, by which secret, in cred/passwd (k3s: pkg/daemons/control/deps, genUsers)."""
    path = os.path.join(cluster.directory, "cred", "passwd")
    if not users and os.path.exists(path):
        with open(path, encoding="utf-8") as stream:
            users = {line.split(",")[1]: line.split(",")[0] for line in stream.read().splitlines()}
    given = tokens.parsed(cluster.options["token"]).secret if cluster.options["token"] else ""
    if given and users.get("server") not in (None, given):
        fatal(
            "starting kubernetes: preparing server: bootstrap data already found and encrypted with "
            "different token"
        )
    secret = users.get("server") or given or secrets.token_hex(16)
    cluster.users = {"server": secret, "node": cluster.options["agent-token"] or users.get("node") or secret}
    lines = [f"{secret},{user},{user},k3s:{user}\n" for user, secret in cluster.users.items()]
    certificates.write(path, "".join(lines).encode())


def _listen(cluster: Cluster) -> None:
    options = cluster.options
    port = options["https-listen-port"]
    key_file = os.path.join(cluster.tls, "serving-kube-apiserver.key")
    certificate_file = os.path.join(cluster.tls, "serving-kube-apiserver.crt")
    service = ipaddress.ip_network((options["service-cidr"] or ["10.43.0.0/16"])[0])[1]
    names = [
        *options["tls-san"],
        "127.0.0.1",
        "::1",
        "localhost",
        cluster.name,
        cluster.address,
        str(service),
    ]
    if options["advertise-address"]:
        names.append(options["advertise-address"])
    names += ["kubernetes", "kubernetes.default", "kubernetes.default.svc"]
    names.append(f"kubernetes.default.svc.{options['cluster-domain']}")
    key = certificates.kept_key(key_file)
    pem = cluster.server_ca.server("k3s", names, key.public_key())
    certificates.write(certificate_file, pem)
    context = api.context(cluster, certificate_file, key_file)
    try:
        listener = api.Listener(options["bind-address"] or "0.0.0.0", port, cluster, context)  # noqa: S104
    except OSError as error:
        fatal(f"listen tcp :{port}: bind: {(error.strerror or '').lower()}")
    # The API server behind k3s's own port, and the kubelet.
    _reserved.append(api.reserve("127.0.0.1", port + 1))
    if not options["disable-agent"]:
        _reserved.append(api.reserve("127.0.0.1", int(options.argument("kubelet-arg", "port", "10250"))))
    api.serve(listener)


_reserved: list[object] = []


def _write_tokens(cluster: Cluster) -> None:
    token = os.path.join(cluster.directory, "token")
    text = tokens.written(cluster.server_ca.pem, "server", cluster.users["server"])
    certificates.write(token, text.encode() + b"\n")
    logs.info(f"Server node token is available at {token}")
    agent = os.path.join(cluster.directory, "agent-token")
    text = tokens.written(cluster.server_ca.pem, "node", cluster.users["node"])
    if cluster.options["agent-token"]:
        certificates.write(agent, text.encode() + b"\n")
    else:
        _link("token", agent)
    _link("token", os.path.join(cluster.directory, "node-token"))
    logs.info(f"Agent node token is available at {agent}")


def _link(target: str, path: str) -> None:
    if os.path.lexists(path):
        os.remove(path)
    os.symlink(os.path.join(os.path.dirname(path), target), path)


def _write_kubeconfig(cluster: Cluster) -> None:
    """Write the administrator's kubeconfig (k3s: pkg/clientaccess/kubeconfig.go)."""
    options = cluster.options
    key = certificates.kept_key(os.path.join(cluster.tls, "client-admin.key"))
    certificate = _admin(cluster.client_ca, cluster.tls, key)
    data = {
        name: base64.b64encode(content).decode()
        for name, content in (
            ("ca", cluster.server_ca.pem),
            ("certificate", certificate),
            ("key", certificates.key_pem(key)),
        )
    }
    text = f"""apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: {data["ca"]}
    server: https://{options["bind-address"] or "127.0.0.1"}:{options["https-listen-port"]}
  name: default
contexts:
- context:
    cluster: default
    user: default
  name: default
current-context: default
kind: Config
preferences: {{}}
users:
- name: default
  user:
    client-certificate-data: {data["certificate"]}
    client-key-data: {data["key"]}
"""
    path = options["write-kubeconfig"] or KUBECONFIG
    mode = int(options["write-kubeconfig-mode"] or "600", 8)
    certificates.write(path, text.encode(), mode)
    if path != KUBECONFIG:
        os.makedirs(os.path.dirname(KUBECONFIG), exist_ok=True)
        if os.path.lexists(KUBECONFIG):
            os.remove(KUBECONFIG)
        os.symlink(path, KUBECONFIG)
    logs.info(f"Wrote kubeconfig {path}")


def _admin(authority: Authority, directory: str, key: EllipticCurvePrivateKey) -> bytes:
    path = os.path.join(directory, "client-admin.crt")
    if not os.path.exists(path):
        certificates.write(path, authority.client("system:admin", (api.MASTERS,), key.public_key()))
    with open(path, "rb") as stream:
        return stream.read()


def _wait_for_quorum(cluster: Cluster) -> None:
    said = False
    while not cluster.quorate():
        if not said:
            logs.info("Waiting for etcd server to become available")
            said = True
        time.sleep(0.3)


def _seconds(duration: str) -> float:
    return float(duration[:-1]) * {"s": 1, "m": 60}[duration[-1]]


def _version() -> str:
    from k3s_stand_in.program.answers import VERSION

    return f"{VERSION} (148243c4)"
