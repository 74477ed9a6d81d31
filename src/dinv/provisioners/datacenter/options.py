"""The options of the provisioner "datacenter", besides those of the swarm that it builds on."""

from __future__ import annotations

import re

from dinv.declaration import INTEGER, PAIRS, PATH, SECONDS, SWITCH, Option
from dinv.errors import InputError, OptionError
from dinv.formats.urls import LARGEST_PORT
from dinv.wording import option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

CONTROLLER_PORT = 443
SWARM_PORT = 3376
"""UCP's own default, 2376, is where a machine's daemon listens."""
KUBE_PORT = 6443
DTR_HTTPS_PORT = 4443
DTR_HTTP_PORT = 4480
"""DTR's own defaults, 443 and 80, are taken on a machine with UCP, or wanted for what runs there."""
INSTALL_SECONDS = 1800.0
"""An installation fetches some 30 images; on a slow line that takes a quarter of an hour."""

OPTIONS = (
    Option(
        "ucp-image",
        "DINV_UCP_IMAGE",
        "installer of UCP (MKE 3), with its version: mirantis/ucp:3.8.10",
        metavar="IMAGE",
    ),
    Option(
        "ucp-images",
        "DINV_UCP_IMAGES",
        "archive with the images of that version (docker save), to load instead of pulling them",
        type=PATH,
        metavar="FILE",
    ),
    Option(
        "ucp-license",
        "DINV_UCP_LICENSE",
        "licence: the file docker_subscription.lic",
        type=PATH,
        metavar="FILE",
    ),
    Option(
        "ucp-admin-username",
        "DINV_UCP_ADMIN_USERNAME",
        "UCP's first administrator (admin)",
        metavar="NAME",
        default="admin",
    ),
    Option(
        "ucp-admin-password",
        "DINV_UCP_ADMIN_PASSWORD",
        "password of the administrator",
        secret=True,
        other_envs=("UCP_ADMIN_PASSWORD",),
    ),
    Option(
        "ucp-admin-password-file",
        "DINV_UCP_ADMIN_PASSWORD_FILE",
        "file that has the password of the administrator",
        type=PATH,
        metavar="FILE",
    ),
    Option(
        "ucp-san",
        "DINV_UCP_SANS",
        "further name or address of UCP, such as that of a load balancer",
        metavar="NAME",
        repeatable=True,
    ),
    Option(
        "ucp-controller-port",
        "DINV_UCP_CONTROLLER_PORT",
        f"port of UCP's web page and API ({CONTROLLER_PORT})",
        type=INTEGER,
        metavar="PORT",
        default=CONTROLLER_PORT,
        rare=True,
    ),
    Option(
        "ucp-swarm-port",
        "DINV_UCP_SWARM_PORT",
        f"port of UCP's classic swarm manager ({SWARM_PORT}; UCP's own default is where dockerd listens)",
        type=INTEGER,
        metavar="PORT",
        default=SWARM_PORT,
        rare=True,
    ),
    Option(
        "ucp-kube-apiserver-port",
        "DINV_UCP_KUBE_APISERVER_PORT",
        f"port of UCP's Kubernetes API ({KUBE_PORT})",
        type=INTEGER,
        metavar="PORT",
        default=KUBE_PORT,
        rare=True,
    ),
    Option(
        "ucp-opt",
        "",
        "further flag of the installer, without its dashes: pod-cidr=10.1.0.0/16",
        type=PAIRS,
        bare=True,
        metavar="FLAG=VALUE",
        rare=True,
    ),
    Option(
        "ucp-force-minimums",
        "DINV_UCP_FORCE_MINIMUMS",
        "go on with less memory than UCP wants",
        type=SWITCH,
        default=False,
    ),
    Option(
        "ucp-timeout",
        "DINV_UCP_TIMEOUT",
        f"for each run of an installer ({INSTALL_SECONDS:g})",
        type=SECONDS,
        metavar="SECONDS",
        default=INSTALL_SECONDS,
        rare=True,
    ),
    Option(
        "dtr-image",
        "DINV_DTR_IMAGE",
        "installer of DTR (MSR 2), to have a replica of it on this machine: mirantis/dtr:2.9.29",
        metavar="IMAGE",
    ),
    Option(
        "dtr-https-port",
        "DINV_DTR_HTTPS_PORT",
        f"port of DTR ({DTR_HTTPS_PORT})",
        type=INTEGER,
        metavar="PORT",
        default=DTR_HTTPS_PORT,
        rare=True,
    ),
    Option(
        "dtr-http-port",
        "DINV_DTR_HTTP_PORT",
        f"port from which DTR leads to its own ({DTR_HTTP_PORT})",
        type=INTEGER,
        metavar="PORT",
        default=DTR_HTTP_PORT,
        rare=True,
    ),
    Option(
        "dtr-external-url",
        "DINV_DTR_EXTERNAL_URL",
        "where users reach DTR (default: this machine)",
        metavar="URL",
        rare=True,
    ),
    Option(
        "dtr-opt",
        "",
        "further flag of DTR's installer, without its dashes: nfs-storage-url=nfs://HOST/DIR",
        type=PAIRS,
        bare=True,
        metavar="FLAG=VALUE",
        rare=True,
    ),
)

