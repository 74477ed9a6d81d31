"""mirantis/ucp-agent: a global service. On each node it keeps ucp-proxy, and the API on managers."""

from __future__ import annotations

import contextlib
import json
import time
from typing import Any

from ucp_stand_in import docker_api, log

SETTINGS = "/etc/ucp/ucp.json"
CA = "/etc/ucp/ca.pem"
CA_KEY = "/run/secrets/ca-key.pem"
IN_CONTROLLER = {"/etc/ucp/ucp.json": SETTINGS, "/etc/ucp/ca.pem": CA, "/etc/ucp/ca-key.pem": CA_KEY}
POLL_SECONDS = 0.3


def run(words: list[str]) -> None:
    commands = {"agent": _watch, "proxy": _sleep, "uninstall": _uninstall}
    commands[words[0]]()


def _sleep() -> None:
    while True:
        time.sleep(3600)


def _watch() -> None:
    with open(SETTINGS, encoding="utf-8") as file:
        settings = json.load(file)
    log.info("Starting the UCP agent")
    while True:
        try:
            manager = bool((docker_api.info().get("Swarm") or {}).get("ControlAvailable"))
            if manager:
                _keep("ucp-controller", _controller(settings), _files())
            else:
                docker_api.remove("ucp-controller")
            _keep("ucp-proxy", _proxy())
        except (OSError, docker_api.Refused) as error:
            log.error(str(error))
        time.sleep(POLL_SECONDS)


def _keep(name: str, body: dict[str, Any], files: dict[str, bytes] | None = None) -> None:
    found = docker_api.named(name)
    if found is not None:
        if found["State"]["Running"] and found["Config"]["Image"] == body["Image"]:
            return
        docker_api.remove(name)
    docker_api.create(name, body, files)


def _proxy() -> dict[str, Any]:
    return {
        "Image": f"{docker_api.repository()}/ucp-agent:{docker_api.version()}",
        "Cmd": ["proxy"],
        "Labels": {"com.docker.ucp.version": docker_api.version()},
        "HostConfig": {"RestartPolicy": {"Name": "unless-stopped"}},
    }


def _controller(settings: dict[str, Any]) -> dict[str, Any]:
    return {
        "Image": f"{docker_api.repository()}/ucp-controller:{docker_api.version()}",
        "Cmd": ["serve"],
        "Labels": {"com.docker.ucp.version": docker_api.version()},
        "ExposedPorts": {"443/tcp": {}},
        "HostConfig": {
            "Binds": [f"{docker_api.SOCKET}:{docker_api.SOCKET}"],
            "PortBindings": {"443/tcp": [{"HostPort": str(settings["controller_port"])}]},
            "RestartPolicy": {"Name": "unless-stopped"},
        },
    }


def _files() -> dict[str, bytes]:
    found = {}
    for there, here in IN_CONTROLLER.items():
        with open(here, "rb") as file:
            found[there] = file.read()
    return found


def _uninstall() -> None:
    for each in docker_api.containers("ucp-"):
        name = each["Names"][0].lstrip("/")
        if not name.startswith("ucp-uninstall-agent"):
            with contextlib.suppress(docker_api.Refused):
                docker_api.remove(each["Id"])
