"""The options of the authority "vault".

Those that the clients of Vault and OpenBao have too are taken from these clients' variables as well, where
dinv's own is not set. `bao` reads BAO_... before VAULT_..., and so does dinv.
"""

from __future__ import annotations

from dinv.declaration import PATH, Option

OPTIONS = (
    Option(
        "vault-addr",
        "DINV_VAULT_ADDR",
        "URL of the server",
        metavar="URL",
        other_envs=("BAO_ADDR", "VAULT_ADDR"),
    ),
    Option(
        "vault-mount",
        "DINV_VAULT_MOUNT",
        "where its PKI secrets engine is mounted (pki)",
        metavar="PATH",
        default="pki",
    ),
    Option("vault-role", "DINV_VAULT_ROLE", "role that signs the machine's certificates", metavar="ROLE"),
    Option(
        "vault-client-role",
        "DINV_VAULT_CLIENT_ROLE",
        "role that signs its users' certificates; it has to be another",
        metavar="ROLE",
    ),
    Option(
        "vault-namespace",
        "DINV_VAULT_NAMESPACE",
        "namespace of the mount, and of the login",
        metavar="PATH",
        other_envs=("BAO_NAMESPACE", "VAULT_NAMESPACE"),
    ),
    Option(
        "vault-ca-cert",
        "DINV_VAULT_CA_CERT",
        "CA that the server's own TLS certificate is from, if the system does not know it",
        type=PATH,
        metavar="FILE",
        other_envs=("BAO_CACERT", "VAULT_CACERT"),
    ),
    Option(
        "vault-anchor",
        "DINV_VAULT_ANCHOR",
        "root CA that machines and users trust, if the mount does not have it",
        type=PATH,
        metavar="FILE",
    ),
    Option(
        "vault-token",
        "DINV_VAULT_TOKEN",
        "token, by default the one that the programs vault and bao use",
        secret=True,
        other_envs=("BAO_TOKEN", "VAULT_TOKEN"),
    ),
    Option(
        "vault-token-file",
        "DINV_VAULT_TOKEN_FILE",
        "file that has the token, read each time; one that an agent keeps, say",
        type=PATH,
        metavar="FILE",
    ),
    Option(
        "vault-role-id",
        "DINV_VAULT_ROLE_ID",
        "log in by AppRole, with this role id, and use no other token",
        metavar="ID",
    ),
    Option("vault-secret-id", "DINV_VAULT_SECRET_ID", "secret id of the AppRole", secret=True),
    Option(
        "vault-secret-id-file",
        "DINV_VAULT_SECRET_ID_FILE",
        "file that has the secret id, read each time",
        type=PATH,
        metavar="FILE",
    ),
    Option(
        "vault-approle-mount",
        "DINV_VAULT_APPROLE_MOUNT",
        "where the AppRole is enabled (approle)",
        metavar="PATH",
        default="approle",
    ),
)
