"""The options of the authority "shared", in a file of their own: `create` needs them without cryptography."""

from __future__ import annotations

from dinv.declaration import Option

OPTIONS = (
    Option(
        "tls-ca-cert",
        "MACHINE_TLS_CA_CERT",
        "CA of your own, which the machine trusts, and which signs its certificates",
        metavar="FILE",
        rare=True,
    ),
    Option(
        "tls-ca-key",
        "MACHINE_TLS_CA_KEY",
        "its private key; both are made if neither is there",
        metavar="FILE",
        rare=True,
    ),
    Option(
        "tls-client-cert",
        "MACHINE_TLS_CLIENT_CERT",
        "client certificate of your own, by that CA",
        metavar="FILE",
        rare=True,
    ),
    Option(
        "tls-client-key",
        "MACHINE_TLS_CLIENT_KEY",
        "its private key; both are made if neither is there",
        metavar="FILE",
        rare=True,
    ),
)
