"""A driver for a pool of Docker hosts that exist already: `create` takes a free one, `rm` gives it back.

The pool is a JSON file: `[{"url": "tcp://10.0.0.5:2376", "certificates": "/srv/pool/5"}, ...]`, where
`certificates` is a directory with ca.pem, cert.pem and key.pem. Which host is whose stands beside it, in
`FILE.taken`; both are for all users of a file system that they share.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from typing import TYPE_CHECKING, Any, ClassVar

from dinv.declaration import PATH, Option
from dinv.drivers.none import NoneDriver
from dinv.errors import OptionError, PreCreateCheckFailed
from dinv.wording import option

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dinv.formats.kinds import Kinds
    from dinv.progress import Progress

HOSTS = Option("hosts", "DINV_POOL_HOSTS", "JSON file with the hosts of the pool", type=PATH, metavar="FILE")


class PoolDriver(NoneDriver):
    """A host of a pool. Nothing is made: the driver "none" knows how such a host is reached."""

    name = "pool"
    kinds: ClassVar[Kinds] = {**NoneDriver.kinds, "Pool": str}

    @classmethod
    def create_flags(cls) -> tuple[Option, ...]:
        return (HOSTS,)

    def set_config_from_flags(self, values: Mapping[str, Any], progress: Progress) -> None:
        path = values["hosts"]
        if not path:
            raise OptionError('The driver "pool" needs ' + option("hosts", "FILE"))
        hosts = _hosts(path)
        with _taken(path) as taken:
            free = [host for host in hosts if taken.get(host["url"]) in (None, self.config.directory)]
            if not free:
                raise PreCreateCheckFailed(f"All {len(hosts)} hosts of {path} are taken.")
            taken[free[0]["url"]] = self.config.directory
        self.config.driver["Pool"] = path
        host = {"url": free[0]["url"], "url_cert_path": free[0].get("certificates", "")}
        super().set_config_from_flags(host, progress)

    def remove(self, *, keep_cache: bool = False) -> list[str]:
        path = str(self.config.driver.get("Pool") or "")
        with contextlib.suppress(FileNotFoundError), _taken(path) as taken:  # the pool may be no more
            for url in [url for url, whose in taken.items() if whose == self.config.directory]:
                del taken[url]
        return super().remove(keep_cache=keep_cache)


def _hosts(path: str) -> list[dict[str, str]]:
    try:
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
        return [{"url": str(host["url"]), **host} for host in found]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise HOSTS.refused(path, f"cannot be used: {error!r}") from error


@contextlib.contextmanager
def _taken(path: str) -> Iterator[dict[str, str]]:
    """Whose the hosts are, by URL: directories of machines. What is changed in it is kept."""
    with open(f"{path}.taken", "a+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        before = json.loads(file.read() or "{}")
        # A create that was killed has left no machine: its host is free again.
        taken = {url: whose for url, whose in before.items() if os.path.isdir(whose)}
        yield taken
        if taken != before:
            file.seek(0)
            file.truncate()
            json.dump(taken, file, indent=1)
