"""`k3s server`: a control plane, and its node."""

from __future__ import annotations

import base64
import ipaddress
import os
import secrets
import threading
import time
from typing import TYPE_CHECKING

from k3s_stand_in.program import answers, api, certificates, kubelet, logs, machine, membership, tokens
from k3s_stand_in.program.cluster import Cluster
from k3s_stand_in.program.logs import fatal

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

    from k3s_stand_in.program.certificates import Authority
    from k3s_stand_in.program.flags import Options

KUBECONFIG = "/etc/rancher/k3s/k3s.yaml"
_STARTING_SECONDS = 1.0


def run(options: Options) -> None:
    """Serve until a signal ends the process. Raises FatalError."""
    _check(options)
    machine.check(options)
    name = machine.node_name(options)
    directory = os.path.join(options["data-dir"], "server")
    logs.info(f"Starting k3s {answers.VERSION} (148243c4)")
    etcd = os.path.join(directory, "db", "etcd")
    membership.bury(options, os.path.join(directory, "db"))
    joining = bool(options["server"]) and not os.path.isdir(membership.write_ahead_log(directory))
    users = membership.bootstrap(options, directory) if joining else {}
    if options["cluster-init"] and not options["server"]:
        os.makedirs(etcd, mode=0o700, exist_ok=True)
    cluster = Cluster(options, name, machine.address(options))
    _users(cluster, users)
    _listen(cluster)
    if options["cluster-reset"]:
        membership.reset(cluster)
        return
    membership.started(cluster)
    cluster.keep_in_step()
    if joining:
        membership.join(cluster)
    elif cluster.etcd and not cluster.state.exported()["members"]:
        cluster.state.set_member(name, cluster.own_url)
        membership.begin(cluster)
    _write_tokens(cluster)
    _write_kubeconfig(cluster)
    logs.info("Waiting for API server to become available")
    time.sleep(_STARTING_SECONDS)
    membership.wait_for_quorum(cluster)
    cluster.ready = True
    logs.info("k3s is up and running")
    _run_controllers(cluster)
    if cluster.etcd:
        threading.Thread(target=membership.announce, args=(cluster,), daemon=True).start()
    membership.watch(cluster)


def _check(options: Options) -> None:
    for name in ("token", "agent-token"):
        if options[f"{name}-file"]:
            options.values[name] = kubelet.read_file(options[f"{name}-file"])
    if options["cluster-init"] and options["server"]:
        logs.warning("cluster-init is ignored: --server is set")
    if options["cluster-reset"] and options["server"]:
        fatal(
            "starting kubernetes: preparing server: cannot perform cluster-reset while server URL is set - "
            "remove server from configuration before resetting"
        )


def _run_controllers(cluster: Cluster) -> None:
    """Run what marks silent nodes, and its own node."""
    options = cluster.options
    grace = options.argument("kube-controller-manager-arg", "node-monitor-grace-period", "40s")
    watching = (cluster.state, _seconds(grace))
    threading.Thread(target=kubelet.watch_over, args=watching, daemon=True).start()
    if options["disable-agent"]:
        return
    roles = ("control-plane", "etcd", "master") if cluster.etcd else ("control-plane", "master")
    url = f"https://127.0.0.1:{options['https-listen-port']}"
    token = tokens.written(cluster.server_ca.pem, "node", cluster.users["node"])
    node = kubelet.Kubelet(options, cluster.name, url, token, roles)
    threading.Thread(target=node.run, daemon=True).start()


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


def _seconds(duration: str) -> float:
    return float(duration[:-1]) * {"s": 1, "m": 60}[duration[-1]]
