"""A machine that exists against what its file says: which options differ, and by which means they change."""

from __future__ import annotations

from dinv.declaration import PAIRS
from dinv.declared import leased
from dinv.declared.changes import CHANGE, NOTHING, REPLACE, Change
from dinv.drivers import Difference
from dinv.drivers.alteration import RELOAD
from dinv.errors import OptionError
from dinv.lifecycle.change import operation, plan
from dinv.lifecycle.change.unchangeable import CERTIFICATES, IMAGE, LEASE, OF_THE_CREATE
from dinv.lifecycle.host import Host

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from typing import Any

    from dinv.declaration import Option
    from dinv.declared.wanted import Wanted
    from dinv.lifecycle.change.plan import Plan
    from dinv.progress import Progress
    from dinv.store.lease import Lease
    from dinv.store.record import MachineConfig
    from dinv.store.store import Store

REPLACED, UPGRADED, RENEWED = "replacement", "upgrade", "new certificates"
"""Means beside those of `set`."""
_CACHE = "registry_cache"
_SEAMS = {"driver": "driver_name", "provisioner": "provisioner", "authority": "authority"}
"""Where a record says what was chosen: a machine that is taken over is judged by it."""


def compare(
    store: Store,
    config: MachineConfig,
    wanted: Wanted,
    progress: Progress,
    *,
    finish: bool = False,
    coming: Collection[str] = (),
    trace: Callable[[str], None] | None = None,
) -> Change:
    """Return what would be done about a machine that exists and is finished.

    What its file has said before is recorded with it: what differs from that is changed, and what the file
    says no more is taken back. What can be changed is compared with the machine itself, too. With `finish`,
    what was killed is finished or undone first. `coming` are caches that will be there by then. Raises what
    `Machine.plan_change` raises.
    """
    comparison = Comparison(Host(config, store, trace=trace), wanted, coming)
    with comparison.machine:
        comparison.sort()
    found: Plan | None = None
    if comparison.settings or config.unsettled:
        found = comparison.planned(
            lambda settings: operation.change(
                store, config.name, progress, options=settings, dry_run=True, finish=finish, trace=trace
            )
        )
    return comparison.result(found)


