"""mirantis/ucp: the installer.

Flags: docker/docs, reference/ucp/3.2/cli/{install,uninstall-ucp,upgrade,dump-certs,id}.md. Checks and words:
docker/orca, bootstrap/client. What UCP keeps is kept where UCP keeps it: in the swarm's configs and secrets.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import socket
from typing import Any

from ucp_stand_in import docker_api, keys, log
from ucp_stand_in.flags import Flags

COMMON = ("debug", "D", "jsonlog", "interactive", "i")
PULL = ("pull", "registry-password", "registry-username")
INSTALL_SWITCHES = (
    *("binpack", "disable-tracking", "disable-usage", "enable-profiling", "existing-config"),
    *("external-server-cert", "force-insecure-tcp", "force-minimums", "preserve-certs", "random"),
    *("skip-cloud-provider-check", "storage-expt-enabled", "storage-iscsi", "swarm-experimental"),
    "unmanaged-cni",
)
INSTALL_VALUED = (
    *("admin-password", "admin-username", "azure-ip-count", "cloud-provider", "cni-installer-url"),
    *("controller-port", "data-path-addr", "external-service-lb", "host-address", "iscsiadm-path"),
    *("iscsidb-path", "kube-apiserver-port", "kv-snapshot-count", "kv-timeout", "license"),
    *("nodeport-range", "pod-cidr", "service-cluster-ip-range", "swarm-grpc-port", "swarm-port"),
    "unlock-key",
)
INNER_PORTS = (12376, 12379, 12380, 12381, 12382, 12383, 12384, 12385, 12386, 12387)
MIN_MEMORY_GB = 8.0
LICENSE = "/config/docker_subscription.lic"
SETTINGS = "com.docker.ucp.config"
CA_KEY = "ucp-root-ca-key"
CA = "ucp-root-ca"
AGENT = "ucp-agent"
UNINSTALL_SECONDS = 60.0


def run(words: list[str]) -> None:
    commands = {
        "install": install,
        "uninstall-ucp": uninstall,
        "upgrade": upgrade,
        "dump-certs": dump_certs,
        "id": identity,
        "ports": ports,
    }
    if not words or words[0] not in commands:
        log.fatal(f"No help topic for '{' '.join(words[:1])}'")
    if words[0] != "ports" and not os.path.exists(docker_api.SOCKET):
        log.fatal(f"unable to reach the Docker daemon: {docker_api.SOCKET} is not mounted")
    commands[words[0]](words[1:])


def install(words: list[str]) -> None:
    flags = Flags(
        words,
        switches=(*COMMON, *INSTALL_SWITCHES),
        valued=(*INSTALL_VALUED, *PULL),
        repeated=("san", "dns", "dns-opt", "dns-search"),
    )
    info = docker_api.info()
    log.info(f"Your Docker daemon version {info.get('ServerVersion')} is compatible")
    swarm = info.get("Swarm") or {}
    if swarm.get("LocalNodeState") != "active" or not swarm.get("ControlAvailable"):
        log.fatal("This node is not a swarm manager. UCP must be installed on a manager")
    if docker_api.named("ucp-proxy") or _service(AGENT):
        log.fatal("UCP is already installed on this swarm cluster. To reinstall, run uninstall-ucp first")
    left = docker_api.containers("ucp-")
    if left:
        log.fatal(f"Found existing UCP containers: {', '.join(sorted(each['Names'][0] for each in left))}")
    user = flags.value("admin-username") or os.environ.get("UCP_ADMIN_USER") or "admin"
    password = flags.value("admin-password") or os.environ.get("UCP_ADMIN_PASSWORD") or ""
    if not password:
        password = os.urandom(8).hex()
        log.info(f"Generated random admin password: {password}")
    if len(password) < 8:
        log.fatal("Your password must be at least 8 characters long")
    address = flags.value("host-address") or str(swarm.get("NodeAddr"))
    _check_memory(forced="force-minimums" in flags.switches)
    chosen = {
        "controller-port": flags.port("controller-port", 443),
        "swarm-port": flags.port("swarm-port", 2376),
        "kube-apiserver-port": flags.port("kube-apiserver-port", 6443),
    }
    _check_ports(address, (*chosen.values(), *INNER_PORTS), swarm_port=chosen["swarm-port"])
    licensed = _license(flags)
    if os.environ.get("STAND_IN_FAILS"):
        _fail_half_way()
    log.info("Deploying UCP Service... (waiting for all node tasks to be running)")
    key, certificate = keys.new_ca()
    salt = os.urandom(8).hex()
    settings = {
        "version": docker_api.version(),
        "controller_port": chosen["controller-port"],
        "sans": flags.lists.get("san", []),
        "user": user,
        "salt": salt,
        "password": hashed(password, salt),
        "licensed": licensed,
    }
    _post("/secrets/create", CA_KEY, key)
    _post("/configs/create", CA, certificate)
    _post("/configs/create", f"{SETTINGS}-1", json.dumps(settings).encode())
    _deploy_agent(f"{SETTINGS}-1")
    if not docker_api.wait_for("UCP", lambda: _serves(address, chosen["controller-port"]), 60):
        log.fatal("UCP did not come up: timed out waiting for ucp-controller")
    log.info(f"Installation completed on {socket.gethostname()} (node {swarm.get('NodeID')})")
    log.info(f"UCP Instance ID: {_cluster(info)}")
    log.info(f"Login to UCP at https://{address}:{chosen['controller-port']}")
    log.info(f"Username: {user}")
    log.info("Password: (your admin password)")


def hashed(password: str, salt: str) -> str:
    return hashlib.scrypt(password.encode(), salt=salt.encode(), n=2, r=8, p=1).hex()


def _check_memory(*, forced: bool) -> None:
    with open("/proc/meminfo", encoding="ascii") as file:
        total = next(int(line.split()[1]) / 1024 / 1024 for line in file if line.startswith("MemTotal"))
    total = float(os.environ.get("STAND_IN_MEMORY_GB") or total)
    if total >= MIN_MEMORY_GB * 0.95:
        return
    said = (
        f"Your system does not have enough memory.  UCP suggests a minimum of {MIN_MEMORY_GB:.2f} GB, but "
        f"you only have {total:.2f} GB."
    )
    if not forced:
        log.fatal(said)
    log.warn(said + "  You may have unexpected errors.")


def _check_ports(address: str, wanted: tuple[int, ...], *, swarm_port: int) -> None:
    log.info("Checking that required ports are available and accessible")
    image = f"{docker_api.repository()}/ucp:{docker_api.version()}"
    own = f"{address}:0"
    taken = _in_host_network(image, ["ports", own, *(f"0.0.0.0:{port}" for port in wanted)])
    if own in taken:
        log.fatal(f"The host address {address} is not one of this node")
    if taken:
        ports = ", ".join(each.rpartition(":")[2] for each in taken)
        hint = (
            f"  You may specify an alternative port number to {swarm_port} with the --swarm-port argument."
            if str(swarm_port) in ports
            else ""
        )
        log.fatal(f"The following required ports are already in use on your host - {ports}.{hint}")


def _in_host_network(image: str, words: list[str]) -> list[str]:
    """Run `ports` in the host's network; the addresses that cannot be bound there."""
    body = {"Image": image, "Cmd": words, "HostConfig": {"NetworkMode": "host"}, "Tty": True}
    container = docker_api.create(f"ucp-port-check-{os.urandom(4).hex()}", body)
    try:
        docker_api.call("POST", f"/containers/{container}/wait")
        _, _, said = docker_api.raw("GET", f"/{docker_api.VERSION}/containers/{container}/logs?stdout=1")
    finally:
        docker_api.remove(container)
    return said.decode(errors="replace").split()


