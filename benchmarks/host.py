"""What it was measured on."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import platform

from benchmarks.process import output_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from benchmarks.session import Session


def describe(session: Session) -> list[tuple[str, str]]:
    """Date, hardware and versions, as pairs of what and which."""
    endpoint = session.engine.version()
    machine = output_of(session.command("version", session.machine), session.environment).strip()
    python = output_of([session.interpreter, "-VV"], session.environment).strip().splitlines()[0]
    storage = session.engine.info()["Driver"]
    isolation = session.store.load(session.machine).driver.get("Isolation", "")
    return [
        ("date", f"{dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M} UTC"),
        ("processor", f"{_processor()}, {len(os.sched_getaffinity(0))} cores"),
        ("memory", f"{_memory() / 2**30:.1f} GiB"),
        ("kernel", f"{platform.system()} {platform.release()}, cgroup {_cgroup_version()}"),
        ("Python", f"{python}, bytecode {'cached' if _bytecode_cached(session) else '**not cached**'}"),
        ("dinv", output_of(session.command("version"), session.environment).strip()),
        (
            "endpoint",
            f"dockerd {endpoint['Version']}, API {endpoint['ApiVersion']}, storage driver {storage}",
        ),
        ("machine", f"dockerd {machine}, image {session.image}, isolation {isolation}"),
        ("load", f"{os.getloadavg()[0]:.1f} before the first measurement"),
    ]


def _processor() -> str:
    with contextlib.suppress(OSError), open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    return platform.machine()


def _memory() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _cgroup_version() -> str:
    return "v2" if os.path.exists("/sys/fs/cgroup/cgroup.controllers") else "v1"


def _bytecode_cached(session: Session) -> bool:
    """Whether dinv runs from bytecode as it does where pip has installed it."""
    look = "import dinv.cli, os; print(os.path.exists(dinv.cli.__cached__))"
    return output_of([session.interpreter, "-c", look], session.environment).strip() == "True"
