"""The figures, and the Markdown table of what was measured beside them."""

from __future__ import annotations

import statistics

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

HEAD = ("what", "median", "spread", "n", "figure", "result")


class Figure:
    """What is to be reached: at most `low`, or, where the figure is a range, at most `high`."""

    def __init__(self, low: float, high: float | None = None, *, text: str = "") -> None:
        self.low = low
        self.high = low if high is None else high
        self._text = text

    def text(self, unit: str) -> str:
        """The figure as the table shows it."""
        bound = show(self.low, unit) if self.low == self.high else f"{self.low:g} to {show(self.high, unit)}"
        return f"{bound}, {self._text}" if self._text else bound

    def verdict(self, value: float, unit: str) -> str:
        """Met or not, and by how much of the figure."""
        if value <= self.low:
            return f"met, {show(self.low - value, unit)} below ({_share(value, self.low)})"
        if value <= self.high:
            return (
                f"met, {show(self.high - value, unit)} below the upper end ({_share(value, self.high)}), "
                f"{show(value - self.low, unit)} above the lower"
            )
        return f"**not met**, {show(value - self.high, unit)} above ({_share(value, self.high)})"


def show(value: float, unit: str) -> str:
    """A value with its unit, with as many digits as can be told apart."""
    return f"{value:.2f} {unit}" if unit in ("s", "x") else f"{value:.1f} {unit}"


def _share(value: float, bound: float) -> str:
    return f"{(value / bound - 1) * 100:+.0f} %"


def row(
    what: str,
    values: Sequence[float],
    unit: str,
    figure: Figure | None = None,
    *,
    failure: str = "",
) -> tuple[str, ...]:
    """One line of the table: the median of `values` is what is held against the figure.

    The spread is the range, and from three values on the quartiles. `failure` says what was wrong apart
    from the time; then the figure is not met whatever the time.
    """
    middle = statistics.median(values)
    spread = ""
    if len(values) > 1:
        spread = f"{show(min(values), unit)} to {show(max(values), unit)}"
    if len(values) > 2:
        first, _, third = statistics.quantiles(values, n=4, method="inclusive")
        spread += f", half within {show(first, unit)} to {show(third, unit)}"
    result = figure.verdict(middle, unit) if figure else ""
    if failure:
        result = f"**not met**: {failure}"
    return (
        what,
        show(middle, unit),
        spread,
        str(len(values)),
        figure.text(unit) if figure else "",
        result,
    )


def table(rows: Sequence[Sequence[str]], head: Sequence[str] = HEAD) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
