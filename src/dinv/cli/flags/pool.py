"""The flags of `dinv pool`: those of its actions, and those of the machines that it makes."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from dinv.cli.parser import Options, Parser

_OWN = ("size", "max", "one_at_a_time", "parked", "max_age", "parallel")
_NOT_OPTIONS = (*_OWN, "action", "pool", "watch", "interval", "force", "yes")
_KEYWORDS = {"max": "maximum"}


def add_arguments(parser: Parser, actions: tuple[str, ...]) -> None:
    """Add them."""
    from dinv.cli.flags.create import add_options
    from dinv.pools.options import NOT_A_POOLS

    parser.add_argument("action", choices=actions, metavar="ACTION", help=", ".join(actions))
    parser.add_argument("pool", nargs="*", metavar="POOL", help="the pool's name")
    parser.add_argument("--size", metavar="NUMBER", help="create, set: unclaimed machines to keep ready")
    maximum = "create, set: machines at most, claimed ones included (0: no bound)"
    parser.add_argument("--max", metavar="NUMBER", help=maximum)
    one = "create, set: replace at most one machine at a time"
    parser.add_argument("--one-at-a-time", action="store_true", default=None, help=one)
    parser.add_argument(
        "--max-age", metavar="TIME", help="create, set: replace unclaimed ones of this age, 7d"
    )
    parser.add_argument("--parked", metavar="NUMBER", help="create, set: failed machines to keep (3)")
    parser.add_argument("--parallel", metavar="NUMBER", help="create, set: machines to make at once (4)")
    parser.add_argument("--watch", action="store_true", help="reconcile: again and again, until Ctrl-C")
    interval = "reconcile --watch: from one time to the next (15)"
    parser.add_argument("--interval", type="seconds", default=15.0, metavar="SECONDS", help=interval)
    parser.add_argument("-f", "--force", action="store_true", help="rm: even if an endpoint is gone")
    parser.add_argument("-y", action="store_true", dest="yes", help="rm: do not ask")
    parser.add_format()
    parser.add_progress("print only names; reconcile, set and rm: nothing but errors")
    parser.set_rare("--max-age", "--parked", "--parallel")
    add_options(parser, without=NOT_A_POOLS)


def given_options(options: Options) -> dict[str, Any]:
    """Return what was given, by the library's keywords."""
    from dinv.cli.flags.create import given

    own = {
        _KEYWORDS.get(key, key): getattr(options, key) for key in _OWN if getattr(options, key) is not None
    }
    return own | {key: value for key, value in given(options, {}).items() if key not in _NOT_OPTIONS}
