"""Options of docker-machine's, what becomes of them here: global ones, and those that have no meaning.

Scripts written for docker-machine pass them on from their own configuration. Those that ask for something
dinv does anyway, or need not do, are taken, and one line on standard error says that nothing comes of
them; their environment variables are not mentioned, since they stand in profiles. Those that ask for
something dinv does not do are errors: going on would make a machine that is not what was asked for.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from dinv.cli.parser import Options, Parser
    from dinv.cli.voice import Voice

CERTIFICATES = {
    "tls-ca-cert": "MACHINE_TLS_CA_CERT",
    "tls-ca-key": "MACHINE_TLS_CA_KEY",
    "tls-client-cert": "MACHINE_TLS_CLIENT_CERT",
    "tls-client-key": "MACHINE_TLS_CLIENT_KEY",
}
"""Global options for a CA and a client certificate of the user's own, with their variables."""

TOKENS = {
    "github-api-token": "dinv asks GitHub for nothing",
    "bugsnag-api-token": "dinv sends no crash reports",
}
"""Global options with a value, and why it makes no difference."""

SWITCHES = ("native-ssh",)
"""Global options without one, that ask for what is so: no ssh of the system's has part in a command."""

_NO_CRASH_REPORTS = "no-report"
_SWARM_SWITCHES = ("swarm", "swarm-master", "swarm-experimental")
_SWARM_VALUES = ("swarm-image", "swarm-discovery", "swarm-strategy", "swarm-host", "swarm-addr")
_SWARM_LISTS = ("swarm-opt", "swarm-join-opt")


def needless(flag: str, value: str) -> list[str]:
    """What to say of a global option that makes no difference."""
    if value in ("", _NO_CRASH_REPORTS):
        return []  # it asks for what is so
    return [f"--{flag} does nothing here: {TOKENS[flag]}."]


def create_arguments(parser: Parser) -> None:
    """The flags that docker-machine's `create` has in addition. They are not in the help."""
    parser.add_argument("--engine-install-url", hidden=True)
    for name in _SWARM_SWITCHES:
        parser.add_argument(f"--{name}", action="store_true", default=None, hidden=True)
    for name in _SWARM_VALUES:
        parser.add_argument(f"--{name}", hidden=True)
    for name in _SWARM_LISTS:
        parser.add_argument(f"--{name}", action="append", hidden=True)
    parser.set_defaults(swarm_image=os.environ.get("MACHINE_SWARM_IMAGE") or None)


def certificate_arguments(parser: Parser) -> None:
    """Those of CERTIFICATES, which `create` takes behind its name too."""
    texts = (
        "CA of your own, which the machine trusts, and which signs its certificates",
        "its private key; both are made if neither is there",
        "client certificate of your own, by that CA",
        "its private key; both are made if neither is there",
    )
    for (flag, variable), text in zip(CERTIFICATES.items(), texts, strict=True):
        parser.add_argument(f"--{flag}", metavar="FILE", help=f"{text} (${variable})")


def certificates(given: Mapping[str, str]) -> dict[str, str]:
    """The files of CERTIFICATES that are meant, as options of a create: those `given`, or the variables'."""
    found = {
        flag.replace("-", "_"): given.get(flag) or os.environ.get(variable)
        for flag, variable in CERTIFICATES.items()
    }
    return {option: path for option, path in found.items() if path}


def check_create(options: Options, voice: Voice) -> None:
    """Look at what create was given in these flags, and take out what nothing comes of."""
    if vars(options).pop("engine_install_url"):
        voice.remark("--engine-install-url does nothing here: Docker comes with the machine's image.")
    from dinv.provisioners.docker import RENAMED_STORAGE_DRIVERS

    instead = RENAMED_STORAGE_DRIVERS.get(options.engine_storage_driver)
    if instead:
        voice.remark(
            f"--engine-storage-driver {options.engine_storage_driver} is not in Docker any more: "
            f"{instead} takes its place."
        )
