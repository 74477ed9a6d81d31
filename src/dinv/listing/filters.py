"""`ls --filter`: which machines are listed (docker/machine: commands/ls.go).

Values of one key are alternatives; different keys must all match. Labels without `=`, in a filter or on a
machine, which crash docker-machine, are no error here.
"""

from __future__ import annotations

import re
import warnings

from dinv.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dinv.states import Status
    from dinv.store.record import MachineConfig

KEYS = ("driver", "label", "name", "state", "swarm")


class Filters:
    """Parsed `--filter` options, given as `key=value`. Raises InputError for a malformed one."""

    def __init__(self, words: Iterable[str] = ()) -> None:
        self._values: dict[str, list[str]] = {}
        self._names: list[re.Pattern[str]] = []
        for word in words:
            key, equals, value = word.partition("=")
            key = key.strip().lower()
            if not equals:
                raise InputError(f'Unsupported filter syntax\nA filter is KEY=VALUE; "{word}" is not.')
            if key not in KEYS:
                from dinv.suggestions import did_you_mean

                meant = did_you_mean(key, KEYS)
                said = f"Unsupported filter key '{key}'\nKnown are: {', '.join(KEYS)}"
                raise InputError(f"{said}\n{meant}" if meant else said)
            self._values.setdefault(key, []).append(value)
            if key == "name":
                self._names.append(_pattern(value))

    @classmethod
    def of(cls, given: Iterable[str] | Mapping[str, str | Iterable[str]]) -> Filters:
        """Parse `["key=value"]` or `{"key": value}`, a value being a string or several. Raises InputError."""
        if isinstance(given, str):
            raise InputError(f"Filters are a list or a mapping, such as [{given!r}], and not {given!r}.")
        if not hasattr(given, "items"):
            return cls(given)
        words = []
        for key, values in given.items():
            words += [f"{key}={value}" for value in ([values] if isinstance(values, str) else values)]
        return cls(words)

    @property
    def need_state(self) -> bool:
        """Whether the filters need the states of machines, so that endpoints have to be asked."""
        return "state" in self._values

    def take_record(self, name: str, config: MachineConfig | None, masters: dict[str, str]) -> bool:
        """Whether a machine passes all filters but the state filter; `config` None: unreadable record.

        `masters` has the names of swarm masters by the discovery URL of their swarm.
        """
        if self._names and not any(pattern.search(name) for pattern in self._names):
            return False
        if config is None:
            # Only its name is known, so no filter on its driver, labels or swarm matches.
            return not {"driver", "label", "swarm"} & set(self._values)
        return (
            self._is_one_of("driver", config.driver_name)
            and self._is_one_of("swarm", _swarm(config, masters))
            and self._has_label(config)
        )

    def take_status(self, status: Status) -> bool:
        """Whether the machine passes the state filter."""
        return self._is_one_of("state", status.state)

    def _is_one_of(self, key: str, found: str) -> bool:
        wanted = self._values.get(key)
        return wanted is None or found.casefold() in [value.casefold() for value in wanted]

    def _has_label(self, config: MachineConfig) -> bool:
        wanted = self._values.get("label")
        if wanted is None:
            return True
        kept = config.engine_options.get("Labels")
        labels = dict(_label(str(word)) for word in kept) if isinstance(kept, list) else {}
        return any(
            key in labels and ("=" not in word or labels[key].casefold() == value.casefold())
            for word, (key, value) in ((word, _label(word)) for word in wanted)
        )


def _swarm(config: MachineConfig, masters: dict[str, str]) -> str:
    """Return the name of the machine's cluster, or of the master of its classic swarm; "" for neither."""
    cluster = config.membership.get("Cluster")
    return str(cluster or masters.get(str(config.swarm_options.get("Discovery") or ""), ""))


def _label(word: str) -> tuple[str, str]:
    key, _, value = word.partition("=")
    return key, value


def _pattern(value: str) -> re.Pattern[str]:
    with warnings.catch_warnings():
        # FutureWarning about patterns that may change meaning: not the user's concern.
        warnings.simplefilter("ignore")
        try:
            return re.compile(value)
        except (re.error, OverflowError, RecursionError) as error:
            raise InputError(f"The filter name={value} is not a regular expression: {error}") from error
