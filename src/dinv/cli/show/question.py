"""Questions for a user at a terminal."""

from __future__ import annotations

from dinv.errors import NobodyToAsk


def confirmed(question: str, *, without: str) -> bool:
    """Return whether the answer to a question begins with y; `without` is the flag that skips the question.

    Raises NobodyToAsk.
    """
    try:
        answer = input(question)
    except (EOFError, OSError, UnicodeError) as error:
        # The question is on the line of standard output where the answer would have followed.
        print(flush=True)
        raise NobodyToAsk(without) from error
    return answer.strip()[:1].lower() == "y"
