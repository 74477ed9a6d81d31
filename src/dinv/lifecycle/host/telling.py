"""What hooks are told of a machine, and what its certificates pass on their way to the authority."""

from __future__ import annotations

import time

from dinv import hooks
from dinv.errors import PluginBroken, PluginNotFound, StoreError
from dinv.pki.validity import rfc3339

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from dinv.lifecycle.host import Host
    from dinv.pki.requests import CertificateRequest, Fault, Role, Signer
    from dinv.progress import Progress


def ask(host: Host, event: str, progress: Progress, **facts: Any) -> None:
    """Ask the store's hooks about a machine (`hooks.ask`). Raises HookRefused, InputError."""
    hooks.ask(host.store, event, {**facts, "machine": of_machine(host)}, progress)


def tell(host: Host, event: str, progress: Progress, **facts: Any) -> None:
    """Tell the store's hooks about a machine (`hooks.tell`)."""
    hooks.tell(host.store, event, {**facts, "machine": of_machine(host)}, progress)


def near_expiry(host: Host, progress: Progress) -> None:
    """Tell the store's hooks of each certificate of a machine that has expired or is about to."""
    now = time.time()
    for role, each in zip(("ca", "server", "client"), host.certificates, strict=True):
        if each is not None and each.ends_soon(now):
            tell(
                host,
                "near-expiry",
                progress,
                role=role,
                holder="",
                not_after=rfc3339(each.end),
                seconds_left=int(each.end - now),
            )


def revoked(host: Host, progress: Progress) -> None:
    """Tell the store's hooks whose certificates the machine refuses now, if they have not been told of them.

    The caller must hold the machine's lock. A kill in a hook has it told again, by the next command.
    """
    untold = set(host.config.untold)
    if not untold:
        return
    from dinv.store import access_log

    try:
        records, _ = access_log.read(host.directory)
    except StoreError as error:
        progress.warn(f"No hook was told of what was revoked: {error}")
        return
    found: dict[str, list[str]] = {}
    for record in records:
        # What is not there was to be revoked by a process that was killed before it could.
        if record.event == access_log.REVOKED and record.serial in untold:
            found.setdefault(record.holder, []).append(record.serial)
    for holder, serials in found.items():
        tell(host, "revoked", progress, holder=holder, serials=serials)
    host.config.untold = []
    host.store.save(host.config)


def of_machine(host: Host) -> dict[str, Any]:
    """Return what hooks are told of a machine: what its record says, without secrets."""
    config = host.config
    kept = config.driver
    try:
        endpoint, url, ip = str(host.driver.facts()["endpoint"]), host.url, host.ip
    except (PluginBroken, PluginNotFound):  # it can be removed all the same
        endpoint, url, ip = "", config.url, config.ip
    return {
        "name": config.name,
        "id": config.identity,
        "driver": config.driver_name,
        "provisioner": config.provisioner,
        "authority": config.authority if config.by_dinv else "",
        "endpoint": endpoint,
        "url": url,
        "ip": ip,
        "image": str(kept.get("Image") or ""),
        "image_contract": config.image_contract,
        "labels": {str(key): str(value) for key, value in (kept.get("Labels") or {}).items()},
        "docker_version": config.docker_version,
        "created": config.created,
    }


class Asking:
    """An authority that is given a signing request only if no hook refuses it."""

    def __init__(self, authority: Signer, host: Host, progress: Progress) -> None:
        self._authority = authority
        self.strict = authority.strict
        self._host = host
        self._progress = progress
        self._signed: list[tuple[CertificateRequest, bytes]] = []

    def trust_anchor(self) -> bytes:
        """Return the authority's."""
        return self._authority.trust_anchor()

    def remedy(self, fault: Fault, role: Role) -> str:
        """Return the authority's."""
        return self._authority.remedy(fault, role)

    def certificate(self, request: CertificateRequest) -> bytes:
        """Have the authority sign, unless a hook refuses. Raises HookRefused, InputError."""
        ask(
            self._host,
            "pre-issue",
            self._progress,
            role=request.role,
            names=list(request.names),
            holder=request.holder,
            lifetime=request.lifetime,
        )
        chain = self._authority.certificate(request)
        self._signed.append((request, chain))
        return chain

    def tell(self) -> None:
        """Tell the hooks what was signed; for a caller that has checked and stored it."""
        from dinv.pki.certificates import load_chain

        for request, chain in self._signed:
            leaf = load_chain(chain, "the authority's answer")[0]
            tell(
                self._host,
                "issued",
                self._progress,
                role=request.role,
                names=list(request.names),
                holder=request.holder,
                serial=f"{leaf.serial_number:x}",
                not_after=f"{leaf.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}",
            )
        self._signed.clear()
