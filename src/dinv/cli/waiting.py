"""The arguments of verbs that wait for the daemons of one or more machines."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.cli.parser import Parser


def add_arguments(parser: Parser, seconds: float) -> None:
    """Declare names, `--timeout` with `seconds` as its default, and `--quiet`."""
    parser.add_argument("name", nargs="*")
    parser.add_timeout(seconds, "for the daemon to answer")
    parser.add_progress()
