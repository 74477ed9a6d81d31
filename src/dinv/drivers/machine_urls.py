"""The machines of a store by where their daemons listen: their URLs are not endpoints."""

from __future__ import annotations

from dinv import drivers
from dinv.endpoints.resolve import canonical
from dinv.errors import DinvError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.store.store import Store


def machine_urls(store: Store) -> dict[str, str]:
    """Return the names of the machines whose records can be read, by their URLs in canonical form."""
    urls = {}
    for name in store.names():
        try:
            url = drivers.url(store.load(name))
        except DinvError:
            continue
        if url:
            urls[canonical(url)] = name
    return urls


def machine_at(store: Store, url: str) -> str:
    """Return the name of the machine of the store whose daemon is at this address; "" if there is none."""
    return machine_urls(store).get(canonical(url), "") if url.startswith("tcp://") else ""
