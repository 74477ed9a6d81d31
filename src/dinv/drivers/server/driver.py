"""Machines of a dinv server: it makes them and looks after them; keys are made here and stay here.

What is made is asked for with a key of the request, recorded before, so that a create that was killed finds
what it had asked for.
"""

from __future__ import annotations

import os
import time

from dinv.drivers.recorded import RecordedDriver
from dinv.drivers.remote import Given, Remote
from dinv.drivers.server.calls import NO_ROUTE, Calls, text
from dinv.drivers.server.machines import ServerMachines, login_for, status
from dinv.errors import (
    CertificateError,
    MachineGoneThere,
    MachineNotFound,
    NoServer,
    NotLoggedIn,
    NotSupported,
    ServerRefused,
    ServerUnreachable,
)
from dinv.formats.durations import format_duration
from dinv.formats.host_port import of_url
from dinv.formats.urls import is_url
from dinv.progress import Progress
from dinv.states import ERROR, RUNNING
from dinv.store.lease import Lease
from dinv.store.login import Login
from dinv.timeouts import SERVE_SECONDS
from dinv.wording import command, option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Any, ClassVar, NoReturn

    from dinv.channel import Channel
    from dinv.declaration import Option
    from dinv.drivers.remote import Held
    from dinv.drivers.server.shell import Shell
    from dinv.formats.kinds import Kinds
    from dinv.states import Status
    from dinv.store.record import MachineConfig
    from dinv.store.store import Store
    from dinv.system.deadline import Deadline

CREATE_SECONDS = 900.0
"""For a create on the server, its queue not counted: an image may have to be pulled there."""
REMOVE_SECONDS = 60.0
USUAL_SHARE_SECONDS = 30 * 86400


