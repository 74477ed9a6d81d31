"""The public face of a machine: one Docker host in a store, and every operation on it.

There is a method for each verb, so it is long; each says what it takes and raises, and calls what does it.
"""

from __future__ import annotations

from dinv.lifecycle.host import Host
from dinv.states import STOPPED, Status
from dinv.timeouts import CHECK_SECONDS, SERVE_SECONDS, STATE_SECONDS, STOP_SECONDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import timedelta
    from typing import Any, BinaryIO, Self, TypeVar

    from dinv.access.command import Completed
    from dinv.access.disk_usage import DiskUsage
    from dinv.access.files import Files
    from dinv.channel import Channel
    from dinv.engine import Engine
    from dinv.leases.activity import Activity
    from dinv.lifecycle.change.plan import Plan
    from dinv.lifecycle.hosts import Hosts
    from dinv.lifecycle.sharing.held import Access
    from dinv.lifecycle.sharing.share import Share
    from dinv.pki.validity import Certificates
    from dinv.progress import Progress
    from dinv.store.access_log import Record
    from dinv.store.lease import Lease
    from dinv.store.record import MachineConfig
    from dinv.store.store import Store
    from dinv.system.deadline import Deadline

    _Answer = TypeVar("_Answer")


class Machine:
    """One machine of a store, for users of the library.

    The endpoint is not contacted until a method needs it. Methods that change the machine hold its lock.
    They raise MachineBusy if another process or thread holds it, and MachineNotFound if the machine is gone.
    `progress` receives progress messages; all times are in seconds.

    A Machine may be used by one thread at a time. Threads that share a machine should each get their own
    object from `Machines.get`.
    """

    def __init__(self, host: Host) -> None:
        self._host = host

    @classmethod
    def recorded(
        cls, config: MachineConfig, store: Store, *, trace: Callable[[str], None] | None = None
    ) -> Machine:
        """Return the machine for a record that was read from `store`."""
        return cls(Host(config, store, trace=trace))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Machine {self.name} {self.url}>"

    def close(self) -> None:
        """Close the connections to the endpoint. The machine keeps running."""
        self._host.close()

    # What it is

    @property
    def name(self) -> str:
        return self._host.name

    @property
    def config(self) -> MachineConfig:
        """The machine's record; treat it as read-only."""
        return self._host.config

    @property
    def url(self) -> str:
        """The URL of its daemon, such as tcp://127.0.0.1:24561; "" while it is not known yet."""
        return self._host.url

    @property
    def ip(self) -> str:
        """The host part of `url`: an address, or the endpoint's host name as the user gave it."""
        return self._host.ip

    @property
    def directory(self) -> str:
        """The path of its directory in the store."""
        return self._host.directory

    @property
    def cert_path(self) -> str:
        """The directory with its ca.pem, cert.pem and key.pem, for DOCKER_CERT_PATH."""
        self._host.finish_certificates()
        return self._host.cert_path

    def status(self, *, timeout: float = STATE_SECONDS, expiry: bool = False) -> Status:
        """Ask the endpoint for the machine's state and any error; `timeout` in seconds.

        With `expiry`, a certificate that has expired, or is about to, also counts as an error; see `expiry`;
        and so does a lease that ends soon.
        """
        status = self._host.status(timeout=timeout)
        if not expiry:
            return status
        from dinv.wording import joined

        return Status(
            status.state, joined("; ", (status.error, self.expiry(soon=True), self._lease_ends(status)))
        )

    def _lease_ends(self, status: Status) -> str:
        """Return what to do if its lease ends soon, by this computer's clock; "" if it does not."""
        lease = self.lease
        if lease is None:
            return ""
        import time

        return lease.remark(self.name, time.time(), stopped=status.state == STOPPED)

    def inspect(self) -> dict[str, Any]:
        """Return the content of config.json, with absolute paths, and the dates of its certificates.

        They are in "Certificates", under "CA", "Server" and "Client": "Serial", "NotBefore" and "NotAfter".
        Does not contact the endpoint.
        """
        from dinv import drivers

        return {**drivers.shown(self._host.config), "Certificates": self.certificates.document()}

    def known_url(self) -> str:
        """Return `url`, for a caller that is about to connect. Raises MachineNotRunning.

        The endpoint is only asked if dinv stopped the machine: somebody else may have started it since.
        """
        return self._host.known_url()

    def known_ip(self) -> str:
        """Return `ip`, with the same check as `known_url`. Raises MachineNotRunning."""
        return self._host.known_ip()

    def own_ip(self) -> str:
        """Return its address on its own network, where its containers publish their ports.

        That address can be reached if the engine runs on this computer; `known_ip` is the daemon's address.
        """
        return self._host.own_ip()

    @property
    def reached(self) -> str:
        """How this computer reaches it: OWN_ADDRESS, PUBLISHED_PORT (`dinv.states`), or "" if unknown."""
        return self._host.reached

    @property
    def ca_elsewhere(self) -> str:
        """Where its CA is kept, as a phrase to follow "the CA is"; "" if in the machine's directory."""
        from dinv import authorities

        return authorities.ca_elsewhere(self._host.config)

    @property
    def has_tls(self) -> bool:
        """Whether its daemon is reached by mutual TLS. With the driver none it may be plain TCP."""
        return self._host.has_tls

    @property
    def has_context(self) -> bool:
        """Whether dinv has written a docker context for it."""
        return self._host.has_context

    def expiry(self, *, soon: bool = False) -> str:
        """Say what to do about a certificate that has expired, or with `soon` is about to.

        That is two weeks before its end, or when a sixth of its life is left if that is less. Returns "" if
        there is nothing to do. Only reads files.
        """
        return self._host.expiry(soon=soon)

    def tend(self) -> str:
        """Start renewing the client's certificate in the background if a third of its life is left.

        The process outlives this one, takes two minutes at most, and is not started again for an hour if it
        fails. Nothing happens where that is not dinv's to do, or if DINV_NO_AUTO_RENEW is set. Returns what
        `expiry` returns, with `soon`.
        """
        host = self._host
        if not host.has_tls:
            return ""
        found = host.certificates
        if found.due(found.client, host.config.identity):
            from dinv.lifecycle.host import by_itself

            by_itself.start([host])
        return host.about_expiry(found, soon=True)

    @property
    def certificates(self) -> Certificates:
        """The dates of its certificates: `ca`, `server` and `client`. Only reads files.

        Each has its `serial`, `not_before` and `not_after`, or is None if there is none.
        """
        return self._host.certificates

    # How to talk to it

    def check(self, *, swarm: bool = False, timeout: float = CHECK_SECONDS) -> None:
        """Check that its daemon answers a client with its certificates within `timeout` seconds.

        With `swarm`, check a manager of its swarm instead, or the classic swarm that it is the master of.
        Raises MachineUnusable, MachineNotRunning, NoSwarm, ClusterError.
        """
        from dinv.access.connect import check

        check(self._host, swarm=swarm, timeout=timeout)

    def check_files(self) -> None:
        """Check that its creation was finished and that clients can read the files they need.

        Does not contact the endpoint or the daemon, unless creation was not finished. Raises MachineUnusable.
        """
        from dinv.access.connect import check_files

        check_files(self._host)

    def look(self) -> str:
        """Check within a second whether something listens at its URL; return "" or a warning.

        Raises MachineNotRunning or MachineUnusable if the connection is refused.
        """
        from dinv.access.connect import look

        return look(self._host)

    def environment(self) -> dict[str, str]:
        """Return the environment variables that point the docker CLI and libraries at the machine.

        `docker.from_env(environment=machine.environment())` is a docker-py client.
        """
        return self._host.environment()

    def controller(self) -> Machine | None:
        """Return a machine by which its swarm is controlled, a manager that answers; it may be itself.

        None if it is in no swarm of Docker's swarm mode. Raises ClusterError.
        """
        from dinv.lifecycle.host import clients

        found = clients.controller(self._host)
        return None if found is None else self if found is self._host else Machine(found)

    def swarm_url(self) -> str:
        """Return the URL of the classic swarm that it is the master of. Raises NoSwarm."""
        from dinv.lifecycle.host import clients

        return clients.swarm_url(self._host)

    def docker_flags(self, *, swarm: bool = False) -> list[str]:
        """Return the same as flags for the docker CLI, which strips the quotes around their values itself."""
        from dinv.lifecycle.host import clients

        return clients.docker_flags(self._host, swarm=swarm)

    def engine(self, *, timeout: float = STATE_SECONDS) -> Engine:
        """Return a client of its daemon; `timeout` (seconds) applies to each call without its own."""
        from dinv.lifecycle.host import clients

        return clients.engine(self._host, timeout=timeout)

    def daemon_version(self) -> str:
        """Ask the daemon for its version."""
        from dinv.lifecycle.host import clients

        return clients.daemon_version(self._host)

    def disk_usage(self) -> DiskUsage:
        """Measure how full its image cache is. Raises MachineNotRunning, MachineGone."""
        from dinv.access.disk_usage import measure

        return measure(self._host)

    def docker_kwargs(self) -> dict[str, Any]:
        """Return keyword arguments for docker-py's DockerClient and APIClient: base_url, tls.

        Needs the package docker, for its TLSConfig.
        """
        from dinv.lifecycle.host import clients

        return clients.docker_kwargs(self._host)

    def channel(self) -> Channel:
        """Return the guest channel, which runs commands in the machine and copies files.

        Raises MachineNotRunning, MachineGone.
        """
        return self._host.channel()

    def logs(
        self,
        *,
        tail: int | None = None,
        follow: bool = False,
        timestamps: bool = False,
        timeout: float | Deadline | None = None,
    ) -> Iterator[bytes]:
        """Yield the log of its init and daemon in pieces, from the last `tail` lines or from the start.

        With `follow` it goes on until the machine stops. Raises DeadlineExceeded after `timeout`, in seconds;
        what is followed has no limit without one.
        """
        return self._host.driver.logs(tail=tail, follow=follow, timestamps=timestamps, timeout=timeout)

    # Commands and files in it

    def run(
        self,
        argv: Sequence[str],
        *,
        check: bool = False,
        input: bytes | BinaryIO | None = None,  # noqa: A002  (its name in subprocess.run)
        environment: Mapping[str, str] | None = None,
        timeout: float | None = None,
        stdout: Callable[[bytes], object] | None = None,
        stderr: Callable[[bytes], object] | None = None,
    ) -> Completed:
        """Run a command in it as root, without a shell or a terminal, and wait until it exits.

        The result has `exit_status`, `stdout` and `stderr` (bytes) and `text`. `input` is the command's
        standard input: bytes, or a file that is read to its end. If given, `stdout` and `stderr` are called
        with each piece of output as it arrives, and are empty in the result. `timeout` is in seconds, None
        for no limit; a command that exceeds it keeps running in the machine, since the Engine API cannot end
        it. If the program is missing or cannot be executed, the exit status is 127 or 126, whichever the
        engine reports.

        Raises CommandFailed if `check` is set and the exit status is not 0, DeadlineExceeded,
        MachineNotRunning, MachineGone, NotSupported.
        """
        from dinv.access.command import run

        return run(
            self._host,
            argv,
            check=check,
            input=input,
            environment=environment,
            timeout=timeout,
            stdout=stdout,
            stderr=stderr,
        )

    def shell(self, words: Sequence[str] = (), *, terminal: bool = False) -> int:
        """Run a command or a login shell on this process's standard streams, as `dinv ssh` does.

        `words` are joined with blanks and given to a shell; options of ssh may precede them. `terminal`
        allocates a terminal for a command, too. Returns the exit status, 255 if the user broke off the
        session. For a machine that is reached by the system's ssh, ssh replaces this process and nothing is
        returned. Raises InputError, MachineNotRunning, MachineGone.
        """
        from dinv.access.ssh import run_command

        return run_command(self._host, words, terminal=terminal)

    def ssh_config(self) -> str:
        """Return what plain ssh has to know of it, for ~/.ssh/config; makes no calls.

        Raises NotSupported if it has no SSH server that clients reach: `shell` gets in without one.
        """
        from dinv.access.system_ssh import configuration

        return configuration(self._host)

    @property
    def files(self) -> Files:
        """Copies files into and out of the machine, whether it is running or stopped."""
        from dinv.access.files import Files

        return Files(self._host, self._hosts())

    def mount(self, path: str, directory: str, *, user: str = "") -> None:
        """Mount its directory `path` on an empty directory of this computer, using sshfs.

        The mount outlives this process; it ends with `unmount` or when the machine stops. `path` is relative
        to the home of `user`, or of root without one. Raises ProgramMissing, MountError, MachineNotRunning,
        DeadlineExceeded.
        """
        from dinv.access.mount import mount

        mount(self._host, path, directory, user=user)

    @staticmethod
    def unmount(directory: str) -> None:
        """Unmount a directory of this computer that `mount` mounted, even if the machine is gone.

        Raises MountError, DeadlineExceeded.
        """
        from dinv.access.mount import unmount

        unmount(directory)

    def forward(
        self,
        ports: Sequence[str],
        *,
        detach: bool = False,
        progress: Progress | None = None,
        wanted: Callable[[], bool] = lambda: True,
    ) -> int:
        """Forward ports of this computer to ports of the machine, through the endpoint.

        `ports` look like `8080`, `8080:80` or `127.0.0.1:8080:80`; local port 0 picks a free one. Runs until
        `wanted`, called once a second, returns False, and returns 0. With `detach` a background process does
        the forwarding, and its pid is returned. Raises InputError, CannotListen, MachineNotRunning.
        """
        from dinv.access.forwarding import forward

        return forward(self._host, self._hosts(), ports, _silent(progress), detach=detach, wanted=wanted)

    def forwards(self) -> list[str]:
        """List its background forwards, such as "127.0.0.1:8080 -> 80 (process 7)"."""
        from dinv.store import forwards

        return [
            f"{text} (process {detached.pid})"
            for detached in forwards.found(self.directory)
            for text in detached.forwards
        ]

    def stop_forwards(self, *, progress: Progress | None = None) -> int:
        """End its background forwards; return the number of processes that were ended."""
        from dinv.store import forwards

        ended = forwards.stop(self.directory)
        _silent(progress).line("Forward", f"{ended} ended" if ended else "there was none")
        return ended

    def load_images(
        self,
        images: Sequence[str] = (),
        *,
        source: str | None = None,
        archive: str | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Load images into it. Layers that it already has are not sent.

        `source` is an endpoint, in the form `create` takes; without one, images are looked up on the engine
        that the docker CLI uses here, then on the machine's endpoint. `archive`, instead of `images`, is the
        path of a `docker save` archive, or "-" for standard input. Raises InputError, ImageError,
        MachineNotRunning.
        """
        from dinv.access.image_sources import load_images

        load_images(self._host, images, _silent(progress), source=source, archive=archive)

    # What changes it

    def start(self, progress: Progress | None = None, *, timeout: float = SERVE_SECONDS) -> None:
        """Start it, or unpause it, and wait until its daemon answers; `timeout` in seconds.

        Raises AlreadyRunning, MachineNotReady, MachineDied, MachineGone, NotSupported.
        """
        from dinv.lifecycle.power import start

        start(self._host, _silent(progress), timeout=timeout)

    def stop(self, *, timeout: float = STOP_SECONDS, progress: Progress | None = None) -> None:
        """Stop it and its containers; kill whatever is left after `timeout` seconds.

        Raises AlreadyStopped, MachineGone, NotSupported.
        """
        from dinv.lifecycle.power import stop

        stop(self._host, _silent(progress), timeout=timeout)

    def kill(self, *, progress: Progress | None = None) -> None:
        """Stop it immediately, by SIGKILL. Raises AlreadyStopped, MachineGone, NotSupported."""
        from dinv.lifecycle.power import kill

        kill(self._host, _silent(progress))

    def restart(self, progress: Progress | None = None, *, timeout: float = SERVE_SECONDS) -> None:
        """Stop it if it is running, start it, and wait until it answers; `timeout` in seconds.

        Raises MachineNotReady, MachineDied, MachineGone, NotSupported.
        """
        from dinv.lifecycle.power import restart

        restart(self._host, _silent(progress), timeout=timeout)

    def upgrade(
        self,
        *,
        image: str = "",
        force: bool = False,
        timeout: float = SERVE_SECONDS,
        progress: Progress | None = None,
    ) -> bool:
        """Recreate it from `image`, or from a newer version of its own image; `timeout` in seconds.

        It keeps its name, address, keys, images and containers. Returns False, without changing anything, if
        it already has that image; `force` recreates it anyway. If the new container does not start to
        answer, the old one is restored and the error says what was wrong with the new one. Raises
        NotSupported, and whatever `Machines.create` raises.
        """
        from dinv.lifecycle.upgrade import upgrade

        return self._change(upgrade, progress, image=image, force=force, timeout=timeout)

    def plan_change(
        self, *, finish: bool = False, progress: Progress | None = None, **options: object
    ) -> Plan:
        """Say what `change` would do with these options, and change nothing. Raises what `change` raises.

        If an earlier change or upgrade was killed, MachineUnfinished is raised; with `finish`, that is
        finished or undone first.
        """
        from dinv.lifecycle.change.operation import change

        return self._change(change, progress, options=options, dry_run=True, finish=finish)

    def change(
        self,
        *,
        force: bool = False,
        timeout: float = SERVE_SECONDS,
        progress: Progress | None = None,
        **options: object,
    ) -> Plan:
        """Give it other settings, by the gentlest means there is; return the plan that was carried out.

        `options` are those of `Machines.create` that can be changed: `memory="8g"`, `cpus=4`, `label`,
        `publish`, `publish_ports`, `dns`, and those of its engine: `engine_label`, `engine_opt`,
        `engine_env`, `engine_registry_mirror`, `engine_insecure_registry`. One that takes a list adds to it,
        and the same name with `_rm` takes out of it; what is given for a name, such as a label's key, takes
        the place of what that had. `""` resets an option to its default.

        The record changes when the new settings hold. If they cannot be had, the machine is put back as it
        was, and an error raised. Where containers in the machine would stop, that takes `force`: else
        ContainersWouldStop is raised and nothing is changed. `timeout` is in seconds. Raises InputError,
        PreCreateCheckFailed, NotSupported, MachineError, MachineNotRunning, MachineNotReady.
        """
        from dinv.lifecycle.change.operation import change

        return self._change(change, progress, options=options, force=force, timeout=timeout)

    def renewal_cuts(self) -> str:
        """Return what is cut when it takes up new certificates, in words; "" if nothing is.

        Nothing is in a machine of an image with a TLS front, and in one that does not run. Asks its endpoint,
        and perhaps its daemon. Raises EndpointError, EngineError.
        """
        from dinv.lifecycle.renew import cuts

        return cuts.of(self._host)

    def renew_certificates(
        self,
        *,
        clients: bool = False,
        tls_sans: Iterable[str] = (),
        cert_lifetime: float | timedelta | str | None = None,
        ca_lifetime: float | timedelta | str | None = None,
        cuts_told: bool = False,
        timeout: float = SERVE_SECONDS,
        progress: Progress | None = None,
    ) -> None:
        """Give it a new server key and certificate; `timeout` in seconds.

        With `clients`, also replace its CA and client certificate; the previous ones are refused from then
        on. `tls_sans` are further names and addresses for the server certificate, which this and all later
        ones have. `cert_lifetime` and `ca_lifetime` are as for `create`, from now on. `renewal_cuts` says
        what that cuts; `progress` is told, too, unless `cuts_told`. Raises OptionError, MachineNotRunning,
        CertificateError, NotSupported, MachineNotReady, CertificatesNotTaken.
        """
        from dinv.lifecycle.renew import renew
        from dinv.options import CA_LIFETIME, CERT_LIFETIME

        self._change(
            renew,
            progress,
            clients=clients,
            tls_sans=tuple(tls_sans),
            cert_lifetime=CERT_LIFETIME.value(cert_lifetime, {}),
            ca_lifetime=CA_LIFETIME.value(ca_lifetime, {}),
            cuts_told=cuts_told,
            timeout=timeout,
        )

    def unlock_key(self, *, rotate: bool = False, progress: Progress | None = None) -> str:
        """Return the key that unlocks the managers of its swarm; with `rotate`, a new one.

        It is kept in the store, too, with the machines that are managers, and used by itself. Raises
        NotSupported for a machine in no swarm, ClusterError where managers are not locked.
        """
        from dinv.lifecycle.unlocking import unlock_key

        return unlock_key(self._host, _silent(progress), rotate=rotate)

    def unlock(self, *, progress: Progress | None = None) -> None:
        """Unlock it, a manager of a swarm whose daemon was started locked, by a key in the store.

        `start`, `restart` and the like do so themselves. Raises NotSupported, SwarmLocked, ClusterError.
        """
        from dinv.lifecycle.unlocking import unlock

        unlock(self._host, _silent(progress))

    def share(
        self,
        holder: str,
        *,
        lifetime: int | str | None = None,
        csr: str | bytes | None = None,
        path: str | None = None,
        progress: Progress | None = None,
    ) -> Share:
        """Give somebody a client certificate of their own; `share.data` is the file for them, a tar archive.

        Both `docker context import` and `Machines.import_` take it. `holder` is whom it is for: the
        certificate's common name. `lifetime` is in seconds, or such as "8h" or "30d"; by default it is as
        long as that of the machine's own certificates. `csr` is their certificate signing request, PEM, or
        its path: their key then stays with them, and is not in the file. With `path` the file is written
        there, readable by its owner alone. The machine is not asked. Raises InvalidHolder, InputError,
        CertificateError, HookRefused, MachineUnfinished, NotSupported.
        """
        from dinv.lifecycle.sharing.share import read_csr, share

        given = read_csr(csr) if isinstance(csr, str) else csr
        return self._change(share, progress, holder=holder, lifetime=lifetime, csr=given, path=path)

    def access(self, *, progress: Progress | None = None) -> list[Access]:
        """Return who has access to it, or had: one Access per client certificate, the owner's first.

        The machine is not asked. `progress` is warned of what cannot be read, and of a revocation that the
        machine may not know of yet. Raises StoreError, NotSupported.
        """
        from dinv.lifecycle.sharing.held import listed

        return listed(self._host, _silent(progress))

    def access_log(self, *, progress: Progress | None = None) -> list[Record]:
        """Return the record of the certificates that were issued and revoked for it, oldest first.

        Raises StoreError, NotSupported.
        """
        from dinv.lifecycle.sharing.held import log

        return log(self._host, _silent(progress))

    def revoke(self, holder: str = "", *, serial: str = "", progress: Progress | None = None) -> list[Access]:
        """Refuse the client certificates of `holder` from now on, and cut the connections made with them.

        `serial` names a single one, by the beginning of its serial number. Nobody else's connections are
        touched. If it does not run, that holds from its next start on. Returns what was revoked. Raises
        NobodyOfThatName, AccessOver, OwnAccess, CannotRevoke, NotSupported.
        """
        from dinv.lifecycle.sharing.revoke import revoke

        return revoke(self._host, _silent(progress), holder=holder, serial=serial)

    @property
    def lease(self) -> Lease | None:
        """Until when it is wanted, by its record (`dinv.store.lease`); None if nothing ends it."""
        return self._host.config.lease

    def extend(
        self, duration: float | timedelta | str, *, give: bool = False, progress: Progress | None = None
    ) -> bool:
        """Have its lease last for `duration` from now: "4h", a timedelta, or seconds.

        Returns False if it has more time than that: then nothing changes. One without a lease gets one with
        `give`. Raises OptionError, NoLease, NotSupported, MachineUnfinished, EndpointError, EngineError.
        """
        from dinv.leases.extending import extend, seconds

        return extend(self._host, seconds(duration), _silent(progress), give=give)

    def activity(self) -> Activity:
        """Return how much it is used: `connections`, `containers`, `idle_seconds`.

        Raises NotSupported for an image that cannot say it, MachineNotRunning, ProtocolError.
        """
        from dinv.leases import activity

        return activity.of(self._host)

    def provision(
        self,
        *,
        force_new_cluster: bool = False,
        cluster_image: str = "",
        timeout: float = SERVE_SECONDS,
        progress: Progress | None = None,
    ) -> None:
        """Install everything dinv puts into a machine again, and wait for it; `timeout` in seconds.

        This finishes an interrupted create and repairs a machine whose files were lost. A member of a cluster
        that has lost its quorum makes a new one of itself with `force_new_cluster`: it keeps what it knows of
        the old one. `cluster_image` is an installer (mirantis/ucp:3.8.11): what makes the cluster is upgraded
        to its version. Raises MachineUnfinished, NotSupported, MachineNotReady, ClusterError.
        """
        from dinv.lifecycle.provision import provision

        self._change(
            provision,
            progress,
            force_new_cluster=force_new_cluster,
            cluster_image=cluster_image,
            timeout=timeout,
        )

    def remove(
        self, *, keep_cache: bool = False, force: bool = False, progress: Progress | None = None
    ) -> list[str]:
        """Remove it, its keys and its image cache; `keep_cache` keeps the cache volume.

        With `force`, its record is removed even if the endpoint does not answer. Returns one line for each
        thing that was left behind. Raises MachineNotFound, EndpointError, NotSupported, HookRefused.
        """
        from dinv.lifecycle.remove import remove

        host = self._host
        self._check_is_current()
        with _silent(progress).working("Machine", f"removing {host.name}"):
            return remove(
                host.store,
                host.name,
                keep_cache=keep_cache,
                force=force,
                progress=progress,
                trace=host.trace,
            )

    def export(self, out: BinaryIO) -> None:
        """Write it, with its private keys, to `out` as a tar archive for `Machines.import_`.

        Raises MachineUnfinished, ConfigError.
        """
        from dinv.lifecycle.transfer import export

        export(self._host.store, self.name, out)

    def ensure_context(self) -> None:
        """Make sure that a docker context with its name and address exists.

        Raises NotSupported for a machine that cannot have one, ContextError.
        """
        from dinv.lifecycle.docker_context import ensure_context

        ensure_context(self._host)

    def kubeconfig(self) -> str:
        """Return its kubeconfig, for clients of the Kubernetes cluster that it is part of.

        It holds the key of an administrator. Raises NoKubeconfig, MachineUnfinished, KubeconfigError.
        """
        from dinv.lifecycle import kubeconfig

        return kubeconfig.read(self._host)

    def kubeconfig_path(self) -> str:
        """Return the path of the file that `kubeconfig` reads, for KUBECONFIG. Raises as that does."""
        from dinv.lifecycle import kubeconfig

        return kubeconfig.path(self._host)

    def merge_kubeconfig(self, into: str = "", *, use: bool | None = None) -> tuple[str, str]:
        """Put cluster, user and context of its kubeconfig into yours; return the file and the context's name.

        That is its own name, or "dinv-NAME" where something else is called so; nothing that dinv has not put
        there is changed. The file is `into`; without it the one that has its entry already, or that kubectl
        would write to. An entry in another file is taken out there, and `remove` takes out the last. The
        context becomes the current one if `use` is True, or None and there is no other. Raises as
        `kubeconfig` does, KubeconfigLocked, MachineBusy.
        """
        from dinv.lifecycle import kubeconfig

        return kubeconfig.merge(self._host, into, use=use)

    # The machine behind it

    def _hosts(self) -> Hosts:
        from dinv.lifecycle.hosts import Hosts

        return Hosts(self._host.store, trace=self._host.trace)

    def _check_is_current(self) -> None:
        """Raise MachineNotFound if another machine has been created under this name since."""
        from dinv.errors import ConfigError, MachineNotFound

        host = self._host
        try:
            identity = host.store.load(host.name).identity
        except ConfigError:  # the operation itself reports it, or does not need the record
            return
        if identity != host.config.identity:
            raise MachineNotFound(host.name)

    def _change(
        self, operation: Callable[..., _Answer], progress: Progress | None, **options: Any
    ) -> _Answer:
        """Run an operation that changes the machine by name, then read its record again."""
        from dinv.errors import DinvError

        self._check_is_current()
        host = self._host
        try:
            return operation(host.store, host.name, _silent(progress), trace=host.trace, **options)
        finally:
            host.close()
            try:
                self._host = Host(host.store.load(host.name), host.store, trace=host.trace)
            except DinvError:  # gone or unreadable now: keep the last record known
                self._host = host


def _silent(progress: Progress | None) -> Progress:
    from dinv.progress import Progress as Silent

    return progress or Silent()
