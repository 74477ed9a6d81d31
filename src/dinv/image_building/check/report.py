"""What `image check` finds."""

from __future__ import annotations

from typing import NamedTuple

OK, LACKS, REMARK, UNTRIED = "ok", "lacks", "remark", "untried"


class Finding(NamedTuple):
    """What came of one check.

    `state` is "ok", "lacks" (it is needed, and not there), "remark" (it is wished for, and not there) or
    "untried". `said` is what was seen, "" if all is well; `why` it matters, and how to `mend` it.
    """

    check: str
    state: str
    said: str
    why: str
    mend: str
    needed: bool


class ImageReport(NamedTuple):
    """What was found of an image; `contract` is the name of the one that it says it keeps, "" for none."""

    image: str
    contract: str
    findings: list[Finding]

    @property
    def keeps_contract(self) -> bool:
        """Whether all that its contract needs is there, and was tried."""
        return not any(
            finding.state == LACKS or (finding.state == UNTRIED and finding.needed)
            for finding in self.findings
        )
