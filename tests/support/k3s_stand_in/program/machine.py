"""What k3s needs of the place it runs in, tried as k3s tries it.

- cgroups: k3s-io/k3s: pkg/cgroups/cgroups_linux.go (Validate)
- overlayfs on overlayfs: pkg/agent/containerd (OverlaySupported mounts one in its root)
- /dev/kmsg and the kernel's settings: the kubelet (kubernetes: pkg/util/oom, cmd/kubelet;
  pkg/kubelet/cm/container_manager_linux.go, setupKernelTunables). With the feature gate
  KubeletInUserNamespace they may be missing.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import socket
import subprocess
import tempfile
from typing import TYPE_CHECKING

from k3s_stand_in.program import logs
from k3s_stand_in.program.logs import fatal

if TYPE_CHECKING:
    from k3s_stand_in.program.flags import Options

_TUNABLES = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}


def check(options: Options) -> None:
    """Raise FatalError where k3s would not start. Nothing is left changed but the kernel's settings."""
    if os.getuid():
        fatal("server must run as root, or with --rootless and/or --disable-agent")
    _check_cgroups()
    _check_snapshotter(options)
    _check_kubelet(options)


def _check_cgroups() -> None:
    if os.path.exists("/sys/fs/cgroup/cgroup.controllers"):
        controllers = _read("/sys/fs/cgroup/cgroup.controllers").split()
        for needed in ("cpu", "cpuset", "memory"):
            if needed not in controllers:
                fatal(f"failed to find {needed} cgroup (v2)")
    elif "memory" not in _read("/proc/self/cgroup"):
        fatal(
            'failed to find memory cgroup, you may need to add "cgroup_memory=1 cgroup_enable=memory" to '
            "your linux cmdline"
        )


def _check_snapshotter(options: Options) -> None:
    if options["docker"] or options["container-runtime-endpoint"]:
        sock = (options["container-runtime-endpoint"] or "/run/docker.sock").removeprefix("unix://")
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(sock)
            except OSError as error:
                fatal(f"failed to start container runtime: dial unix {sock}: {error.strerror}")
        return
    if options["snapshotter"] not in ("overlayfs", "native", "fuse-overlayfs", "stargz"):
        fatal(f'unsupported snapshotter "{options["snapshotter"]}"')
    if options["snapshotter"] == "fuse-overlayfs" and not shutil.which("fuse-overlayfs"):
        fatal('"fuse-overlayfs" snapshotter cannot be enabled: fuse-overlayfs not installed')
    if options["snapshotter"] != "overlayfs":
        return
    root = os.path.join(options["data-dir"], "agent/containerd")
    os.makedirs(root, mode=0o700, exist_ok=True)
    trial = tempfile.mkdtemp(dir=root)
    try:
        lower, upper, work, merged = (
            os.path.join(trial, name) for name in ("lower", "upper", "work", "merged")
        )
        for directory in (lower, upper, work, merged):
            os.mkdir(directory)
        reason = _mount_overlay(lower, upper, work, merged)
        if reason:
            fatal(
                f'"overlayfs" snapshotter cannot be enabled for "{root}", try using "fuse-overlayfs" or '
                f'"native": failed to mount overlay: {reason}'
            )
    finally:
        shutil.rmtree(trial, ignore_errors=True)


def _mount_overlay(lower: str, upper: str, work: str, merged: str) -> str:
    libc = ctypes.CDLL(None, use_errno=True)
    data = f"lowerdir={lower},upperdir={upper},workdir={work}".encode()
    if libc.mount(b"overlay", merged.encode(), b"overlay", 0, data):
        return os.strerror(ctypes.get_errno()).lower()
    libc.umount2(merged.encode(), 2)
    return ""


def _check_kubelet(options: Options) -> None:
    lenient = options.gate("KubeletInUserNamespace")
    if not os.path.exists("/dev/kmsg"):
        if not lenient:
            fatal(
                "kubelet exited: failed to run Kubelet: failed to create kubelet: open /dev/kmsg: "
                "no such file or directory"
            )
        logs.info("Failed to create an oomWatcher (running in UserNS, ignoring): open /dev/kmsg")
    for name, wanted in _TUNABLES.items():
        path = f"/proc/sys/{name}"
        try:
            if _read(path).strip() == wanted:
                continue
            if options["protect-kernel-defaults"]:
                fatal(f"kubelet exited: Failed to start ContainerManager: invalid kernel flag: {name}")
            with open(path, "w", encoding="ascii") as stream:
                stream.write(wanted)
        except OSError as error:
            if not lenient:
                fatal(f"kubelet exited: Failed to start ContainerManager: open {path}: {error.strerror}")
            logs.info(f"Updating kernel flag failed (running in UserNS, continuing): {name}")


def check_network(options: Options) -> str:
    """Return why flannel would not come up; "" if it would. It makes its device, flannel.1."""
    if options["flannel-backend"] != "vxlan" or not shutil.which("ip"):
        return ""
    if os.path.exists("/sys/class/net/flannel.1"):
        return ""
    command = ["ip", "link", "add", "flannel.1", "type", "vxlan", "id", "1", "dstport", "8472"]
    ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=10)
    return ended.stderr.strip()


def address(options: Options) -> str:
    """Return the node's address: given, or that of the interface which the default route goes by."""
    if options["node-ip"]:
        return str(options["node-ip"][0])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            return str(probe.getsockname()[0])
        except OSError:
            fatal('no default routes found in "/proc/net/route" or "/proc/net/ipv6_route"')


def node_name(options: Options) -> str:
    return str(options["node-name"] or socket.gethostname()).lower()


def _read(path: str) -> str:
    with open(path, encoding="utf-8") as stream:
        return stream.read()