class ServerDriver(RecordedDriver, Remote):
    """A machine that a dinv server makes and looks after."""

    name = "server"
    startable: ClassVar[bool] = True
    ends_machines: ClassVar[bool] = True
    kinds: ClassVar[Kinds] = {
        "Server": str,
        "MachineID": str,
        "RequestKey": str,
        "Template": str,
        "TLS": bool,
    }

    def __init__(
        self, config: MachineConfig, store: Store, *, trace: Callable[[str], None] | None = None
    ) -> None:
        super().__init__(config, store, trace=trace)
        self._progress = Progress()
        self._calls: Calls | None = None
        self._shell: Shell | None = None

    def close(self) -> None:
        if self._shell is not None:
            self._shell.close()
        if self._calls is not None:
            self._calls.close()

    @property
    def _there(self) -> ServerMachines:
        if self._calls is None:
            self._calls = Calls.of(login_for(self.store.path, str(self.config.driver["Server"])))
        return ServerMachines(self._calls)

    @property
    def _id(self) -> str:
        """Raises MachineGoneThere for a create that has not come so far as to know it."""
        found = str(self.config.driver.get("MachineID") or "")
        if not found:
            raise MachineGoneThere(self.config.name, str(self.config.driver.get("Server")))
        return found

    # Making one

    @classmethod
    def create_flags(cls) -> tuple[Option, ...]:
        # Not with the module, which `status` and `env` load.
        from dinv.declaration import SWITCH, Option

        return (
            Option(
                "template",
                "DINV_TEMPLATE",
                "which of the server's templates (its default one)",
                metavar="NAME",
            ),
            Option(
                "existing",
                "",
                "take the machine of this name that one has there",
                type=SWITCH,
                default=False,
                hidden=True,
            ),
        )

    def set_config_from_flags(self, values: Mapping[str, Any], progress: Progress) -> None:
        login = Login.of(self.store.path)
        if login is None:
            raise NoServer(f'Machine "{self.config.name}"')
        self._progress = progress
        kept = self.config.driver
        kept["Server"] = login.url
        kept["Template"] = str(values.get("template") or "")
        kept["TLS"] = True
        # One that is taken was made by somebody else: what undoes a create must not find it.
        kept["RequestKey"] = "" if values.get("existing") else os.urandom(16).hex()

    def pre_create_check(self, progress: Progress) -> None:
        """What it may have, the server says when it is asked for it."""

    def create(
        self, environment: Mapping[str, str], command: Sequence[str], mounts: Mapping[str, str]
    ) -> None:
        there, progress = self._there, self._progress
        name, url = self.config.name, there.calls.url
        if not self.config.driver.get("RequestKey"):
            self._take()
            return
        with progress.working("Machine", f"asking {url} for {name}"):
            found = self._first_request()
            machine = text(found, "id", url)
            self.config.driver["MachineID"] = machine
            self.store.save(self.config)
            if found.get("state") != "ready":
                found = there.settle(
                    machine,
                    name,
                    "ready",
                    timeout=CREATE_SECONDS,
                    said=lambda kind, text: _tell(progress, kind, text),
                )
        self.config.docker_version = str(found.get("docker_version") or "")
        progress.line("Machine", f"from {url}, template {found.get('template')}", "ready")
        self._keep_end(found)
        if self.config.lease is not None:
            progress.line("Lease", f"until {self.config.lease.expires}")
        self.certify()
        progress.line("Certificates", "client (ECDSA P-256)", "issued")

    def _keep_end(self, found: dict[str, Any]) -> str:
        """Record until when the server keeps it; return that, RFC 3339, or ""."""
        expires = str(found.get("expires_at") or "")
        expires = f"{expires[:19]}Z" if expires else ""
        ttl = self.config.lease.ttl if self.config.lease is not None else 0
        self.config.lease = Lease(ttl=ttl, expires=expires) if expires else None
        return expires

    def _take(self) -> None:
        """Use the one of this name that is there. Raises MachineNotFound."""
        found = self._there.get(self.config.name)
        if found is None or found.get("name") != self.config.name:
            raise MachineNotFound(self.config.name)
        machine = text(found, "id", self._there.calls.url)
        self.certify(machine)
        self.config.docker_version = str(found.get("docker_version") or "")
        self._keep_end(found)
        self.config.driver["MachineID"] = machine

    def _first_request(self) -> dict[str, Any]:
        """Ask for it; where it is sure that none was made, nothing is left to be undone."""
        try:
            return self._request()
        except (NotLoggedIn, ServerRefused) as error:
            self.config.driver["RequestKey"] = ""
            if isinstance(error, ServerRefused) and error.status == 404 and error.kind != NO_ROUTE:
                error.add_note(self._there.templates())
            raise
        except ServerUnreachable as error:
            if not error.sent:
                self.config.driver["RequestKey"] = ""
            raise

    def _request(self) -> dict[str, Any]:
        kept, lease = self.config.driver, self.config.lease
        return self._there.request(
            template=str(kept.get("Template") or ""),
            name=self.config.name,
            ttl=format_duration(lease.ttl) if lease is not None else "",
            key=str(kept.get("RequestKey") or ""),
            timeout=SERVE_SECONDS,
        )

    def certify(self, machine: str = "") -> None:
        """Make a key, have it certified there, and write what a client needs. Raises CertificateError."""
        from dinv.pki.certificates import Pair, check_pair, new_key, request
        from dinv.system.files import replace_set

        key = new_key()
        asked = request(key, role="client", names=(), machine=self.config.name)
        answer = self._there.certificate(machine or self._id, self.config.name, asked.csr)
        url, ca, certificate = (str(answer.get(field)) for field in ("url", "ca", "certificate"))
        if not is_url(url):
            raise CertificateError(f"The dinv server {self._there.calls.url} gave no address of the machine.")
        check_pair(
            Pair(key, certificate.encode(), "the new key", "the server's answer"),
            anchor_pem=ca.encode(),
            role="client",
        )
        self._is_at(url)
        replace_set(
            self.config.directory,
            [
                ("ca.pem", ca.encode(), 0o644),
                ("cert.pem", certificate.encode(), 0o644),
                ("key.pem", key, 0o600),
            ],
        )

    def remove(self, *, keep_cache: bool = False) -> list[str]:
        left = [] if not keep_cache else [f"The server keeps no cache of {self.config.name}."]
        machine = str(self.config.driver.get("MachineID") or "")
        if not machine:
            if not self.config.driver.get("RequestKey"):
                return left
            # The same request again has the same answer: whether it was made before is not known here.
            try:
                machine = text(self._request(), "id", self._there.calls.url)
            except ServerRefused:
                return left
        self._there.remove(machine)
        end = time.monotonic() + REMOVE_SECONDS
        while self._there.patiently(self._there.get, machine) is not None:
            if time.monotonic() > end:
                return [*left, f"{self.config.name} is still being removed by {self._there.calls.url}."]
            time.sleep(0.2)
        return left

    # Power

    def start(self, *, timeout: float) -> None:
        self._change("start", RUNNING_THERE, timeout)

    def stop(self, *, timeout: float) -> None:
        self._change("stop", "stopped", timeout)

    def kill(self) -> None:
        self._change("stop", "stopped", SERVE_SECONDS)

    def restart(self, *, timeout: float) -> None:
        self._change("restart", RUNNING_THERE, timeout)

    def refresh_address(self) -> bool:
        found = self._there.get(self._id)
        url = str(found.get("url") or "") if found is not None else ""
        return is_url(url) and self._is_at(url)

    def _is_at(self, url: str) -> bool:
        """Record where it is; return whether that is somewhere else than before."""
        moved = self.config.driver.get("URL") != url
        self.config.driver["URL"] = url
        self.config.driver["IPAddress"] = (of_url(url) or ("", 0))[0]
        return moved

    def _change(self, what: str, wanted: str, timeout: float) -> None:
        self._there.do(what, self._id, self.config.name)
        self._there.settle(self._id, self.config.name, wanted, timeout=max(timeout, SERVE_SECONDS))

    def refuse(self, doing: str) -> NoReturn:
        raise NotSupported(self.config.name, f'Machine "{self.config.name}" ' + self.left_alone + ".")

    # Its state

    @classmethod
    def group_key(cls, config: MachineConfig) -> str:
        return str(config.driver.get("Server"))

    @classmethod
    def states(
        cls,
        configs: Iterable[MachineConfig],
        store: Store,
        *,
        timeout: float,
        trace: Callable[[str], None] | None = None,
    ) -> dict[str, Status]:
        several = list(configs)
        found: dict[str, dict[str, Any]] = {}
        if several:
            calls = Calls.of(login_for(store.path, cls.group_key(several[0])))
            try:
                found = {str(each.get("id")): each for each in ServerMachines(calls).all(timeout=timeout)}
            finally:
                calls.close()
        return {
            config.name: status(found.get(str(config.driver.get("MachineID") or ""))) for config in several
        }

    def observed(self, status: Status) -> str:
        if status.state == ERROR:
            raise MachineGoneThere(self.config.name, str(self.config.driver.get("Server")))
        return status.state

    def facts(self) -> dict[str, Any]:
        server = str(self.config.driver.get("Server") or "")
        return {"endpoint": server, "isolation": "", "machine": f"of {server}"}

    def logs(
        self,
        *,
        tail: int | None,
        follow: bool,
        timestamps: bool,
        timeout: float | Deadline | None = None,
    ) -> Iterator[bytes]:
        if timestamps:
            raise NotSupported(
                self.config.name,
                f'The log of machine "{self.config.name}" comes from its dinv server, which tells no times: '
                "leave " + option("timestamps") + " out.",
            )
        return self._there.log(self._id, tail=tail, follow=follow, timeout=timeout)

    # Into it

    def channel(self) -> Channel:
        from dinv.drivers.server.shell import Shell

        if self.state(timeout=SERVE_SECONDS).state != RUNNING:
            from dinv.errors import MachineNotRunning

            raise MachineNotRunning(self.config.name)
        if self._shell is None:
            self._shell = Shell(self.config, trace=self.trace)
        return self._shell.channel()

    # Whose it is

    @property
    def keeper(self) -> str:
        return ""

    def renewal(self, file: str) -> str:
        return command("regenerate-certs", self.config.name)

    @property
    def left_alone(self) -> str:
        name = self.config.name
        return (
            f"is looked after by the dinv server {self.config.driver.get('Server')}, which makes it by a "
            "template. To have it as that is now: "
            + command("rm", name)
            + ", and then "
            + command("create", name)
        )

    @classmethod
    def check_export(cls, config: MachineConfig) -> None:
        server = str(config.driver.get("Server"))
        raise NotSupported(
            config.name,
            f'Machine "{config.name}" is on the dinv server {server}: any computer that is logged in to that '
            "has it, with a key of its own. There: "
            + command("login", server)
            + ", and then "
            + command("env", config.name),
        )

    def remote(self) -> Remote:
        return self

    def share(self, holder: str, csr: bytes, lifetime: int | None) -> Given:
        period = format_duration(lifetime or USUAL_SHARE_SECONDS)
        answer = self._there.share(self._id, self.config.name, holder, period, csr)
        url, ca, certificate, serial, not_after = (
            str(answer.get(field)) for field in ("url", "ca", "certificate", "serial", "not_after")
        )
        return Given(url, ca.encode(), certificate.encode(), serial=serial, not_after=not_after)

    def held(self) -> list[Held]:
        return self._there.shares(self._id, self.config.name)

    def revoke(self, serial: str) -> None:
        self._there.revoke(self._id, self.config.name, serial)

    def extend(self, seconds: int) -> str:
        by = {"by": format_duration(seconds)}
        return self._keep_end(self._there.do("extend", self._id, self.config.name, by))


RUNNING_THERE = "ready"
"""The server's word for a machine that serves."""


def _tell(progress: Progress, kind: str, text: str) -> None:
    if kind == "warning":
        progress.warn(text)
    elif kind == "note":
        progress.note(text)
    else:
        progress.update(text)
