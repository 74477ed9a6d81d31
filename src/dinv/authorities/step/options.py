"""The options of the authority "step"; those that the program `step` has are taken from its variables too."""

from __future__ import annotations

from dinv.declaration import PATH, Option

OPTIONS = (
    Option("step-url", "DINV_STEP_URL", "URL of the step-ca", metavar="URL", other_envs=("STEP_CA_URL",)),
    Option(
        "step-fingerprint",
        "DINV_STEP_FINGERPRINT",
        "SHA-256 of its root certificate, by which that is fetched",
        metavar="HEX",
        other_envs=("STEP_FINGERPRINT",),
    ),
    Option(
        "step-root",
        "DINV_STEP_ROOT",
        "its root certificate, in place of the fingerprint",
        type=PATH,
        metavar="FILE",
        other_envs=("STEP_ROOT",),
    ),
    Option(
        "step-provisioner",
        "DINV_STEP_PROVISIONER",
        "JWK provisioner that signs",
        metavar="NAME",
        other_envs=("STEP_PROVISIONER",),
    ),
    Option(
        "step-key",
        "DINV_STEP_KEY",
        "the provisioner's private key, JWK or PEM, not encrypted",
        type=PATH,
        metavar="FILE",
    ),
    Option(
        "step-token",
        "DINV_STEP_TOKEN",
        "one-time tokens to use in place of the key, with commas between",
        secret=True,
    ),
)