def ports(words: list[str]) -> None:
    """In the host's network: print the addresses of `words`, HOST:PORT, that cannot be bound."""
    for word in words:
        host, _, port = word.rpartition(":")
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind((host, int(port)))
                listener.listen()
            except OSError:
                print(word, flush=True)  # noqa: T201


def _license(flags: Flags) -> bool:
    text = flags.value("license") or os.environ.get("UCP_LICENSE") or ""
    if not text and os.path.exists(LICENSE):
        with open(LICENSE, encoding="utf-8") as file:
            text = file.read()
    if not text:
        log.warn("No license was given: UCP runs unlicensed")
        return False
    try:
        found = json.loads(text)
        given = all(found[field] for field in ("key_id", "private_key", "authorization"))
    except (ValueError, KeyError, TypeError):
        given = False
    if not given:
        log.fatal("Failed to load license: it is not valid")
    log.info("License loaded")
    return True


def _fail_half_way() -> None:
    image = f"{docker_api.repository()}/ucp-agent:{docker_api.version()}"
    for name in ("ucp-cluster-root-ca", "ucp-client-root-ca"):
        log.info(f"Deploying {name}")
        docker_api.create(name, {"Image": image, "Cmd": ["proxy"]})
    log.error("Unable to connect to ucp-kv: connection refused")
    # The exit status that gets lost on the way, as launchpad has it: the line counts.
    log.fatal("Unable to start UCP: the key-value store did not come up", status=0)


