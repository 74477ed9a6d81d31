"""What Kubernetes needs of an endpoint's kernel: found, judged, and made up for."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest

from dinv.provisioners.kubernetes import requirements

FINE = {
    "kmsg": "yes",
    "sysctl-net": "yes",
    "sysctl-kernel": "yes",
    "cgroup": "v2",
    **{f"cgroup-{name}": "yes" for name in ("cpu", "cpuset", "memory", "pids")},
    "overlay": "yes",
    "propagation": "yes",
    "vxlan": "yes",
    "br_netfilter": "yes",
    "ipset": "yes",
    **{f"iptables-{name}": "yes" for name in requirements.IPTABLES},
    "memory": str(8 << 20),
    "cpus": "4",
    "end": "yes",
}


def judge(lacking: tuple[str, ...] = (), **given: Any) -> requirements.Verdict:
    found = {name: "no" if name in lacking else value for name, value in FINE.items()}
    return requirements.judge(found | given.pop("found", {}), **{"server": True, **given})


def test_nothing_is_said_where_nothing_is_missing() -> None:
    verdict = judge()
    assert (verdict.missing, verdict.warnings, verdict.adjustments) == ([], [], {})


@pytest.mark.parametrize(
    ("lacking", "named"),
    [
        ("sysctl-net", "/proc/sys"),
        ("propagation", "CAP_SYS_ADMIN"),
        ("cgroup-pids", "pids"),
        ("cgroup-memory", "Delegate=yes"),
        ("cgroup-cpu", "cpu"),
        ("iptables-statistic", "modprobe -a xt_statistic"),
        ("iptables-comment", "comment"),
    ],
)
def test_what_it_cannot_do_without_is_named_with_what_to_do(lacking: str, named: str) -> None:
    [said] = judge((lacking,)).missing
    assert named in said


def test_the_controllers_of_v1_are_switched_on_at_the_boot() -> None:
    verdict = judge(("cgroup-memory", "cgroup-cpu"), found={"cgroup": "v1"})
    assert "cgroup_enable=memory" in verdict.missing[0]
    assert "CPU limits" in verdict.warnings[0]  # which is not the end there


@pytest.mark.parametrize(
    ("lacking", "settings"),
    [
        ("kmsg", {"kubelet-arg": ["feature-gates=KubeletInUserNamespace=true"]}),
        ("sysctl-kernel", {"kubelet-arg": ["feature-gates=KubeletInUserNamespace=true"]}),
        ("overlay", {"snapshotter": "native"}),
        ("ipset", {"disable-network-policy": True}),
        ("vxlan", {"flannel-backend": "host-gw"}),
    ],
)
def test_what_settings_can_make_up_for_is_made_up_for(lacking: str, settings: dict[str, Any]) -> None:
    verdict = judge((lacking,))
    assert verdict.adjustments == settings
    assert not verdict.missing


def test_pods_on_other_networks_need_an_overlay() -> None:
    assert "vxlan" in judge(("vxlan",), one_network=False).missing[0]


def test_br_netfilter_is_said_and_no_more() -> None:
    verdict = judge(("br_netfilter",))
    assert "modprobe br_netfilter" in verdict.warnings[0]
    assert not verdict.missing


def test_the_kubelet_counts_with_the_limits_of_the_machine() -> None:
    verdict = judge(memory=4 << 30, cpus=1.5)
    assert verdict.adjustments["kubelet-arg"] == ["system-reserved=cpu=2500m,memory=4194304Ki"]
    assert judge(memory=8 << 30, cpus=4).adjustments == {}


def test_too_little_memory_is_said() -> None:
    assert "2048" in judge(memory=1 << 30).warnings[0]
    assert not judge(memory=1 << 30, server=False).warnings


def test_programs_of_the_image() -> None:
    found = {"program:/a": "yes", "program:/b": "no"}
    assert requirements.programs_missing(found, ["/a", "/b", "/c"]) == ["/b", "/c"]


@pytest.mark.parametrize("output", [b"", b"kmsg=yes\n", b"sh: not found", b"end=no\n", b"\xff\xfe"])
def test_a_script_that_did_not_come_to_its_end_says_nothing(output: bytes) -> None:
    with pytest.raises(ValueError, match="end"):
        requirements.parse(output)


def test_the_script_comes_to_its_end_where_all_is_refused() -> None:
    # Only what it prints matters: what there is depends on where the tests run.
    done = subprocess.run(
        [
            "unshare",
            "--map-root-user",
            "--net",
            "--mount",
            "sh",
            "-c",
            requirements.script(),
            "sh",
            "/bin/sh",
            "/none",
        ],
        capture_output=True,
        timeout=60,
        check=False,
    )
    if b"unshare" in done.stderr:
        pytest.skip(done.stderr.decode())
    found = requirements.parse(done.stdout)
    assert requirements.programs_missing(found, ["/bin/sh", "/none"]) == ["/none"]
    assert int(found["memory"]) > 0
    assert int(found["cpus"]) > 0
    assert set(FINE) - set(found) <= {f"iptables-{name}" for name in requirements.IPTABLES} | {"ipset"}