class Comparison:
    """One machine and what is wanted, sorted by what can bring about each difference."""

    def __init__(self, machine: Host, wanted: Wanted, coming: Collection[str] = ()) -> None:
        self.machine = machine
        self.wanted = wanted
        self.coming = coming
        applied = machine.config.applied
        self.taken_over = applied.get("File") != wanted.file
        self.before: dict[str, Any] = {} if self.taken_over else dict(applied.get("Options") or {})
        self.after = wanted.recorded()
        self.changeable = plan.known(machine)
        self.settings: dict[str, Any] = {}
        self.image = ""
        self.certificates: dict[str, Any] = {}
        self.lease: tuple[Lease | None] | None = None
        self.differences: list[Difference] = []
        self.replaced = False
        self.notes: list[str] = []

    def sort(self) -> None:
        """Go through all options that the file names, or has named."""
        unknown = []
        for key in dict.fromkeys([*self.after, *self.before]):
            if key in OF_THE_CREATE or key in LEASE or key.endswith("_rm"):
                continue
            if key == _CACHE and self.after.get(key) in self.coming:
                there = self.machine.config.registry_cache
                self.differences.append(Difference("registry-cache", there, str(self.after[key]), (key,)))
                self.differences[-1].means = RELOAD
            elif key in self.changeable or key == _CACHE:
                self._set(key)
            elif self.taken_over:
                if not self._same_seam(key):
                    unknown.append(key.replace("_", "-"))
            elif self.before.get(key) != self.after.get(key):
                self._differs(key)
        if unknown:
            self.notes.append(f"is taken as it is: {', '.join(unknown)} cannot be compared")

        if self.machine.driver.remote() is None:  # a server has a lease of its own
            self._compare_lease()

    def _compare_lease(self) -> None:
        found, lease = leased.differences(self.machine.config.lease, self.before, self.after)
        if found:
            self.differences += found
            self.lease = (lease,)

    def _set(self, key: str) -> None:
        option = self.wanted.declared.get(key) or self.changeable.get(key)
        if key in self.wanted.options and key in self.after:
            self.settings[key] = self.wanted.options[key]
        elif option is None or not option.repeatable:
            self.settings[key] = ""
        if option is not None and option.repeatable and f"{key}_rm" in self.changeable:
            gone = _gone(option, self.before.get(key) or (), self.after.get(key) or ())
            if gone:
                self.settings[f"{key}_rm"] = gone

    def _same_seam(self, key: str) -> bool:
        """Whether a machine that is taken over is known to have this; if it has another, it is replaced."""
        attribute = _SEAMS.get(key)
        if attribute is None:
            return False
        there = str(getattr(self.machine.config, attribute))
        if there != self.after[key]:
            self.before[key] = there
            self._differs(key)
        return True

    def _differs(self, key: str) -> None:
        before, after = self.before.get(key), self.after.get(key)
        many = isinstance(before, list) or isinstance(after, list)
        option = self.wanted.declared.get(key) or self.changeable.get(key)
        said = [_listed(value) if many else _said(option, value) for value in (before, after)]
        difference = Difference(key.replace("_", "-"), said[0], said[1], (key,))
        if key in IMAGE and key != "image_contract" and after:
            self.image, difference.means = str(after), UPGRADED
        elif key in CERTIFICATES and not _asks_for_more(before, after):
            self.notes.append(f"{difference.option} stays as it was: it goes with a machine made anew")
            return
        elif key in CERTIFICATES:
            self.certificates[f"{key}s" if key == "tls_san" else key] = after
            difference.means = RENEWED
        else:
            self.replaced, difference.means = True, REPLACED
        self.differences.append(difference)

    def planned(self, plan_of: Callable[[Mapping[str, Any]], Plan]) -> Plan:
        """Return what `set` would do with the settings; those that it cannot do are taken out of them.

        They are what is to go and is not there, and what the machine was made with: `publish: none` is no
        change, and refused by `set`.
        """
        while True:
            try:
                return plan_of(self.settings)
            except OptionError as error:
                if not self._without(error.option.replace("-", "_"), error.value):
                    raise

    def _without(self, key: str, value: object) -> bool:
        """Take out of the settings what `set` refuses; return whether that could be done."""
        if key.endswith("_rm") and value in (there := list(self.settings.get(key) or ())):
            there.remove(value)
            self.settings[key] = there
            return True
        made_so = key in self.settings and not self.taken_over and self.before.get(key) == self.after.get(key)
        if made_so:
            del self.settings[key]
        return made_so

    def result(self, found: Plan | None) -> Change:
        """Return the change, given what `set` would do."""
        differences = [*(found.differences if found else ()), *self.differences]
        action = REPLACE if self.replaced else CHANGE if differences else NOTHING
        stops = (found is not None and found.stops) or bool(self.image)
        return Change(
            self.wanted.kind,
            self.wanted.name,
            action,
            wanted=self.wanted,
            record=self.machine.config,
            differences=differences,
            settings=self.settings if found else {},
            image=self.image,
            certificates=self.certificates,
            lease=self.lease,
            stops=stops and action != NOTHING,
            notes=self.notes,
        )


def _gone(option: Option, before: Any, after: Any) -> list[str]:
    """Return what a list has no more; of pairs the names."""
    if option.type != PAIRS:
        return [each for each in before if each not in after]
    names = {str(each).partition("=")[0] for each in after}
    return [
        name for name in dict.fromkeys(str(each).partition("=")[0] for each in before) if name not in names
    ]


def _asks_for_more(before: Any, after: Any) -> bool:
    """Whether new certificates are needed, and not only fewer names in them, or nothing said."""
    if isinstance(after, list):
        return bool(set(after) - set(before or ()))
    return bool(after)


def _listed(value: Any) -> list[str]:
    return [str(each) for each in value or ()]


def _said(option: Option | None, value: Any) -> str:
    if option is not None:
        return option.shown(value)
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def interrupted(config: MachineConfig) -> str:
    """Return what is half done with a machine, as a note; "" if nothing is."""
    if config.unfinished:
        return "its create was interrupted, and begins anew"
    if config.unsettled:
        return f"its {config.unsettled} was interrupted, and is settled first"
    return ""