def _deploy_agent(settings: str) -> None:
    image = f"{docker_api.repository()}/ucp-agent:{docker_api.version()}"
    docker_api.call("POST", "/services/create", _agent_service(AGENT, image, "agent", settings))


def _agent_service(name: str, image: str, command: str, settings: str = "") -> dict[str, Any]:
    container: dict[str, Any] = {
        "Image": image,
        "Args": [command],
        "Mounts": [{"Type": "bind", "Source": docker_api.SOCKET, "Target": docker_api.SOCKET}],
    }
    if settings:
        secrets = {each["Spec"]["Name"]: each["ID"] for each in docker_api.call("GET", "/secrets")}
        configs = {each["Spec"]["Name"]: each["ID"] for each in docker_api.call("GET", "/configs")}
        container["Secrets"] = [
            {"SecretID": secrets[CA_KEY], "SecretName": CA_KEY, "File": _place("ca-key.pem")}
        ]
        container["Configs"] = [
            {"ConfigID": configs[CA], "ConfigName": CA, "File": _place("/etc/ucp/ca.pem")},
            {"ConfigID": configs[settings], "ConfigName": settings, "File": _place("/etc/ucp/ucp.json")},
        ]
    # An uninstallation may be done again, and has to be on a node whose container did not come to run.
    restart = {"Condition": "any" if settings else "on-failure", "Delay": 10**9}
    return {
        "Name": name,
        "Labels": {"com.docker.ucp.version": docker_api.version()},
        "Mode": {"Global": {}},
        "TaskTemplate": {"ContainerSpec": container, "RestartPolicy": restart},
    }


def _place(name: str) -> dict[str, Any]:
    return {"Name": name, "UID": "0", "GID": "0", "Mode": 0o400}


def _serves(address: str, port: int) -> bool:
    found = docker_api.named("ucp-controller")
    if found is None or not found["State"]["Running"] or docker_api.named("ucp-proxy") is None:
        return False
    with contextlib.suppress(OSError), socket.create_connection((address, port), 1):
        return True
    return False


def uninstall(words: list[str]) -> None:
    flags = Flags(
        words,
        switches=(*COMMON, "purge-config", "no-purge-secret", "unmanaged-cni"),
        valued=("id", *PULL),
    )
    info = _check_id(flags, "uninstall")
    agent = _service(AGENT)
    if agent is None and not docker_api.containers("ucp-"):
        log.fatal("UCP is not installed on this swarm cluster")
    if agent is not None:
        docker_api.call("DELETE", f"/services/{agent['ID']}")
    image = f"{docker_api.repository()}/ucp-agent:{docker_api.version()}"
    name = "ucp-uninstall-agent"
    if (stuck := _service(name)) is not None:
        docker_api.call("DELETE", f"/services/{stuck['ID']}")
    docker_api.call("POST", "/services/create", _agent_service(name, image, "uninstall"))
    log.info("Uninstalling UCP on each node...")
    nodes = {node["ID"] for node in docker_api.call("GET", "/nodes")}

    def done() -> bool:
        tasks = docker_api.call("GET", "/tasks", filters={"service": [name]})
        return nodes <= {task["NodeID"] for task in tasks if task["Status"]["State"] == "complete"}

    if not docker_api.wait_for(name, done, UNINSTALL_SECONDS):
        log.error("Uninstalling UCP took too long. Some nodes have not reported back")
        log.fatal("Remove the service ucp-uninstall-agent and force the nodes to leave the swarm")
    service = _service(name)
    if service is not None:
        docker_api.call("DELETE", f"/services/{service['ID']}")
    if "no-purge-secret" not in flags.switches:
        _purge("secrets", CA_KEY)
    _purge("configs", CA)
    if "purge-config" in flags.switches:
        _purge("configs", SETTINGS)
    log.info(f"UCP was uninstalled from {_cluster(info)}")


