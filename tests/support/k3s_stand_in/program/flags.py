"""The flags of `k3s server` and `k3s agent`, their variables and the configuration file.

The names are those of k3s-io/k3s: pkg/cli/cmds/server.go, agent.go and config.go. What the stand-in does not
act on is still only taken under its real name. The file follows pkg/configfilearg/parser.go, but for one
thing: k3s warns of a key that it does not know and goes on ("Unknown flag ... found in config.yaml,
skipping"), so that a setting that somebody believes in has no effect. Here it is fatal.
"""

from __future__ import annotations

import os
from typing import Any

import yaml

from k3s_stand_in.program.logs import fatal

CONFIG_FILE = "/etc/rancher/k3s/config.yaml"

_SHARED = {
    "config": "text",
    "debug": "bool",
    "v": "text",
    "vmodule": "text",
    "log": "text",
    "alsologtostderr": "bool",
    "token": "text",
    "token-file": "text",
    "server": "text",
    "data-dir": "text",
    "node-name": "text",
    "with-node-id": "bool",
    "node-label": "list",
    "node-taint": "list",
    "image-credential-provider-bin-dir": "text",
    "image-credential-provider-config": "text",
    "docker": "bool",
    "container-runtime-endpoint": "text",
    "default-runtime": "text",
    "image-service-endpoint": "text",
    "disable-default-registry-endpoint": "bool",
    "nonroot-devices": "bool",
    "pause-image": "text",
    "snapshotter": "text",
    "private-registry": "text",
    "airgap-extra-registry": "list",
    "node-ip": "list",
    "bind-address": "text",
    "node-external-ip": "list",
    "node-internal-dns": "list",
    "node-external-dns": "list",
    "resolv-conf": "text",
    "flannel-iface": "text",
    "flannel-conf": "text",
    "flannel-cni-conf": "text",
    "vpn-auth": "text",
    "vpn-auth-file": "text",
    "kubelet-arg": "list",
    "kube-proxy-arg": "list",
    "protect-kernel-defaults": "bool",
    "enable-pprof": "bool",
    "rootless": "bool",
    "prefer-bundled-bin": "bool",
    "selinux": "bool",
    "lb-server-port": "number",
    "disable-apiserver-lb": "bool",
}
_SERVER = {
    "https-listen-port": "number",
    "advertise-address": "text",
    "advertise-port": "number",
    "tls-san": "list",
    "tls-san-security": "bool",
    "cluster-cidr": "list",
    "service-cidr": "list",
    "service-node-port-range": "text",
    "cluster-dns": "list",
    "cluster-domain": "text",
    "flannel-backend": "text",
    "flannel-ipv6-masq": "bool",
    "flannel-external-ip": "bool",
    "egress-selector-mode": "text",
    "servicelb-namespace": "text",
    "write-kubeconfig": "text",
    "write-kubeconfig-mode": "text",
    "write-kubeconfig-group": "text",
    "helm-job-image": "text",
    "agent-token": "text",
    "agent-token-file": "text",
    "cluster-init": "bool",
    "cluster-reset": "bool",
    "cluster-reset-restore-path": "text",
    "kube-apiserver-arg": "list",
    "etcd-arg": "list",
    "kube-controller-manager-arg": "list",
    "kube-scheduler-arg": "list",
    "kube-cloud-controller-manager-arg": "list",
    "kine-tls": "bool",
    "datastore-endpoint": "text",
    "datastore-cafile": "text",
    "datastore-certfile": "text",
    "datastore-keyfile": "text",
    "etcd-expose-metrics": "bool",
    "etcd-disable-snapshots": "bool",
    "etcd-snapshot-name": "text",
    "etcd-snapshot-schedule-cron": "text",
    "etcd-snapshot-retention": "number",
    "etcd-snapshot-dir": "text",
    "etcd-snapshot-compress": "bool",
    "default-local-storage-path": "text",
    "disable": "list",
    "disable-scheduler": "bool",
    "disable-cloud-controller": "bool",
    "disable-kube-proxy": "bool",
    "disable-network-policy": "bool",
    "disable-helm-controller": "bool",
    "disable-apiserver": "bool",
    "disable-controller-manager": "bool",
    "disable-etcd": "bool",
    "disable-agent": "bool",
    "embedded-registry": "bool",
    "supervisor-metrics": "bool",
    "secrets-encryption": "bool",
    "system-default-registry": "text",
}
KINDS = {"server": {**_SHARED, **_SERVER}, "agent": _SHARED}
_SHORT = {
    "c": "config",
    "t": "token",
    "s": "server",
    "d": "data-dir",
    "i": "node-ip",
    "o": "write-kubeconfig",
}
_VARIABLES = {
    "token": "K3S_TOKEN",
    "token-file": "K3S_TOKEN_FILE",
    "agent-token": "K3S_AGENT_TOKEN",
    "agent-token-file": "K3S_AGENT_TOKEN_FILE",
    "server": "K3S_URL",
    "cluster-init": "K3S_CLUSTER_INIT",
    "cluster-reset": "K3S_CLUSTER_RESET",
    "write-kubeconfig": "K3S_KUBECONFIG_OUTPUT",
    "write-kubeconfig-mode": "K3S_KUBECONFIG_MODE",
    "write-kubeconfig-group": "K3S_KUBECONFIG_GROUP",
    "node-name": "K3S_NODE_NAME",
    "data-dir": "K3S_DATA_DIR",
    "debug": "K3S_DEBUG",
    "selinux": "K3S_SELINUX",
    "resolv-conf": "K3S_RESOLV_CONF",
    "lb-server-port": "K3S_LB_SERVER_PORT",
    "datastore-endpoint": "K3S_DATASTORE_ENDPOINT",
    "system-default-registry": "K3S_SYSTEM_DEFAULT_REGISTRY",
}
_DEFAULTS: dict[str, Any] = {
    "data-dir": "/var/lib/rancher/k3s",
    "https-listen-port": 6443,
    "lb-server-port": 6444,
    "snapshotter": "overlayfs",
    "flannel-backend": "vxlan",
    "cluster-domain": "cluster.local",
    "tls-san-security": True,
    "egress-selector-mode": "agent",
}
DISABLE_ITEMS = ("coredns", "servicelb", "traefik", "local-storage", "metrics-server", "runtimes")
"""pkg/cli/cmds/stage.go."""


