"""The command line: parse, call the library, print. One file per verb; no logic here.

A verb's module has `arguments(parser)`, which adds its flags, and `run(app, options)`, which returns the
exit status or None for 0. Only the module of the verb in use is imported: `env` and `url` run in shell
profiles and prompts.
"""

from __future__ import annotations

import codecs
import gc
import io
import os
import sys

from dinv.cli import verbs
from dinv.cli.voice import Voice
from dinv.errors import DinvError, Interrupted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn


def run() -> NoReturn:
    """Run this process's command line, and end the process.

    It exits without Python's own teardown, which takes 4 ms of the 26 that `url` has; nothing in dinv relies
    on it: whatever must be closed or removed is, where it was made.
    """
    # A command is over before there is garbage worth collecting: looking for it takes 1 ms of each start.
    gc.set_threshold(20_000)
    _open_streams()
    _count_children()
    status = main()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            status = status or 1
    os._exit(status)


def _open_streams() -> None:
    """Open /dev/null for streams that the caller has closed (`>&-`), for which Python has none.

    In this order, so that each gets its own number, and no socket gets the number of standard output.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115  (for good)
    # Characters that the encoding lacks are shown escaped, and are not an error; the bytes of a path that are
    # not text are written unchanged, for example in `env`.
    codecs.register_error("dinv", _encode_anyway)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="dinv")


def _count_children() -> None:
    """Allow waiting for children, which is impossible if the caller has set SIGCHLD to be ignored.

    Some supervisors and CI runners do that, and it survives exec (signal(7)): a child's status would be lost.
    """
    # The C part of `signal`, without the enums, which take 0.5 ms.
    import _signal  # type: ignore[import-not-found]

    if _signal.getsignal(_signal.SIGCHLD) == _signal.SIG_IGN:
        _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)


def _encode_anyway(error: UnicodeError) -> tuple[str | bytes, int]:
    assert isinstance(error, UnicodeEncodeError)  # noqa: S101  (only output goes this way)
    text = error.object[error.start : error.end]
    try:
        return text.encode("ascii", "surrogateescape"), error.end
    except UnicodeEncodeError:
        return codecs.backslashreplace_errors(error)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line; return the exit status. Never shows an error of dinv's as a traceback."""
    program = os.path.basename(sys.argv[0]) if sys.argv else "dinv"
    if program == "__main__.py":
        program = "dinv"
    words = list(sys.argv[1:] if argv is None else argv)
    voice = Voice(program)
    status = _run(voice, words)
    if voice.events is not None:
        voice.events.write("done", exit_code=status)
    return status


def _run(voice: Voice, words: list[str]) -> int:
    debug = any(word in ("-D", "--debug", "-debug") for word in words)
    try:
        status = _dispatch(voice, words)
        sys.stdout.flush()
    except KeyboardInterrupt as error:
        return _fail(voice, Interrupted(2), notes=error)
    except BrokenPipeError:
        # The reader of our output has closed it. Python would complain again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
    except DinvError as error:
        return _fail(voice, error)
    except Exception as error:  # the last resort: never a traceback, unless asked for
        if debug:
            raise
        from dinv.cli.mistakes import unexpected

        return _fail(voice, unexpected(error), notes=error)
    return status


def _dispatch(voice: Voice, words: list[str]) -> int:
    from dinv.cli.app import App

    app = App(voice)
    verb, rest = app.take_global_options(words)
    if verb not in verbs.VERBS:
        from dinv.cli.mistakes import unknown_verb

        raise unknown_verb(voice, verb)
    voice.verb = verb
    # importlib.import_module does the same, but importing it takes 0.6 ms.
    module = __import__(verbs.module_name(verb), fromlist=["run"])
    try:
        status: int | None = module.run(app, app.parse(verb, module, rest))
    except DinvError as error:
        error.exit_code = max(error.exit_code, getattr(module, "LEAST_STATUS", 1))
        raise
    return status or 0


def _fail(voice: Voice, error: DinvError, *, notes: BaseException | None = None) -> int:
    import contextlib

    with contextlib.suppress(OSError):  # if the message cannot be shown, the exit status has to do
        sys.stdout.flush()
    with contextlib.suppress(OSError):
        voice.tell(error, getattr(notes or error, "__notes__", ()))
    return error.exit_code
