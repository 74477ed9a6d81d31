"""`python -m benchmarks`: measure, and print a table beside the figures to be reached."""

from __future__ import annotations

import argparse
import signal
import sys

from benchmarks import claims, commands, creation, crowd, host, listing, memory, trust
from benchmarks.process import RunFailed
from benchmarks.report import table
from benchmarks.session import Session
from dinv.errors import DinvError, Interrupted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

PARTS = ("create", "commands", "ls", "memory", "trust", "claim")


def main() -> int:
    """Run what is asked for; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)} (default: all)")
    parser.add_argument("--endpoint", help="where the machines are made, unix://... (as dinv finds it)")
    parser.add_argument("--image", help="machine image (dinv:latest)")
    parser.add_argument("--dinv", metavar="PATH", help="the dinv to measure (the one beside this Python)")
    parser.add_argument("--create-runs", type=_runs(3), default=9, metavar="N", help="of each way (9)")
    parser.add_argument("--command-runs", type=_runs(3), default=40, metavar="N", help="of each command (40)")
    parser.add_argument("--ls-runs", type=_runs(3), default=15, metavar="N", help="for each number (15)")
    options = parser.parse_args()
    unknown = [part for part in options.parts if part not in PARTS]
    if unknown:
        parser.error(f"{unknown[0]}: choose from {', '.join(PARTS)}")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupted)
    try:
        _measure(options)
    except (DinvError, RunFailed) as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return getattr(error, "exit_code", 1)
    return 0


def _measure(options: argparse.Namespace) -> None:
    parts = options.parts or PARTS
    with Session(endpoint=options.endpoint, image=options.image, dinv=options.dinv) as session:
        facts = host.describe(session)
        rows: list[tuple[str, ...]] = []
        try:
            # The quick ones first: what a create leaves the disk to do would be in them.
            if "commands" in parts:
                rows += commands.measure(session, options.command_runs, _tell)
            if "ls" in parts:
                rows += listing.measure(session, options.ls_runs, _tell)
                rows += crowd.measure(session, _tell)
            if "memory" in parts:
                rows += memory.measure(session, _tell)
            if "trust" in parts:
                rows += trust.measure(session, options.command_runs, _tell)
            if "claim" in parts:
                rows += claims.measure(session, options.create_runs, _tell)
            if "create" in parts:
                rows += creation.measure(session, options.create_runs, _tell)
        finally:
            # Also what there is when something fails half-way: it took minutes.
            print(table(facts, ("", "")), table(rows), sep="\n\n")


def _runs(least: int) -> Callable[[str], int]:
    def runs(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"a number from {least} on")
        return int(text)

    return runs


def _interrupted(number: int, _: object) -> None:
    raise Interrupted(number)


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
