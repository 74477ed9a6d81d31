"""`--format` with a template for each record, as docker-machine's `ls` takes it (commands/ls.go there)."""

from __future__ import annotations

from dinv.formats.table import line_up
from dinv.formats.template import Heading, Record, Template

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

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
    # dinv's own
    "IPAddress": "IP",
    "Reached": "REACHED",
    "Endpoint": "ENDPOINT",
    "Image": "IMAGE",
    "Isolation": "ISOLATION",
    "CertExpiry": "CERT EXPIRY",
    "CAExpiry": "CA EXPIRY",
    "Expires": "EXPIRES",
    "Cluster": "CLUSTER",
    "ClusterRole": "CLUSTER ROLE",
    "ClusterState": "CLUSTER STATE",
}


def heading(field: str) -> str:
    """Return a field's heading: docker-machine's word, or the field's name: UsedPercent is USED PERCENT."""
    import re

    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z][a-z0-9]*", field)
    return HEADINGS.get(field) or " ".join(words).upper()


class RowFormat:
    r"""A `--format` value: a template, whose rows are aligned under headings if it begins with `table`.

    `\t` in its text is a tab and `\n` a newline, unless `escapes` is false. Raises TemplateError.
    """

    def __init__(self, text: str, *, escapes: bool = True) -> None:
        self._is_table = text.startswith(_TABLE)
        start = len(_TABLE) if self._is_table else 0
        start += len(text[start:]) - len(text[start:].lstrip(" "))
        self._template = Template(text.rstrip(" "), escapes=escapes, start=start)

    def render(self, records: Iterable[Mapping[str, Any]], head: Iterable[str] = ()) -> str:
        """Return the lines for all records, each with its newline; `head`: the fields if there is no record.

        A field that a record does not have is an error. Raises TemplateError.
        """
        rows = [Record(record) for record in records]
        found = [self._template.render(row) for row in rows]
        if not self._is_table:
            return "".join(f"{line}\n" for line in found)
        fields = rows[0] if rows else head
        headings = Record((field, Heading(heading(field))) for field in fields)
        return line_up("".join(f"{line}\n" for line in (self._template.render(headings), *found)))