_PORTS = (
    "ucp-controller-port",
    "ucp-swarm-port",
    "ucp-kube-apiserver-port",
    "dtr-https-port",
    "dtr-http-port",
)
TAKEN = {
    2376: "the machine's own daemon has it",
    **dict.fromkeys((2377, 4789, 7946), "the swarm has it"),
    **dict.fromkeys((179, 6444, 10250, *range(12376, 12392)), "UCP needs it itself"),
}
"""Ports that cannot be chosen (Mirantis: mke-cli-install)."""

_OURS = {
    "admin-username": "ucp-admin-username",
    "admin-password": "ucp-admin-password",
    "controller-port": "ucp-controller-port",
    "swarm-port": "ucp-swarm-port",
    "kube-apiserver-port": "ucp-kube-apiserver-port",
    "san": "ucp-san",
    "license": "ucp-license",
    "force-minimums": "ucp-force-minimums",
    "host-address": "",
    "swarm-grpc-port": "",
    "interactive": "",
    "i": "",
    "id": "",
}
"""Flags of UCP's installer that dinv sets, each with the option that says how; "" where nothing does."""
_OURS_OF_DTR = {
    "replica-https-port": "dtr-https-port",
    "replica-http-port": "dtr-http-port",
    "dtr-external-url": "dtr-external-url",
    "ucp-node": "",
    "ucp-url": "",
    "ucp-username": "",
    "ucp-password": "",
    "ucp-ca": "",
    "ucp-insecure-tls": "",
    "replica-id": "",
    "existing-replica-id": "",
}
_SECRET = ("registry-password", "unlock-key", "dtr-key")
"""Flags whose values everybody who sees the command line could read."""
_IMAGE = re.compile(r"[\w.:/@-]+")
_FLAG = re.compile(r"[a-zA-Z][a-zA-Z0-9-]*")
_USER = re.compile(r"[a-z0-9][a-z0-9._@-]*")


def check(values: Mapping[str, Any], *, joining: bool) -> None:
    """Check the options against each other; `joining`: another machine has the datacenter already.

    Raises OptionError, InputError.
    """
    if joining:
        for name in ("ucp-license", "ucp-san", "ucp-opt"):
            if _given(values, name):
                raise OptionError(
                    "is for the machine that UCP is installed on: one that joins has what that has",
                    option=name,
                )
    elif not values.get("ucp_image"):
        raise InputError(
            "Docker Datacenter needs its installer, in the version that is wanted: "
            + option("ucp-image", "mirantis/ucp:3.8.10")
        )
    for name in ("ucp-image", "dtr-image"):
        image = str(_given(values, name) or "")
        if image and not _IMAGE.fullmatch(image):
            raise OptionError("is not the name of an image", option=name, value=image)
    user = str(values.get("ucp_admin_username") or "")
    if not _USER.fullmatch(user):
        raise OptionError(
            "is not a name for a user of UCP: small letters, digits, and . _ - @ after the first",
            option="ucp-admin-username",
            value=user,
        )
    _check_ports(values)
    _check_further("ucp-opt", values, _OURS)
    _check_further("dtr-opt", values, _OURS_OF_DTR)
    for name in ("dtr-external-url", "dtr-opt"):
        if _given(values, name) and not values.get("dtr_image"):
            raise OptionError("needs " + option("dtr-image"), option=name)


def _given(values: Mapping[str, Any], name: str) -> Any:
    return values.get(name.replace("-", "_"))


def _check_ports(values: Mapping[str, Any]) -> None:
    whose: dict[int, str] = {}
    for name in _PORTS:
        port = _given(values, name)
        if port is None or (name.startswith("dtr-") and not values.get("dtr_image")):
            continue
        if not 0 < port <= LARGEST_PORT:
            raise OptionError("is not a port", option=name, value=port)
        if port in TAKEN:
            raise OptionError(f"will not do: {TAKEN[port]}", option=name, value=port)
        if port in whose:
            raise OptionError("is the same as " + option(whose[port]), option=name, value=port)
        whose[port] = name


def _check_further(name: str, values: Mapping[str, Any], ours: Mapping[str, str]) -> None:
    for text in _given(values, name) or ():
        flag = text.partition("=")[0]
        if not _FLAG.fullmatch(flag):
            raise OptionError("is not a flag: give its name, without dashes", option=name, value=flag)
        if flag in ours:
            instead = ours[flag]
            raise OptionError(
                "is dinv's to set" + (", by " + option(instead) if instead else ""), option=name, value=flag
            )
        if flag in _SECRET:
            raise OptionError(
                "would show a secret to everybody who sees the command line, so it is not passed on",
                option=name,
                value=flag,
            )


def further(texts: Iterable[str]) -> list[str]:
    """Return the words of a command line for FLAG=VALUE texts: `--flag=value`, or `--flag`."""
    return [f"--{text}" for text in texts]
