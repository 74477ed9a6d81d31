"""A registry cache beside its machine on a VCH. On engines: test_life_registry_cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness import ensure_cache_image, import_busybox

import dinv

if TYPE_CHECKING:
    from flavours import At, Simulate

    from dinv.engine import Engine


def test_on_a_vch(simulate: Simulate, at: At, session_engine: Engine) -> None:
    ensure_cache_image(session_engine)
    user = at(simulate(tls="verify").env_file)
    cache, name = user.name("hub"), user.name("dev")
    user.dinv("cache", "create", "--push", cache)
    try:
        user.dinv("create", "--registry-cache", cache, name)
        caches = dinv.open(user.store).caches
        (registry,) = caches.usage(cache)
        with user.machine(name) as machine, machine.engine(timeout=60) as engine:
            import_busybox(engine)
            engine.images.tag("hello", f"{registry.address}/mine:1")
            engine.images.push(f"{registry.address}/mine:1")
        assert caches.usage(cache)[0].size > 1_000_000
        user.dinv("rm", "-y", name)
    finally:
        user.dinv("cache", "rm", "--force", cache)
    with user.engine() as engine:
        assert not [each for each in engine.volumes.list() if cache in each["Name"]]
