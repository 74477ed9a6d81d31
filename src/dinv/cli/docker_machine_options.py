"""docker-machine's options and what becomes of them here: global ones, and those without a meaning.

Scripts written for docker-machine pass them on from their own configuration. Options for what dinv does
anyway, or need not do, are accepted, and one line on standard error says that they have no effect; their
environment variables are not mentioned, since they are set in profiles. Options for what dinv does not do are
errors: going on would make a machine that is not what was asked for.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.cli.parser import Options, Parser
    from dinv.cli.voice import Voice

CERTIFICATES = ("tls-ca-cert", "tls-ca-key", "tls-client-cert", "tls-client-key")
"""Options of the authority "shared", which docker-machine accepts before the command."""

TOKENS = {
    "github-api-token": "dinv asks GitHub for nothing",
    "bugsnag-api-token": "dinv sends no crash reports",
}
"""Global options with a value, and why it makes no difference."""

SWITCHES = ("native-ssh",)
"""Switches accepted and ignored: dinv never uses the system's ssh here."""

_NO_CRASH_REPORTS = "no-report"


def needless(flag: str, value: str) -> list[str]:
    """Return the remark about a global option that makes no difference."""
    if value in ("", _NO_CRASH_REPORTS):
        return []  # it asks for what is the case anyway
    return [f"--{flag} does nothing here: {TOKENS[flag]}."]


def create_arguments(parser: Parser) -> None:
    """Declare the flag of docker-machine's `create` that has no effect here. It is not in the help."""
    parser.add_argument("--engine-install-url", hidden=True)


def check_create(options: Options, voice: Voice) -> None:
    """Warn about and drop flags of create that have no effect."""
    if vars(options).pop("engine_install_url"):
        voice.remark("--engine-install-url does nothing here: Docker comes with the machine's image.")
    named = str(vars(options).get("engine_storage_driver") or "")
    if not named:
        return
    from dinv.provisioners.engine_options import RENAMED_STORAGE_DRIVERS

    instead = RENAMED_STORAGE_DRIVERS.get(named)
    if instead:
        voice.remark(f"--engine-storage-driver {named} is not in Docker any more: {instead} takes its place.")
