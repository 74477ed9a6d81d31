"""What `dinv image check` prints."""

from __future__ import annotations

from dinv.cli.voice import put

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.cli.app import App
    from dinv.cli.parser import Options
    from dinv.cli.show.formatting import Format
    from dinv.cli.voice import Voice
    from dinv.image_building.check.report import Finding

_INDENT = " " * 10


def run(app: App, options: Options, form: Format | None) -> int:
    """Check an image, and print what was found as it is found; return the exit status: 1 if it lacks some."""
    from dinv.cli.show import records

    told = form is None and not options.quiet
    with app.interruptible():
        made = app.machines.check_image(
            options.what,
            endpoint=options.endpoint,
            cert_path=options.endpoint_cert_path,
            report=_Shown(app.voice) if told else lambda _finding: None,
            progress=app.progress(),
        )
    if form is not None:
        form.show_all(records.of_findings(made))
    kept = made.keeps_contract
    count = sum(finding.state == "lacks" for finding in made.findings)
    if told and kept:
        put(f"{made.image} keeps the contract {made.contract}.")
    elif told and made.contract:
        put(f"{made.image} lacks {count} of what the contract {made.contract} needs.")
    elif told:
        put(f"{made.image} is not a machine image.")
    return 0 if kept else 1


class _Shown:
    """Prints findings as they come; of several that were not tried for the same reason, the first."""

    def __init__(self, voice: Voice) -> None:
        self._voice = voice
        self._untried = ""

    def __call__(self, finding: Finding) -> None:
        if finding.state == "untried" and finding.said == self._untried:
            return
        said, mend = self._voice.called(finding.said), self._voice.called(finding.mend)
        text = f"{finding.state:9} {finding.check}{f': {said}' if said else ''}"
        if finding.state == "untried":
            self._untried = finding.said
            text += "; nor is anything after it"
        lines = [text]
        if finding.state in ("lacks", "remark"):
            lines += [f"{_INDENT}Why: {finding.why}.", f"{_INDENT}To add it: {mend}."]
        put("\n".join(lines))
