"""Which disks a copy is about, and which of their entries, under which names: VIC's filter specifications.

A container's own disk and its volumes are devices, each with a file system whose root is its own. The API
server tells the port layer for each what to leave out and how to rename. It compares text, not paths: what
has the same beginning is taken along. vmware/vic: lib/archive/util.go, archiver.go, diff.go,
lib/apiservers/engine/backends/archive.go.
"""

from __future__ import annotations

import posixpath

ROOT = "/"


class FilterSpec:
    """What happens to one device's entries. Paths are without a slash at the beginning."""

    __slots__ = ("exclusions", "inclusions", "rebase", "strip")

    def __init__(self, rebase: str, strip: str) -> None:
        self.rebase = rebase
        self.strip = strip
        self.inclusions: set[str] = set()
        self.exclusions: set[str] = set()

    def excludes(self, path: str) -> bool:
        """Return whether an entry is left out: the longest matching prefix decides."""
        included = max((len(each) for each in self.inclusions if path.startswith(each)), default=-1)
        excluded = max((len(each) for each in self.exclusions if path.startswith(each)), default=-1)
        return included < excluded

    def renamed(self, path: str, *, directory: bool) -> str:
        """An entry's name in the archive that is read."""
        name = join(self.rebase, path.removeprefix(self.strip))
        return f"{name}/".lstrip("/") if directory else name.lstrip("/")

    def placed(self, name: str) -> str:
        """Return where on the device a member of an archive is written, relative to the device's root."""
        return join(ROOT, join(self.rebase, name.removeprefix(self.strip)))


def clean(path: str) -> str:
    """Return a path as short as possible, "." for "" (Go: filepath.Clean)."""
    found = posixpath.normpath(path) if path else "."
    return found[1:] if found.startswith("//") else found


def join(*parts: str) -> str:
    """Go's filepath.Join: empty parts are ignored, and no parts give ""."""
    given = [part for part in parts if part]
    return clean("/".join(given)) if given else ""


def _relative(path: str) -> str:
    found = clean(path)
    return "" if found == "." else found.removeprefix("/")


def _base(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2] or ("." if not path else "/")


def _is_primary(path: str, mount: str) -> bool:
    # Anywhere in it, not only at its beginning.
    return path not in mount or mount == path


def _reading(path: str, mount: str) -> FilterSpec:
    primary = _is_primary(clean(path), mount)
    path = path.removesuffix("/")
    first = _base(path)
    if first == ".":
        first = ""
        path = clean(path)
    if primary:
        return FilterSpec(_relative(first), _relative(path.removeprefix(mount)))
    return FilterSpec(_relative(join(first, mount.removeprefix(path))), "")


def _longest(mounts: list[str], path: str) -> str:
    return max((mount for mount in mounts if path.startswith(mount)), key=len, default="")


def readers(mounts: list[str], path: str) -> list[tuple[str, FilterSpec]]:
    """The devices that a path is read from, by where they are mounted, ROOT among them; in order."""
    target = clean(path)
    nodes = sorted(mount for mount in mounts if mount.startswith(target))
    is_mount = False
    for mount in nodes:
        is_mount = mount != ROOT and (is_mount or path.startswith(mount))
    start = _longest(mounts, target) or nodes[0]
    if start not in nodes:
        nodes = [start, *nodes]
    if is_mount and _base(path) != ".":
        # The mount point's own entry is on the disk above.
        start = _longest(mounts, posixpath.dirname(target)) or start
        if start not in nodes:
            nodes = [start, *nodes]
    below = [mount for mount in mounts if mount.startswith(start)]
    specs = {mount: _reading(path, mount) for mount in nodes}
    for mount in nodes:
        if mount.startswith(start):
            _limit(specs[mount], mount, below, path)
    return [(mount, specs[mount]) for mount in nodes]


def _limit(spec: FilterSpec, mount: str, mounts: list[str], path: str) -> None:
    if path.startswith(mount) and path != mount:
        wanted = _relative(path.removeprefix(mount))
        spec.inclusions.add(f"{wanted}/" if _base(path) == "." else wanted)
        spec.exclusions.add("")
    else:
        spec.inclusions.add("")
    for other in mounts:
        if other.startswith(mount) and other != mount:
            spec.exclusions.add(f"{_relative(other.removeprefix(mount))}/")


def stat_target(mounts: list[str], path: str) -> tuple[str, str] | None:
    """Return the device that a path is looked for on, and where there; None for a mount point or above one.

    VIC says that those are directories without looking, and so of anything that begins like a mount point.
    """
    target = join(ROOT, path)
    if any(mount.startswith(target) for mount in mounts):
        return None
    found = [(mount, spec) for mount, spec in readers(mounts, target) if target.startswith(mount)]
    mount, spec = max(found, key=lambda each: len(each[0]))
    return mount, min(spec.inclusions)


def writer(mounts: list[str], path: str, name: str) -> tuple[str, FilterSpec]:
    """The device that a member of an archive for `path` is written to, and how."""
    mount = _longest(mounts, join(path, name)) or ROOT
    target = path.removesuffix("/")
    if _is_primary(path, mount):
        return mount, FilterSpec(_relative(target.removeprefix(mount)), "")
    return mount, FilterSpec("", _relative(mount.removeprefix(target)))
