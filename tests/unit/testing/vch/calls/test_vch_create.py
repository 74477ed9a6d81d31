from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dinv.testing.vch.calls import create
from dinv.testing.vch.rules.errors import VicError

MIB = 1024 * 1024
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@pytest.mark.parametrize(
    ("asked", "given_mb"),
    [
        (0, 2048),
        (1, 512),
        (100 * MIB, 512),
        (512 * MIB, 512),
        (513 * MIB, 640),
        (640 * MIB, 640),
        (4096 * MIB, 4096),
    ],
)
def test_memory_is_in_steps_of_128_mb(asked: int, given_mb: int) -> None:
    assert create.memory(asked) == given_mb


@given(st.integers(min_value=1, max_value=1 << 45))
def test_memory_is_never_less_than_asked_for_in_whole_mb(asked: int) -> None:
    found = create.memory(asked)
    assert found % 128 == 0
    assert found >= max(512, asked // MIB)
    assert found < max(512, asked // MIB) + 128


@pytest.mark.parametrize(
    ("host", "count"),
    [
        ({}, 2),
        ({"CpusetCpus": ""}, 2),
        ({"CpusetCpus": "4"}, 4),
        ({"CpusetCpus": "3,5"}, 3),
        ({"CpusetCpus": "0"}, 1),
        ({"CpuCount": 6, "CpusetCpus": "4"}, 6),
    ],
)
def test_cpus_are_a_count(host: dict[str, object], count: int) -> None:
    assert create.cpus(host) == count


def test_a_range_of_cpus_cannot_be_read() -> None:
    with pytest.raises(VicError, match="Error parsing CPU count") as error:
        create.cpus({"CpusetCpus": "0-3"})
    assert error.value.status == 500


@pytest.mark.parametrize(
    ("asked", "image", "tty", "shown"),
    [
        ([], [], False, [f"PATH={PATH}"]),
        (["PATH=/a"], ["PATH=/b"], False, ["PATH=/a"]),
        ([], ["PATH=/b", "X=1"], False, ["PATH=/b", "X=1"]),
        (["X=2"], ["X=1", "Y=3"], False, ["X=2", f"PATH={PATH}", "Y=3"]),
        ([], [], True, [f"PATH={PATH}", "TERM=xterm"]),
        (["TERM=vt"], [], True, ["TERM=vt", f"PATH={PATH}"]),
    ],
)
def test_variables(asked: list[str], image: list[str], tty: bool, shown: list[str]) -> None:  # noqa: FBT001
    assert create.environment(asked, image, tty=tty) == shown
