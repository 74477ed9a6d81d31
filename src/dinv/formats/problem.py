"""What is wrong in a file, and where: for readers that find all problems before they give up."""

from __future__ import annotations


class Problem:
    """One thing that is wrong in a file.

    `line` and `column` count from 1; `path` is where in the document it is, such as "machines.dev.memory", ""
    for the document itself; `message` continues a sentence that the path begins, or stands alone.
    """

    def __init__(self, line: int, column: int, path: str, message: str) -> None:
        self.line = line
        self.column = column
        self.path = path
        self.message = message

    def __repr__(self) -> str:
        return f"<Problem {self}>"

    def __str__(self) -> str:
        said = f"{self.path} {self.message}" if self.path else self.message
        return f"line {self.line}, column {self.column}: {said}"

    @property
    def key(self) -> tuple[int, int, str]:
        """What tells two problems apart, and their order: what is said of one place once is said."""
        return self.line, self.column, self.message
