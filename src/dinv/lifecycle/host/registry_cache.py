"""The registry cache that a machine uses: what it is given for it, and whether it reaches it."""

from __future__ import annotations

from dinv.endpoints.resolve import canonical
from dinv.errors import (
    CacheError,
    CacheNotFound,
    CacheUnreached,
    CertificateError,
    DinvError,
    PreCreateCheckFailed,
)
from dinv.registries import cache_files
from dinv.registries.cache_record import READY
from dinv.registries.cache_store import CacheStore
from dinv.wording import command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.lifecycle.host import Host
    from dinv.progress import Progress
    from dinv.registries.cache_record import CacheRecord

REACH_SECONDS = 20.0
# From within the directory: curl takes what follows a colon in the name of a certificate for a password.
_ASK = (
    'cd "$1" && exec curl -sS --noproxy "*" --max-time 10 -o /dev/null --cacert ./ca.crt '
    '--cert ./client.cert --key ./client.key "https://$2/v2/"'
)
_NO_PROGRAM = (126, 127)
"""What a shell, and an engine's exec, return for a program that is not there."""
_HOSTS_TOML_FROM = 28


def usable(host: Host, name: str) -> CacheRecord:
    """Return the record of the cache `name`, which the machine can use.

    Raises CacheNotFound, CacheError for one that is not ready, PreCreateCheckFailed for one of another
    endpoint.
    """
    record = CacheStore(host.store.path).load(name)
    if record["Phase"] != READY or not record["Host"]:
        raise CacheError(
            name,
            f'Registry cache "{name}" is not there now. This makes it: ' + command("cache", "create", name),
        )
    if not host.driver.provisioned:
        raise PreCreateCheckFailed(
            f'The driver "{host.config.driver_name}" makes no machine that could use a registry cache.'
        )
    endpoint = host.config.driver.get("Endpoint")
    there, here = str(record["Endpoint"].get("URL") or ""), ""
    if isinstance(endpoint, dict):
        here = str(endpoint.get("URL") or "")
    if here and canonical(here) != canonical(there):
        raise PreCreateCheckFailed(
            f'Registry cache "{name}" is on {there}, and the machine would be on {here}: it would not be '
            "reached. Make one there: " + command("cache", "create", "NAME", "--endpoint", here)
        )
    return record


def use(host: Host, name: str) -> None:
    """Record that a machine that is being made uses the cache `name`. Raises what `usable` raises.

    Docker Hub's images come by a mirror, which any dockerd takes as an option.
    """
    record = usable(host, name)
    host.config.registry_cache = name
    _set_mirror(host, cache_files.mirror(record))


def give(host: Host) -> str:
    """Bring what the machine has of its cache up to date, in its record and directory.

    The caller must hold the machine's lock, and put its files into the machine afterwards. Returns why it has
    to go without the cache; "" if all is well, or it uses none. Raises StoreNotWritable, CertificateError.
    """
    name = host.config.registry_cache
    if not name:
        return ""
    try:
        record = CacheStore(host.store.path).load(name)
    except CacheNotFound:
        return f'Registry cache "{name}" does not exist any more: images come from the registries themselves'
    _set_mirror(host, cache_files.mirror(record))
    hand_out(host)
    return ""


def hand_out(host: Host) -> None:
    """Put its cache's facts, and certificates for it, into the machine's directory, unless they are current.

    Raises CacheNotFound, StoreNotWritable, CertificateError.
    """
    store, name = CacheStore(host.store.path), host.config.registry_cache
    record = store.load(name)
    if not _is_current(host, record):
        from dinv.registries import cache_ca

        certificates = cache_ca.client(name, store.directory(name), host.name)
        cache_files.keep(host.directory, record, certificates)


def _is_current(host: Host, record: CacheRecord) -> bool:
    found = cache_files.kept(host.directory)
    if found is None or found[0] != cache_files.facts(record):
        return False
    from dinv.registries import cache_ca

    try:
        return cache_ca.lasts(found[1])
    except CertificateError:
        return False


def _set_mirror(host: Host, mirror: str) -> None:
    """Have the machine's engine options name this mirror, in place of an earlier one of the cache's."""
    options = host.config.engine_options
    found = cache_files.kept(host.directory)
    former = cache_files.mirror_of(found[0]) if found is not None else ""
    others = [each for each in options.get("RegistryMirror") or () if each not in (former, mirror)]
    options["RegistryMirror"] = [mirror, *others] if mirror else others


def check(host: Host) -> None:
    """Check that the running machine reaches its cache. Raises CacheUnreached.

    An image without curl cannot be asked, and is not.
    """
    found = cache_files.kept(host.directory)
    if not host.config.registry_cache or found is None:
        return
    for each in found[0]["Registries"]:
        place = f"{cache_files.CERTS_D}/{each['Address']}"
        said = bytearray()
        argv = ["/bin/sh", "-c", _ASK, "sh", place, each["Address"]]
        try:
            status = host.driver.channel().run(
                argv, stdout=said.extend, stderr=said.extend, timeout=REACH_SECONDS
            )
        except DinvError as error:
            raise CacheUnreached(
                host.config.registry_cache, host.name, each["Address"], error.text
            ) from error
        if status in _NO_PROGRAM:
            return
        if status:
            reason = said.decode(errors="replace").strip() or f"curl ended with status {status}"
            raise CacheUnreached(host.config.registry_cache, host.name, each["Address"], reason)


def tell(host: Host, version: str, progress: Progress) -> None:
    """Say what the machine's daemon takes from the cache: an old one takes only Docker Hub's images."""
    found = cache_files.kept(host.directory)
    if not host.config.registry_cache or found is None:
        return
    mirror = cache_files.mirror_of(found[0])
    others = [
        each["Name"]
        for each in found[0]["Registries"]
        if each["Upstream"] and f"https://{each['Address']}" != mirror
    ]
    major = version.partition(".")[0]
    if others and major.isdecimal() and int(major) < _HOSTS_TOML_FROM:
        progress.note(
            f"Docker {version} pulls only Docker Hub's images through a cache; those of {', '.join(others)} "
            "come from there directly. That takes Docker 28 with the containerd image store"
        )
    names = [each["Name"] for each in found[0]["Registries"]]
    progress.line("Cache", f"{host.config.registry_cache}: {', '.join(names)}", "reached")
