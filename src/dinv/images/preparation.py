"""What images made for privileged containers, or for VMs, leave undone in a machine that is neither."""

from __future__ import annotations

_SCRIPT = """
while read -r _ point type options _; do
    case "$type,$options," in
    cgroup,ro,* | cgroup,*,ro,* | cgroup2,ro,* | cgroup2,*,ro,*) mount -o remount,bind,rw "$point" ;;
    esac
done </proc/mounts
cd /sys/fs/cgroup 2>/dev/null || exit 0
[ -f cgroup.controllers ] && [ -z "$(cat cgroup.subtree_control)" ] && mkdir -p init || exit 0
while read -r pid; do
    echo "$pid" >init/cgroup.procs
done <cgroup.procs
for controller in $(cat cgroup.controllers); do
    echo "+$controller" >cgroup.subtree_control
done
"""

CGROUPS = ("sh", "-c", f"{{ {_SCRIPT} }} 2>/dev/null; :")
"""A command that makes cgroups usable that an engine gives its containers read-only.

On v2 the processes leave the root first, since a cgroup with processes passes no controllers on (cgroups(7)).
It does nothing if that was already done: in a privileged machine, in a VM, by an image that does it itself.
Without it, no container starts (dockerd 26.1: "mkdir /sys/fs/cgroup/...: read-only file system").
"""
