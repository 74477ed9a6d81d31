"""What is read from the trial of a kernel, and the trial's script itself."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dinv.provisioners.swarm import kernel

if TYPE_CHECKING:
    from pathlib import Path


def test_all_is_there() -> None:
    found = kernel.read(b"vxlan=yes\nip_vs=yes\nxt_ipvs=yes\nesp4=yes\n")
    assert (kernel.missing(found), kernel.warnings(found)) == ([], [])


def test_nothing_is_there() -> None:
    found = kernel.read(b"vxlan=no\r\nip_vs=no\r\nxt_ipvs=no\r\nesp4=no\r\n")
    assert len(kernel.missing(found)) == 1
    assert len(kernel.warnings(found)) == 2


def test_what_is_not_known_is_not_held_against_it() -> None:
    found = kernel.read(b"sh: ip: not found\nvxlan=unknown\n")
    assert set(found.values()) == {None}
    assert (kernel.missing(found), kernel.warnings(found)) == ([], [])


@given(st.binary())
def test_any_output_can_be_read(output: bytes) -> None:
    assert set(kernel.read(output)) == {"vxlan", "ip_vs", "xt_ipvs", "esp4"}


PROGRAMS = {
    "with all": {
        "ip": 'case "$*" in *help*) echo "id ID";; esac',
        "genl": "echo Name: IPVS",
        "iptables": ":",
    },
    "with none": {
        "ip": 'case "$*" in *help*) echo "id ID";; "xfrm state") ;; *) exit 2;; esac',
        "genl": "exit 1",
        "iptables": 'case "$*" in *--help*) ;; *) exit 1;; esac',
    },
    "without programs": {},
}
FOUND = {"with all": {True}, "with none": {False}, "without programs": {None}}


@pytest.mark.parametrize("image", list(PROGRAMS))
def test_the_script(image: str, tmp_path: Path) -> None:
    """In a PATH with stand-ins of the image's programs, and grep, which every image has."""
    for name, body in {
        **PROGRAMS[image],
        "grep": 'exec /bin/grep "$@"',
        "zcat": "exit 1",
        "gzip": "exit 1",
    }.items():
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\n{body}\n")
        program.chmod(0o755)
    # The kernel's own lists are this computer's: they are left out.
    script = kernel.SCRIPT.replace("/proc/", str(tmp_path) + "/")
    done = subprocess.run(
        ["/bin/sh", "-c", script], env={"PATH": str(tmp_path)}, capture_output=True, check=False, timeout=30
    )
    found = kernel.read(done.stdout)
    assert set(found.values()) == FOUND[image], done


@pytest.mark.parametrize(
    ("config", "found"),
    [("CONFIG_IP_VS=y", True), ("# CONFIG_IP_VS is not set", False), ("CONFIG_IP_VS=m", None)],
)
def test_a_kernel_that_says_what_it_has(config: str, found: bool | None, tmp_path: Path) -> None:  # noqa: FBT001
    for name, body in {"grep": 'exec /bin/grep "$@"', "zcat": f"echo '{config}'"}.items():
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\n{body}\n")
        program.chmod(0o755)
    script = kernel.SCRIPT.replace("/proc/", str(tmp_path) + "/")
    done = subprocess.run(
        ["/bin/sh", "-c", script], env={"PATH": str(tmp_path)}, capture_output=True, check=False, timeout=30
    )
    assert kernel.read(done.stdout)["ip_vs"] is found
