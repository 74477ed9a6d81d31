"""Options of docker-machine's, what becomes of them here: global ones, and those that have no meaning.

Scripts written for docker-machine pass them on from their own configuration. Those that ask for something
dinv does anyway, or need not do, are taken, and one line on standard error says that nothing comes of
them; their environment variables are not mentioned, since they stand in profiles. Those that ask for
something dinv does not do are errors: going on would make a machine that is not what was asked for.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.cli.parser import Options, Parser
    from dinv.cli.voice import Voice

CERTIFICATES = ("tls-ca-cert", "tls-ca-key", "tls-client-cert", "tls-client-key")
"""Options of the authority "shared", which docker-machine takes before the command."""

TOKENS = {
    "github-api-token": "dinv asks GitHub for nothing",
    "bugsnag-api-token": "dinv sends no crash reports",
}
"""Global options with a value, and why it makes no difference."""

SWITCHES = ("native-ssh",)
"""Global options without one, that ask for what is so: no ssh of the system's has part in a command."""

_NO_CRASH_REPORTS = "no-report"


def needless(flag: str, value: str) -> list[str]:
    """What to say of a global option that makes no difference."""
    if value in ("", _NO_CRASH_REPORTS):
        return []  # it asks for what is so
    return [f"--{flag} does nothing here: {TOKENS[flag]}."]


def create_arguments(parser: Parser) -> None:
    """The flag of docker-machine's `create` that means nothing here. It is not in the help."""
    parser.add_argument("--engine-install-url", hidden=True)


def check_create(options: Options, voice: Voice) -> None:
    """Look at what create was given in these flags, and take out what nothing comes of."""
    if vars(options).pop("engine_install_url"):
        voice.remark("--engine-install-url does nothing here: Docker comes with the machine's image.")
    from dinv.provisioners.engine_options import RENAMED_STORAGE_DRIVERS

    named = str(vars(options).get("engine_storage_driver"))
    instead = RENAMED_STORAGE_DRIVERS.get(named)
    if instead:
        voice.remark(f"--engine-storage-driver {named} is not in Docker any more: {instead} takes its place.")
