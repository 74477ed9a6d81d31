"""Three kubeconfigs: a server's own, of which only credentials are taken; the machine's; and the user's.

The machine's is in its directory, for `env` and `kubeconfig`, and in the user's it has an entry. A server's
is not read as YAML: k3s, k0s and kubeadm write each of the three keys once, on a line of its own (client-go:
tools/clientcmd, by which all of them write it).
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
from typing import NamedTuple

from dinv.errors import KubeconfigError
from dinv.provisioners.kubernetes import KUBECONFIG
from dinv.system import files, kubeconfig

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.progress import Progress
    from dinv.store.record import MachineConfig

_VALUE = r'^\s*(?:- )?%s:\s*"?([A-Za-z0-9+/=]+)"?\s*$'
_KEYS = ("certificate-authority-data", "client-certificate-data", "client-key-data")


class Credentials(NamedTuple):
    """PEM: the CA of the servers' certificates, and an administrator's certificate (chain) and key."""

    ca: bytes
    certificate: bytes
    key: bytes


def read(kubeconfig: bytes) -> Credentials | None:
    """Return the credentials in a server's own kubeconfig; None if they are not all there, each once."""
    text = kubeconfig.decode(errors="replace")
    values = []
    for key in _KEYS:
        found = re.findall(_VALUE % key, text, re.MULTILINE)
        if len(found) != 1:
            return None
        try:
            value = base64.b64decode(found[0], validate=True)
        except (binascii.Error, ValueError):
            return None
        if b"-----BEGIN " not in value or b"-----END " not in value:
            return None
        values.append(value)
    return Credentials(*values)


def path(config: MachineConfig) -> str:
    """Return the path of the machine's own kubeconfig, which need not exist."""
    return os.path.join(config.directory, KUBECONFIG)


def write(config: MachineConfig, server: str, credentials: Credentials) -> None:
    """Write the machine's own kubeconfig, for its owner alone. Cluster, user and context have its name."""
    name = json.dumps(config.name)
    encoded = [base64.b64encode(each).decode() for each in credentials]
    text = f"""apiVersion: v1
kind: Config
clusters:
- name: {name}
  cluster:
    server: {json.dumps(server)}
    certificate-authority-data: {encoded[0]}
users:
- name: {name}
  user:
    client-certificate-data: {encoded[1]}
    client-key-data: {encoded[2]}
contexts:
- name: {name}
  context:
    cluster: {name}
    user: {name}
current-context: {name}
preferences: {{}}
"""
    files.write(path(config), text.encode(), mode=0o600)


def drop(config: MachineConfig) -> None:
    """Remove the machine's own kubeconfig."""
    import contextlib

    with contextlib.suppress(OSError):
        os.unlink(path(config))


def target(config: MachineConfig) -> str:
    """Return the path of the user's kubeconfig, in which its entry is to be. Raises InputError."""
    return kubeconfig.target(but_below=config.store_path)


def check(config: MachineConfig) -> None:
    """Raise KubeconfigError if it could not be put into the user's kubeconfig now."""
    kubeconfig.check(target(config))


def merge(
    config: MachineConfig, path_: str, server: str, credentials: Credentials, progress: Progress
) -> bool:
    """Put it into the user's kubeconfig, as a context of the machine's name; return whether it is there.

    A file that is broken, read-only or locked by now is left as it is, and `progress` warned.
    """
    try:
        name = kubeconfig.add(
            path_,
            config.name,
            cluster_ca=credentials.ca,
            server=server,
            client_certificate=credentials.certificate,
            client_key=credentials.key,
            owner=_owner(config),
        )
    except KubeconfigError as error:
        progress.warn(f"{error.text} Meanwhile there is: KUBECONFIG={path(config)}")
        return False
    if name != config.name:
        progress.note(f'{path_} has another context "{config.name}": that of the machine is "{name}"')
    return True


def unmerge(config: MachineConfig, path_: str) -> None:
    """Take its entries out of the user's kubeconfig, if there are any. Raises KubeconfigError."""
    kubeconfig.remove(path_, _owner(config))


def _owner(config: MachineConfig) -> kubeconfig.Owner:
    return kubeconfig.Owner(config.name, config.identity, config.store_path)
