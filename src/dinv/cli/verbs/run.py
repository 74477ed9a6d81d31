"""`dinv run`: a command with a machine of its own."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.cli.app import App
    from dinv.cli.parser import Options, Parser


LEAST_STATUS = 125
"""Of a failure of dinv's own, the command line's too, as `docker run` has it."""


def arguments(parser: Parser) -> None:
    from dinv.cli.flags.create import add_arguments, flag
    from dinv.options import CACHE_WAIT

    parser.extra = f"What is to be run comes after --: {parser.prog} -- {{extra}}"
    parser.usage = f"{parser.prog} [OPTION ...] -- COMMAND [ARGUMENT ...]"
    parser.add_argument("--name", metavar="NAME", help="the machine's name (run-, and a random number)")
    parser.add_argument(
        "--keep-cache", metavar="NAME", help="keep its images, in a volume that the next run with NAME has"
    )
    flags, facts = flag(CACHE_WAIT)
    parser.add_argument(*flags, **facts)
    add_arguments(parser, of_run=True)


def takes_rest(words: list[str]) -> tuple[list[str], list[str]]:
    """Take what is before the first `--`; what follows is the command."""
    if "--" not in words:
        return words, []
    end = words.index("--")
    return words[:end], words[end + 1 :]


def run(app: App, options: Options) -> int:
    from dinv.cli.flags.create import given

    app.voice.aside = True
    with app.interruptible():
        return app.machines.run(
            options.rest,
            name=options.name,
            keep_cache=options.keep_cache,
            cache_wait=options.cache_wait,
            signals=True,
            progress=app.progress(),
            **given(options, app.certificates),
        )
