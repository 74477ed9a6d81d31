"""One verb for several machines at once."""

from __future__ import annotations

import threading

from dinv.errors import DinvError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dinv.cli.voice import Voice


def for_each(
    voice: Voice,
    names: Sequence[str],
    action: Callable[[str], None],
    *,
    forgiven: tuple[type[DinvError], ...] = (),
    more: bool = False,
) -> int:
    """Call `action` for each name, in threads if there are several; return 1 if any failed.

    Errors that are `forgiven` are shown, and do not count as failures. With a single name the error is
    raised, unless there are `more` in other calls.
    """
    failed = []

    def act(name: str) -> None:
        try:
            action(name)
        except DinvError as error:
            error.about = name
            raise

    def attempt(name: str) -> None:
        try:
            act(name)
        except forgiven as error:
            voice.tell(error)
        except BrokenPipeError:  # the reader of our output has closed it
            failed.append(name)
        except Exception as error:  # noqa: BLE001  (in a thread it would end in a traceback, but with success)
            failed.append(name)
            bug = DinvError(f"A bug in dinv: {error!r}. Please report it.")
            voice.tell(error if isinstance(error, DinvError) else bug, getattr(error, "__notes__", ()))

    if len(names) == 1 and not forgiven and not more:
        act(names[0])
        return 0
    threads = [threading.Thread(target=attempt, args=(name,), daemon=True) for name in dict.fromkeys(names)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return 1 if failed else 0
