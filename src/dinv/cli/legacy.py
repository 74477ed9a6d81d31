"""Options of docker-machine's that have no meaning here: what becomes of them.

Scripts written for docker-machine pass them on from their own configuration. Those that ask for something
dinv does anyway, or need not do, are taken, and one line on standard error says that nothing comes of
them; their environment variables are not mentioned, since they stand in profiles. Those that ask for
something dinv does not do are errors: going on would make a machine that is not what was asked for.
"""

from __future__ import annotations

import argparse
import os
import sys

from dinv.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from dinv.cli.parser import Parser

CERTIFICATES = {
    "tls-ca-cert": "MACHINE_TLS_CA_CERT",
    "tls-ca-key": "MACHINE_TLS_CA_KEY",
    "tls-client-cert": "MACHINE_TLS_CLIENT_CERT",
    "tls-client-key": "MACHINE_TLS_CLIENT_KEY",
}
"""Global options for certificates of the user's own, with their variables."""

TOKENS = {
    "github-api-token": "dinv asks GitHub for nothing",
    "bugsnag-api-token": "dinv sends no crash reports",
}
"""Global options with a value, and why it makes no difference."""

SWITCHES = {"native-ssh": "commands are run by exec, and only machines of docker-machine's have SSH"}
"""Global options without one."""

_NO_CRASH_REPORTS = "no-report"
_SWARM_SWITCHES = ("swarm", "swarm-master", "swarm-experimental")
_SWARM_VALUES = (
    *("swarm-image", "swarm-discovery", "swarm-strategy", "swarm-opt", "swarm-join-opt", "swarm-host"),
    "swarm-addr",
)
_ASK_FOR_SWARM = ("swarm", "swarm_master", "swarm_discovery")


def say_needless(flag: str, value: str = "") -> None:
    """One line for a global option that makes no difference."""
    if flag in TOKENS and value in ("", _NO_CRASH_REPORTS):
        return  # it asks for what is so
    why = TOKENS.get(flag) or SWITCHES[flag]
    print(f"--{flag} does nothing here: {why}.", file=sys.stderr)


def create_arguments(parser: Parser) -> None:
    """The flags that docker-machine's `create` has in addition. They are not in the help."""
    parser.add_argument("--engine-install-url", help=argparse.SUPPRESS)
    for name in _SWARM_SWITCHES:
        parser.add_argument(f"--{name}", action="store_true", help=argparse.SUPPRESS)
    for name in _SWARM_VALUES:
        parser.add_argument(f"--{name}", action="append", help=argparse.SUPPRESS)


def check_create(options: argparse.Namespace, certificates: Collection[str]) -> None:
    """Look at what create was given in these flags, and take it out. Raises InputError.

    `certificates` are those of CERTIFICATES that were given; variables are looked at here.
    """
    named = [f"--{flag}" for flag in CERTIFICATES if flag in certificates]
    named += [f"${variable}" for variable in CERTIFICATES.values() if os.environ.get(variable)]
    if named:
        raise InputError(
            f"{', '.join(named)}: each machine has a CA and a client certificate of its own, made with it, "
            f"so that nobody who can reach one machine can reach the others. Leave it out."
        )
    given = {flag: vars(options).pop(flag.replace("-", "_")) for flag in (*_SWARM_SWITCHES, *_SWARM_VALUES)}
    asked = [flag for flag, value in given.items() if value and flag.replace("-", "_") in _ASK_FOR_SWARM]
    if asked:
        raise InputError(
            f"--{asked[0]}: the swarm of docker-machine's days, containers of the image swarm, is no more. "
            f"Docker's own swarm mode is what is left: create the machine without, then "
            f"docker --context {options.name} swarm init"
        )
    if vars(options).pop("engine_install_url"):
        print(
            "--engine-install-url does nothing here: Docker comes with the machine's image.", file=sys.stderr
        )