class Options:
    """The values of the flags: `options["tls-san"]` is a list, an absent one "", 0, False or []."""

    def __init__(self, command: str) -> None:
        self.kinds = KINDS[command]
        self.values: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name in self.values:
            return self.values[name]
        empty = {"text": "", "number": 0, "bool": False, "list": []}[KINDS["server"][name]]
        return _DEFAULTS.get(name, empty)

    def put(self, name: str, text: str) -> None:
        kind = self.kinds[name]
        if kind == "list":
            self.values.setdefault(name, []).extend(part for part in text.split(",") if part)
        elif kind == "bool":
            if text.lower() not in ("true", "false", "1", "0", "t", "f"):
                fatal(f'invalid boolean value "{text}" for -{name}: parse error')
            self.values[name] = text.lower() in ("true", "1", "t")
        elif kind == "number":
            if not text.isdecimal():
                fatal(f'invalid value "{text}" for flag -{name}: parse error')
            self.values[name] = int(text)
        else:
            self.values[name] = text

    def argument(self, name: str, argument: str, default: str = "") -> str:
        """Return what a component is given: `argument("kubelet-arg", "feature-gates")`."""
        found = default
        for pair in self[name]:
            key, _, value = pair.partition("=")
            if key.lstrip("-") == argument:
                found = value
        return found

    def gate(self, gate: str) -> bool:
        """Return whether the kubelet has a feature gate, such as KubeletInUserNamespace.

        pkg/configfilearg splits lists at commas too, so that gates after the first come without a name.
        """
        return f"{gate}=true" in ",".join(self["kubelet-arg"]).replace("feature-gates=", "")


def read(command: str, arguments: list[str]) -> Options:
    """Return the options of a command line, its variables and its configuration file. Raises FatalError."""
    options = Options(command)
    for name, variable in _VARIABLES.items():
        if name in options.kinds and os.environ.get(variable):
            options.put(name, os.environ[variable])
    given = _pairs(options, arguments)
    named = next((value for name, value in given if name == "config"), os.environ.get("K3S_CONFIG_FILE", ""))
    for name, value in _from_files(options, named):
        options.put(name, value)
    for name, value in given:
        options.put(name, value)
    unknown = (
        [item for item in options["disable"] if item not in DISABLE_ITEMS] if command == "server" else []
    )
    if unknown:
        fatal(f"invalid flag use; --disable={unknown[0]} is not one of {', '.join(DISABLE_ITEMS)}")
    return options


def _pairs(options: Options, arguments: list[str]) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if not word.startswith("-") or word in ("-", "--"):
            fatal(f"unexpected argument {word}")
        name, equals, value = word.lstrip("-").partition("=")
        name = _SHORT.get(name, name)
        if name not in options.kinds:
            fatal(f"flag provided but not defined: -{name}")
        if not equals and options.kinds[name] == "bool":
            value = "true"
        elif not equals:
            if not rest:
                fatal(f"flag needs an argument: -{name}")
            value = rest.pop(0)
        found.append((name, value))
    return found


def _from_files(options: Options, named: str) -> list[tuple[str, str]]:
    file = named or CONFIG_FILE
    drop_ins = f"{file}.d"
    files = [file] if named or os.path.exists(file) else []
    if os.path.isdir(drop_ins):
        files += [
            os.path.join(drop_ins, name) for name in sorted(os.listdir(drop_ins)) if name.endswith(".yaml")
        ]
    found: list[tuple[str, str]] = []
    for path in files:
        try:
            with open(path, encoding="utf-8") as stream:
                content = yaml.safe_load(stream) or {}
        except (OSError, yaml.YAMLError) as error:
            fatal(f"failed to read {path}: {error}")
        if not isinstance(content, dict):
            fatal(f"failed to read {path}: yaml: cannot unmarshal into yaml.MapSlice")
        for key, value in content.items():
            name = _SHORT.get(str(key), str(key))
            if name not in options.kinds:
                fatal(f"Unknown flag --{name} found in {path}")
            if options.kinds[name] == "list":
                options.values.pop(name, None)
            for one in value if isinstance(value, list) else [value]:
                text = str(one).lower() if isinstance(one, bool) else "" if one is None else str(one)
                found.append((name, text))
    return found
