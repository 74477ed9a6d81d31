"""mirantis/dtr: the installer of DTR, which works by UCP's API alone; and what it installs, dtr-nginx.

Flags and variables: docker/docs, reference/dtr/2.7/cli/{install,join,remove,destroy}.md.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import ssl
import tempfile
import urllib.parse
from http.server import BaseHTTPRequestHandler
from typing import Any

from ucp_stand_in import docker_api, keys, log
from ucp_stand_in.controller import _Server
from ucp_stand_in.flags import Flags

UCP = ("ucp-ca", "ucp-url", "ucp-username", "ucp-password")
SWITCHES = ("debug", "help-extended", "ucp-insecure-tls", "nocolor")
REPLICA = ("replica-http-port", "replica-https-port", "replica-id", "replica-rethinkdb-cache-mb", "ucp-node")
INSTALL = (
    *("async-nfs", "client-cert-auth-ca", "dtr-ca", "dtr-cert", "dtr-external-url", "dtr-key"),
    *("dtr-storage-volume", "http-proxy", "https-proxy", "log-host", "log-level", "log-protocol"),
    *("nfs-options", "nfs-storage-url", "no-proxy", "overlay-subnet"),
)


def run(words: list[str]) -> None:
    commands = {
        "install": install,
        "join": join,
        "upgrade": upgrade,
        "remove": remove,
        "destroy": destroy,
        "serve": serve,
    }
    if not words or words[0] not in commands:
        log.fatal(f"No help topic for '{' '.join(words[:1])}'")
    commands[words[0]](words[1:])


class Client:
    """UCP, as the flags and the environment name it."""

    def __init__(self, flags: Flags) -> None:
        url = flags.value("ucp-url") or os.environ.get("UCP_URL") or ""
        parsed = urllib.parse.urlsplit(url if "://" in url else f"https://{url}")
        if not parsed.hostname:
            log.fatal("The UCP URL is not set")
        self.host, self.port = parsed.hostname, parsed.port or 443
        ca = flags.value("ucp-ca") or os.environ.get("UCP_CA") or ""
        if ca:
            self.context = ssl.create_default_context(cadata=ca)
        elif "ucp-insecure-tls" in flags.switches:
            self.context = ssl._create_unverified_context()  # noqa: S323  (asked for)
        else:
            log.fatal("Set --ucp-ca, or --ucp-insecure-tls")
        self.token = ""
        self.token = str(
            self.call(
                "POST",
                "/auth/login",
                {
                    "username": flags.value("ucp-username") or os.environ.get("UCP_USERNAME") or "",
                    "password": flags.value("ucp-password") or os.environ.get("UCP_PASSWORD") or "",
                },
            )["auth_token"]
        )

    def call(self, method: str, path: str, body: object = None) -> Any:
        connection = http.client.HTTPSConnection(self.host, self.port, context=self.context, timeout=30)
        headers = {"Content-Type": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            data = answer.read()
        except OSError as error:
            log.fatal(f"Couldn't reach UCP at https://{self.host}:{self.port}: {error}")
        finally:
            connection.close()
        if answer.status >= 400:
            log.fatal(f"UCP answered {answer.status} to {path}: {data.decode(errors='replace')}")
        return json.loads(data) if data.strip() else None

    def replicas(self) -> dict[str, dict[str, Any]]:
        found = self.call("GET", f"/{docker_api.VERSION}/services")
        return {
            each["Spec"]["Labels"]["com.docker.dtr.replica"]: each
            for each in found
            if "com.docker.dtr.replica" in (each["Spec"].get("Labels") or {})
        }


def install(words: list[str]) -> None:
    flags = Flags(
        words,
        switches=(*SWITCHES, "enable-client-cert-auth", "enable-pprof"),
        valued=(*UCP, *REPLICA, *INSTALL),
    )
    client = Client(flags)
    if client.replicas():
        log.fatal("DTR is already installed: use join")
    _deploy(client, flags)


def join(words: list[str]) -> None:
    flags = Flags(
        words,
        switches=(*SWITCHES, "skip-network-test", "unsafe-join"),
        valued=(*UCP, *REPLICA, "existing-replica-id"),
    )
    client = Client(flags)
    existing = flags.value("existing-replica-id") or os.environ.get("DTR_REPLICA_ID") or ""
    if existing not in client.replicas():
        log.fatal(f"Couldn't find the existing replica {existing}")
    _deploy(client, flags)


def _deploy(client: Client, flags: Flags) -> None:
    node = flags.value("ucp-node") or os.environ.get("UCP_NODE") or ""
    nodes = {each["Description"]["Hostname"] for each in client.call("GET", "/nodes")}
    if node not in nodes:
        log.fatal(f"There is no UCP node {node}. The nodes are: {', '.join(sorted(nodes))}")
    replica = flags.value("replica-id") or os.environ.get("DTR_INSTALL_REPLICA_ID") or os.urandom(6).hex()
    if not re.fullmatch("[0-9a-f]{12}", replica):
        log.fatal("The replica ID has to be 12 hexadecimal characters")
    if replica in client.replicas():
        log.fatal(f"There is a replica {replica} already")
    labels = {"com.docker.dtr.replica": replica, "com.docker.dtr.version": docker_api.version()}
    client.call(
        "POST",
        f"/{docker_api.VERSION}/services/create",
        {
            "Name": f"dtr-nginx-{replica}",
            "Labels": labels,
            "TaskTemplate": {
                "ContainerSpec": {
                    "Image": f"{docker_api.repository()}/dtr-nginx:{docker_api.version()}",
                    "Args": ["serve"],
                    "Labels": labels,
                },
                "Placement": {"Constraints": [f"node.hostname=={node}"]},
            },
            "EndpointSpec": {
                "Ports": [
                    {
                        "Protocol": "tcp",
                        "TargetPort": 443,
                        "PublishedPort": flags.port("replica-https-port", 443),
                        "PublishMode": "host",
                    }
                ]
            },
        },
    )

    def runs() -> bool:
        tasks = client.call("GET", f"/{docker_api.VERSION}/tasks")
        service = client.replicas()[replica]["ID"]
        return any(task["ServiceID"] == service and task["Status"]["State"] == "running" for task in tasks)

    if not docker_api.wait_for("DTR", runs, 60):
        log.fatal("DTR did not come up")
    log.info(f"Replica ID is set to: {replica}")
    log.info("Installation is complete")


def upgrade(words: list[str]) -> None:
    flags = Flags(words, switches=SWITCHES, valued=(*UCP, "existing-replica-id", "max-wait"))
    client = Client(flags)
    replicas = client.replicas()
    if flags.value("existing-replica-id") not in replicas:
        log.fatal(f"Couldn't find the existing replica {flags.value('existing-replica-id')}")
    for replica, service in replicas.items():
        if service["Spec"]["Labels"]["com.docker.dtr.version"] == docker_api.version():
            log.fatal(f"Replica {replica} is at version {docker_api.version()} already")
        spec = service["Spec"]
        spec["Labels"]["com.docker.dtr.version"] = docker_api.version()
        spec["TaskTemplate"]["ContainerSpec"]["Image"] = (
            f"{docker_api.repository()}/dtr-nginx:{docker_api.version()}"
        )
        version = service["Version"]["Index"]
        client.call("POST", f"/{docker_api.VERSION}/services/{service['ID']}/update?version={version}", spec)
        log.info(f"Replica {replica} was upgraded")


def remove(words: list[str]) -> None:
    flags = Flags(words, switches=SWITCHES, valued=(*UCP, "existing-replica-id", "replica-id", "replica-ids"))
    client = Client(flags)
    replicas = client.replicas()
    existing = flags.value("existing-replica-id")
    gone = (flags.value("replica-ids") or flags.value("replica-id")).split(",")
    if existing not in replicas or existing in gone:
        log.fatal(f"Couldn't find the existing replica {existing}, which is to stay")
    _remove(client, replicas, gone)


def destroy(words: list[str]) -> None:
    flags = Flags(words, switches=SWITCHES, valued=(*UCP, "replica-id"))
    client = Client(flags)
    _remove(client, client.replicas(), [flags.value("replica-id")])


def _remove(client: Client, replicas: dict[str, dict[str, Any]], gone: list[str]) -> None:
    for replica in gone:
        if replica not in replicas:
            log.fatal(f"Couldn't find the replica {replica}")
        client.call("DELETE", f"/{docker_api.VERSION}/services/{replicas[replica]['ID']}")
        log.info(f"Replica {replica} was removed")


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        known = self.path in ("/_ping", "/health")
        body = b'{"Healthy":true}' if known else b""
        self.send_response(200 if known else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def serve(words: list[str]) -> None:
    ca_key, ca = keys.new_ca()
    key, certificate = keys.signed(ca_key, ca, "dtr", [socket.gethostname()])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile() as file:
        file.write(key + certificate)
        file.flush()
        context.load_cert_chain(file.name)
    _Server(443, _Handler, context).serve_forever()
