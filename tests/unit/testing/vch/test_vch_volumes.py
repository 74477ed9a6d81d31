from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dinv.testing.vch import volumes
from dinv.testing.vch.errors import VicError
from dinv.testing.vch.state import Attachment, Container


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1", 1),
        ("1024", 1024),
        ("10GB", 10000),
        ("10G", 10000),
        ("10gb", 10000),
        ("1.5GB", 1500),
        ("1TB", 1_000_000),
        ("2048 MB", 2048),
        ("3000000kB", 3000),
    ],
)
def test_capacity_is_mb_and_units_are_decimal(text: str, size: int) -> None:
    assert volumes.capacity(text) == size


@pytest.mark.parametrize("text", ["0", "-5", "1kB", "0GB"])
def test_a_capacity_of_nothing(text: str) -> None:
    with pytest.raises(VicError, match="Invalid size: ") as error:
        volumes.capacity(text)
    assert error.value.status == 500


@pytest.mark.parametrize("text", ["", "much", "10XB", "GB", "1.2.3GB", "10GiBs"])
def test_a_capacity_that_is_none(text: str) -> None:
    with pytest.raises(VicError, match="invalid size"):
        volumes.capacity(text)


@given(st.integers(min_value=1, max_value=10**9))
def test_a_number_alone_is_mb(size: int) -> None:
    assert volumes.capacity(str(size)) == size
    assert volumes.capacity(f"{size}MB") == size


@pytest.mark.parametrize(
    ("labels", "wanted", "matches"),
    [
        ({"a": "b"}, "a", True),
        ({"a": "b"}, "a=b", True),
        ({"a": "b"}, "a=", False),
        ({"a": "b"}, "b", False),
        ({"a": "b=c"}, "a=b=c", True),
    ],
)
def test_label_filters(labels: dict[str, str], wanted: str, matches: bool) -> None:  # noqa: FBT001
    assert volumes.has_label(labels, wanted) is matches


def _container(name: str, *disks: str) -> Container:
    container = Container(name, {}, memory=512, cpus=1)
    container.attachments = [Attachment(disk, f"/{disk}", read_only=False, anonymous=False) for disk in disks]
    return container


def test_a_disk_is_one_running_containers() -> None:
    first, second, third = _container("a", "v"), _container("b", "v", "w"), _container("c", "w")
    volumes.claim(second, [second, third][:0])
    volumes.claim(second, [second])
    with pytest.raises(VicError, match="Failed to lock the file") as error:
        volumes.claim(second, [first])
    assert error.value.status == 500
    assert not volumes.locked("v", second, [third])
    assert volumes.locked("w", second, [third])
