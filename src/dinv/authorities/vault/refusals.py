"""What Vault and OpenBao say when they refuse, and what to change there.

The texts are those of OpenBao 2.7, which come from Vault 1.14 (builtin/logical/pki/cert_util.go,
vault/request_handling.go, builtin/credential/approle). Where a server words something otherwise, its words
are shown without advice.
"""

from __future__ import annotations

import re

from dinv.wording import option


class Call:
    """A call of the API: its `path`, such as "pki/sign/web", and its `namespace`, "" for none."""

    def __init__(self, path: str, namespace: str) -> None:
        self.path = path
        self.namespace = namespace
        self.mount, _, self.role_name = path.partition("/sign/")

    @property
    def role(self) -> str:
        """Return what messages call the role."""
        return role_of(self.path)

    def advice(self, status: int, said: str) -> str:
        """Return what to do about a refusal in these words; "" if there is nothing to say."""
        for pattern, found in _RULES:
            if re.search(pattern, said, re.IGNORECASE | re.DOTALL):
                return found(self)
        return "Look into the server's log, and try again." if status >= 500 else ""


def role_of(path: str) -> str:
    """Return what messages call the role that signs by this path."""
    mount, _, role = path.partition("/sign/")
    return f'the role "{role}" of {mount}'


def _no_namespace(call: Call) -> str:
    return f'There is no namespace "{call.namespace}": see ' + option("vault-namespace") + "."


def _sealed(_call: Call) -> str:
    return "Whoever runs the server has to unseal it (`vault operator unseal`, `bao operator unseal`)."


def _unknown_role(call: Call) -> str:
    return (
        f"See `bao list {call.mount}/roles`, "
        + option("vault-role")
        + " and "
        + option("vault-client-role")
        + f"; or make it: `bao write {call.mount}/roles/{call.role_name} ...`."
    )


def _login(_call: Call) -> str:
    return (
        "The role id or the secret id is wrong, used up or expired: the server does not say which. Have a "
        "new secret id made (`bao write -f auth/approle/role/NAME/secret-id`), and give it by "
        + option("vault-secret-id-file")
        + " or the variable DINV_VAULT_SECRET_ID. Each command that has something signed logs in once."
    )


def _denied(call: Call) -> str:
    if call.path.endswith("/login"):
        return (
            "Nothing takes logins there, or not from here: see "
            + option("vault-approle-mount")
            + " and "
            + option("vault-namespace")
            + "."
        )
    within = f" in the namespace {call.namespace}" if call.namespace else ""
    return (
        "Either the token has expired or is another server's (`bao token lookup` says), or its policies "
        f'lack this line{within}: path "{call.path}" {{ capabilities = ["update"] }}'
    )


def _no_mount(call: Call) -> str:
    where = f'the namespace "{call.namespace}"' if call.namespace else "the root namespace"
    return (
        f'Nothing is mounted at "{call.mount}" in {where}: see `bao secrets list`, '
        + option("vault-mount")
        + " and "
        + option("vault-namespace")
        + "."
    )


def _not_pki(call: Call) -> str:
    return (
        f'What is mounted at "{call.mount}" is not a PKI secrets engine: see ' + option("vault-mount") + "."
    )


def _no_ca(call: Call) -> str:
    return f"{call.mount} has no CA yet: `bao write {call.mount}/root/generate/internal ...`."


def _key(call: Call) -> str:
    return f"Set key_type=ec and key_bits=256 on {call.role}: dinv's keys are ECDSA P-256."


def _common_name(call: Call) -> str:
    return (
        f"Set cn_validations=disabled on {call.role}: the name is a machine's or a user's, and not a host's."
    )


def _address(call: Call) -> str:
    return f"Set allow_ip_sans=true on {call.role}: machines are reached at addresses."


def _localhost(call: Call) -> str:
    return f"Set allow_localhost=true on {call.role}: a machine's certificate is for localhost too."


def _name(call: Call) -> str:
    return (
        f"Let {call.role} allow it: allowed_domains has to have the names of machines and of their "
        'containers, such as allowed_domains="build-*,dinv-build-*" with allow_glob_domains=true; or set '
        "allow_any_name=true."
    )


def _fixed_end(call: Call) -> str:
    return f"Take not_after off {call.role}: no lifetime can be asked for then."


def _ca_ends(call: Call) -> str:
    return (
        "Ask for less, by " + option("cert-lifetime") + f", or set a smaller ttl on {call.role}, or have the "
        f"CA of {call.mount} renewed."
    )


_RULES = (
    (r"namespace not found", _no_namespace),
    (r"is sealed|not initialized", _sealed),
    (r"unknown role", _unknown_role),
    (r"missing (secret|role)_id|invalid (role|secret)", _login),
    (r"permission denied", _denied),
    (r"no handler for route", _no_mount),
    (r"unsupported path|unsupported operation|secrets engine", _not_pki),
    (r"no default issuer|was one set", _no_ca),
    (r"keys of type|-bit key|key_bits", _key),
    (r"common name .* not allowed", _common_name),
    (r"IP (Subject Alternative Name|address).* not allowed", _address),
    (r"name localhost not allowed", _localhost),
    (r"alternate name .* not allowed", _name),
    (r"Either ttl or not_after", _fixed_end),
    (r"beyond the expiration of the CA", _ca_ends),
)
"""What a server's words mean; the first that fits."""
