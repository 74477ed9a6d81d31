"""Does an image keep its contract? A machine is made of it, and each promise tried: `dinv image check`.

What is tried is a list of small objects, `checks.LOOKS` and `checks.TRIALS`. The machine is one of the store,
so `rm` finds what a check that was killed has left, and so does the next check.
"""

from __future__ import annotations

import os
import time

from dinv import images
from dinv.errors import DinvError, ImageCheckBusy, Interrupted, MachineExists
from dinv.image_building.check.checks import LOOKS, SERVES, TRIALS
from dinv.image_building.check.report import LACKS, OK, REMARK, UNTRIED, Finding, ImageReport
from dinv.image_building.check.subject import Subject
from dinv.lifecycle.create import CreateOptions, create
from dinv.lifecycle.remove import remove
from dinv.options import Table
from dinv.system import locks
from dinv.timeouts import SERVE_SECONDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from dinv.engine import Engine
    from dinv.image_building.check.checks import Check
    from dinv.lifecycle.host import Host
    from dinv.progress import Progress
    from dinv.store.store import Store

NAME = "dinv-image-check"
"""The machine's name; a store has one at a time."""
_LOCK = ".image-check.lock"
_MARK = {"dinv.image-check": "temporary"}
"""The label of that machine: one of this name without it is somebody's own."""


def check(
    store: Store,
    engine: Engine,
    reference: str,
    progress: Progress,
    *,
    endpoint: str | None = None,
    cert_path: str | None = None,
    timeout: float = SERVE_SECONDS,
    report: Callable[[Finding], object] = lambda _finding: None,
    trace: Callable[[str], None] | None = None,
) -> ImageReport:
    """Make a machine of an image, and try what its contract promises, one by one; remove the machine.

    `engine` is a client of the endpoint that `endpoint` and `cert_path` name. `timeout` is in seconds, for
    the machine to answer. `report` gets each finding as it is made. What is found is no error. Raises
    ImageMissing, ImageCheckBusy, MachineExists for a machine of the user's with the name that is used here,
    and the errors of reaching an endpoint.
    """
    from dinv.drivers.docker.flavours import detect
    from dinv.drivers.docker.image import ensure

    found = ensure(engine, reference, progress, advice=detect(engine.info()).image_advice)
    config = found.get("Config") or {}
    contract = images.recognise(config)
    made = ImageReport(reference, contract, [])
    subject = Subject(reference, config, contract, trace)

    def tell(finding: Finding) -> None:
        made.findings.append(finding)
        report(finding)

    for look in LOOKS:
        tell(_tried(look, subject))
    if not contract:
        for trial in (SERVES, *TRIALS):
            tell(_finding(trial, UNTRIED, "its contract is not known"))
        return made
    os.makedirs(store.path, exist_ok=True)
    try:
        lock = locks.open_locked(os.path.join(store.path, _LOCK))
    except BlockingIOError as error:
        raise ImageCheckBusy(store.path) from error
    try:
        _remove_left(store, progress, trace)
        options = _options(reference, endpoint, cert_path, timeout)
        for finding in _on_machine(store, options, subject, progress, trace):
            tell(finding)
    finally:
        os.close(lock)
    return made


def _on_machine(
    store: Store,
    options: CreateOptions,
    subject: Subject,
    progress: Progress,
    trace: Callable[[str], None] | None,
) -> Iterator[Finding]:
    """Make the machine, yield what comes of each trial, and remove it whatever happens."""
    from dinv.progress import Progress as Silent

    try:
        with progress.working("Machine", f"making one of {subject.reference}"):
            host = create(store, NAME, options, Silent(), trace=trace)
    except Interrupted:
        raise
    except DinvError as error:
        yield _finding(SERVES, LACKS, _lines(error))
        for trial in TRIALS:
            yield _finding(trial, UNTRIED, "there is no machine to try it on")
        return
    try:
        yield _finding(SERVES, OK, "")
        subject.use(host)
        well = True
        for trial in TRIALS:
            if not trial.when(subject):
                continue
            with progress.working("Check", trial.name):
                # One that does not answer any more is not waited for again and again.
                well = well and subject.is_well()
                gone = _finding(trial, UNTRIED, "the machine does not answer any more")
                finding = _tried(trial, subject) if well else gone
            yield finding
    finally:
        host.close()
        with progress.working("Machine", f"removing {NAME}"):
            remove(store, NAME, force=True, progress=Silent(), trace=trace)


def _tried(check: Check, subject: Subject) -> Finding:
    try:
        said = check.run(subject)
    except Interrupted:
        raise
    except (DinvError, OSError, ValueError) as error:
        said = _lines(error)
    if not said:
        return _finding(check, OK, "")
    return _finding(check, LACKS if check.needed else REMARK, said)


def _finding(check: Check, state: str, said: str) -> Finding:
    return Finding(check.name, state, said, check.why, check.mend, needed=check.needed)


def _lines(error: Exception) -> str:
    """Return an error's first line, and its last: a machine that has died says there why."""
    text = error.text if isinstance(error, DinvError) else str(error)
    if text and "\n" not in text:
        return text  # with the commands that it names
    lines = [line.strip() for line in text.splitlines() if line.strip()] or [type(error).__name__]
    return " ".join(dict.fromkeys((lines[0], lines[-1])))


def _options(reference: str, endpoint: str | None, cert_path: str | None, timeout: float) -> CreateOptions:
    """Return those of a machine with nothing of the user's: no cache volume, no cluster, no context."""
    given: dict[str, Any] = {
        "driver": "docker",
        "image": reference,
        "endpoint": endpoint,
        "endpoint_cert_path": cert_path,
        "label": _MARK,
        "context": False,
        "timeout": timeout,
    }
    variables = {
        name: value for name, value in os.environ.items() if name.startswith(("DINV_ENDPOINT", "DOCKER_"))
    }
    return CreateOptions.of(Table.chosen(given, variables).values(given, variables))


def _remove_left(store: Store, progress: Progress, trace: Callable[[str], None] | None) -> None:
    """Remove the machine of a check that was killed. Raises MachineExists for one that is not such a one."""
    from dinv.lifecycle.host import Host

    if not store.exists(NAME):
        return
    try:
        host: Host = Host(store.load(NAME), store, trace=trace)
    except DinvError:  # a record that was never written, or is damaged: only a check makes this name
        host_labels = _MARK
    else:
        host_labels = host.config.driver.get("Labels") or {}
        host.close()
    if not _MARK.items() <= dict(host_labels).items():
        raise MachineExists(NAME)
    started = time.monotonic()
    with progress.working("Machine", f"removing the {NAME} of a check that was killed"):
        remove(store, NAME, force=True, progress=progress, trace=trace)
    if trace is not None:
        trace(f"removed what a killed check had left in {time.monotonic() - started:.1f} s")
