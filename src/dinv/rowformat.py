"""`ls --format`: a template for each row, as docker-machine takes it (docker/machine: commands/ls.go)."""

from __future__ import annotations

from dinv.tabwriter import line_up
from dinv.templates import Heading, Record, Template

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from dinv.listing import Row

_TABLE = "table"

HEADINGS = {
    "Name": "NAME",
    "Active": "ACTIVE",
    "ActiveHost": "ACTIVE_HOST",
    "ActiveSwarm": "ACTIVE_SWARM",
    "DriverName": "DRIVER",
    "State": "STATE",
    "URL": "URL",
    "SwarmOptions": "SWARM_OPTIONS",
    "Swarm": "SWARM",
    "EngineOptions": "ENGINE_OPTIONS",
    "Error": "ERRORS",
    "DockerVersion": "DOCKER",
    "ResponseTime": "RESPONSE",
    # Ours
    "IPAddress": "IP",
    "Endpoint": "ENDPOINT",
    "Image": "IMAGE",
    "Isolation": "ISOLATION",
}


class RowFormat:
    r"""`--format` as given: a template, whose rows are lined up under headings if `table` stands before it.

    In its text `\t` is a tab and `\n` a newline. Raises TemplateError.
    """

    def __init__(self, text: str) -> None:
        self._is_table = text.startswith(_TABLE)
        start = len(_TABLE) if self._is_table else 0
        start += len(text[start:]) - len(text[start:].lstrip(" "))
        self._template = Template(text.rstrip(" "), escapes=True, start=start)

    def render(self, rows: Iterable[Row]) -> str:
        """The lines for all rows, each with its newline. Raises TemplateError."""
        found = [self._template.render(Record(row.fields())) for row in rows]
        if not self._is_table:
            return "".join(f"{line}\n" for line in found)
        head = Record((field, Heading(heading)) for field, heading in HEADINGS.items())
        return line_up("".join(f"{line}\n" for line in (self._template.render(head), *found)))
