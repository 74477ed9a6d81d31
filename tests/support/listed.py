"""Machines that can be listed: their endpoint answers what a test says, and notes how often it was asked."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from fake_driver import FakeDriver

from dinv.store.record import READY, MachineConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from dinv.states import Status
    from dinv.store.store import Store


class Asked(FakeDriver):
    """Answers by the name of the machine's endpoint; notes how often it was asked."""

    name = "asked"
    calls: list[list[str]]
    answers: dict[str, Callable[[], Status]]

    @classmethod
    def group_key(cls, config: MachineConfig) -> str:
        return str(config.driver["Endpoint"]["URL"])

    @classmethod
    def states(
        cls,
        configs: Iterable[MachineConfig],
        store: Store,
        *,
        timeout: float,
        trace: Callable[[str], None] | None = None,
    ) -> dict[str, Status]:
        configs = list(configs)
        cls.calls.append([config.name for config in configs])
        answer = cls.answers[cls.group_key(configs[0])]
        return {config.name: answer() for config in configs}


def add(store: Store, name: str, endpoint: str = "e", *, phase: str = READY, **driver: Any) -> None:
    config = MachineConfig.new(
        name=name, store_path=store.path, driver_name="asked", identity=f"id-{name}", created="now"
    )
    config.driver.update(
        {"Endpoint": {"URL": endpoint}, "URL": f"tcp://127.0.0.1:{2000 + len(name)}", **driver}
    )
    config.ours.update(Phase=phase, DockerVersion="26.1.5")
    with store.claim(name, "creating it"):
        store.save(config)


def spoil(store: Store, name: str) -> None:
    os.makedirs(store.directory(name))
    with open(os.path.join(store.directory(name), "config.json"), "wb") as file:
        file.write(b"{")


def of_docker_machine(store: Store, name: str, **driver: Any) -> None:
    """A machine as docker-machine makes it."""
    add(store, name, **driver)
    config = store.load(name)
    del config.document()["Dinv"]
    config.document()["DriverName"] = "virtualbox"
    store.save(config)


def raising(error: Exception) -> Callable[[], Status]:
    def answer() -> Status:
        raise error

    return answer
