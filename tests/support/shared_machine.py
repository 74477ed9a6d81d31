"""A machine of the fake driver with real certificates, whose daemon can refuse single ones."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from fake_driver import FakeProvisioner, World

from dinv.lifecycle.host import Host, certificates
from dinv.states import RUNNING
from dinv.store import access_log
from dinv.store.record import READY, MachineConfig

if TYPE_CHECKING:
    from tls_daemon import TLSDaemon

    from dinv.authorities.shared import SharedAuthority
    from dinv.store.store import Store


class FrontProvisioner(FakeProvisioner):
    """Puts its files where a TLSDaemon has its own; with `front` that refuses what is revoked."""

    daemon: TLSDaemon | None = None
    front = True

    def rotates_in_place(self) -> bool:
        World.current.step("rotates in place?")
        return self.front

    def provision(self) -> None:
        super().provision()
        records, _ = access_log.read(self.config.directory)
        if self.daemon is not None:
            for name in ("ca.pem", "server.pem", "server-key.pem"):
                shutil.copy(os.path.join(self.config.directory, name), self.daemon.directory)
            with open(os.path.join(self.daemon.directory, "revoked"), "w", encoding="ascii") as file:
                file.writelines(f"{serial}\n" for serial in access_log.revoked(records))

    def activate(self, *, starting: bool = False) -> None:
        super().activate(starting=starting)
        if self.daemon is not None:
            self.daemon.reload()

    def activate_certificates(self, *, starting: bool = False) -> None:
        World.current.step("activate certificates")
        if self.daemon is not None:
            self.daemon.reload()


def shared_machine(
    world: World, store: Store, *, url: str = "tcp://192.0.2.7:2376", ca: SharedAuthority | None = None
) -> Host:
    """The machine dev, running."""
    config = MachineConfig.new(
        name="dev", store_path=store.path, driver_name="fake", identity="x", created="now"
    )
    config.driver.update(URL=url, IPAddress="192.0.2.7", Port=2376)
    config.ours.update(Phase=READY, ImageContract="dinv")
    if ca is not None:
        ca.make_missing()
        ca.record(config)
    machine = Host(config, store)
    with store.claim("dev", "creating it"):
        store.save(config)
        certificates.issue(machine)
    world.put("container-dev", "x")
    world.states["dev"] = RUNNING
    world.steps.clear()
    return machine