def _purge(kind: str, prefix: str) -> None:
    # A service's tasks may hold it for a moment after the service is gone.
    def gone() -> bool:
        for each in docker_api.call("GET", f"/{kind}"):
            if each["Spec"]["Name"].startswith(prefix):
                try:
                    docker_api.call("DELETE", f"/{kind}/{each['ID']}")
                except docker_api.Refused:
                    return False
        return True

    docker_api.wait_for(prefix, gone, 10)


def upgrade(words: list[str]) -> None:
    flags = Flags(
        words,
        switches=(*COMMON, "force-minimums", "manual-worker-upgrade", "force-recent-backup"),
        valued=("admin-password", "admin-username", "host-address", "id", *PULL),
    )
    _check_id(flags, "upgrade")
    agent = _service(AGENT)
    if agent is None:
        log.fatal("UCP is not installed on this swarm cluster")
    old, settings = _settings()
    installed, wanted = _numbers(settings["version"]), _numbers(docker_api.version())
    if wanted <= installed:
        log.fatal(
            f"UCP is already at version {settings['version']}: cannot upgrade to {docker_api.version()}"
        )
    if wanted[0] != installed[0] or wanted[1] - installed[1] > 1:
        log.fatal(
            f"Cannot upgrade from {settings['version']} to {docker_api.version()}: a version is left out"
        )
    name = f"{SETTINGS}-{int(old.rpartition('-')[2]) + 1}"
    _post("/configs/create", name, json.dumps({**settings, "version": docker_api.version()}).encode())
    image = f"{docker_api.repository()}/ucp-agent:{docker_api.version()}"
    docker_api.call(
        "POST",
        f"/services/{agent['ID']}/update",
        _agent_service(AGENT, image, "agent", name),
        version=str(agent["Version"]["Index"]),
    )
    log.info("Upgrading UCP on each node...")

    def done() -> bool:
        proxy, controller = docker_api.named("ucp-proxy"), docker_api.named("ucp-controller")
        return all(
            found is not None
            and found["State"]["Running"]
            and found["Config"]["Image"].endswith(f":{docker_api.version()}")
            for found in (proxy, controller)
        )

    if not docker_api.wait_for("upgrade", done, 60):
        log.fatal("The upgrade did not finish")
    log.info(f"UCP is at version {docker_api.version()}")


def dump_certs(words: list[str]) -> None:
    Flags(words, switches=("debug", "D", "jsonlog", "ca", "cluster", "etcd"))
    found = _config(CA)
    if found is None:
        log.fatal("UCP is not installed on this node")
    print(found.decode(), flush=True)  # noqa: T201


def identity(words: list[str]) -> None:
    Flags(words, switches=("debug", "D", "jsonlog"))
    print(_cluster(docker_api.info()), flush=True)  # noqa: T201


def _check_id(flags: Flags, doing: str) -> dict[str, Any]:
    info = docker_api.info()
    if not (info.get("Swarm") or {}).get("ControlAvailable"):
        log.fatal("This node is not a swarm manager")
    if flags.value("id") != _cluster(info):
        log.fatal(f"We detected the UCP instance {_cluster(info)}. Re-run the {doing} command with --id")
    return info


def _cluster(info: dict[str, Any]) -> str:
    return str(((info.get("Swarm") or {}).get("Cluster") or {}).get("ID") or "")


def _service(name: str) -> dict[str, Any] | None:
    found = docker_api.call("GET", "/services", filters={"name": [name]})
    return next((each for each in found if each["Spec"]["Name"] == name), None)


def _post(path: str, name: str, data: bytes) -> None:
    docker_api.call("POST", path, {"Name": name, "Data": base64.b64encode(data).decode()})


def _config(name: str) -> bytes | None:
    for each in docker_api.call("GET", "/configs"):
        if each["Spec"]["Name"] == name:
            return base64.b64decode(each["Spec"]["Data"])
    return None


def _settings() -> tuple[str, dict[str, Any]]:
    """Name and content of the newest settings."""
    names = [each["Spec"]["Name"] for each in docker_api.call("GET", "/configs")]
    newest = max((name for name in names if name.startswith(f"{SETTINGS}-")), default="")
    return newest, json.loads(_config(newest) or b"{}")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.partition("-")[0].split("."))
