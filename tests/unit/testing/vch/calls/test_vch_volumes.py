from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dinv.testing.vch.calls import volumes
from dinv.testing.vch.rules.errors import VicError
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


@pytest.mark.parametrize("text", ["1.5", "1kb", "1b", "999999"])
def test_less_than_a_mb_is_nothing_and_goes_on_to_the_port_layer(text: str) -> None:
    assert volumes.capacity(text) == (0 if text != "999999" else 999999)


def _refused(text: str) -> str:
    with pytest.raises(VicError) as error:
        volumes.capacity(text)
    assert error.value.status == 500
    return error.value.message


@pytest.mark.parametrize("text", ["0", "-5"])
def test_a_capacity_of_nothing(text: str) -> None:
    assert _refused(text) == f"bad driver value - Invalid size: {text}"


@pytest.mark.parametrize("text", ["", "abc", "1e3", "1gib", "10XB", "GB", "10GiBs", "\u0661", " 5", "1_000"])
def test_a_capacity_that_is_none(text: str) -> None:
    assert _refused(text) == f"bad driver value - invalid size: '{text}'"


@pytest.mark.parametrize("text", ["99999999999999999999", "99999999P", "0GB"])
def test_a_capacity_that_is_too_much(text: str) -> None:
    assert _refused(text) == f"bad driver value - Capacity value too large: {text}"


@given(st.text(max_size=12))
def test_any_capacity_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(VicError):
        assert volumes.capacity(text) >= 0


_OF_A_VOLUME = "invalid volume specification: '{}': invalid mount config for type \"volume\": "


@pytest.mark.parametrize(
    ("spec", "wrong"),
    [
        ("v:/data", ""),
        ("v:/data:ro", ""),
        ("/data", ""),
        ("v:/data:ro,z", ""),
        ("a:b:c:d", "invalid volume specification: 'a:b:c:d'"),
        (":/data", "invalid volume specification: ':/data'"),
        ("/data:ro", "invalid volume specification: '/data:ro'"),
        ("v:/data:x", "invalid mode: x"),
        ("v:/data:ro,rw", "invalid mode: ro,rw"),
        (
            "v:data",
            f"{_OF_A_VOLUME.format('v:data')}invalid mount path: 'data' mount path must be absolute",
        ),
        (
            "v:/",
            f"{_OF_A_VOLUME.format('v:/')}invalid specification: destination can't be '/'",
        ),
    ],
)
def test_specifications_of_volumes(spec: str, wrong: str) -> None:
    """Docker 1.13's own checks, which come before all of VIC's."""
    body = {"HostConfig": {"Binds": [spec]}}
    if not wrong:
        volumes.check(body)
        return
    with pytest.raises(VicError) as error:
        volumes.check(body)
    assert (error.value.status, error.value.message) == (500, f'invalid bind mount spec "{spec}": {wrong}')


def test_a_disks_label_is_what_its_mountpoint_is() -> None:
    assert volumes.label_of("cache") == "0fea6a13c52b4d47"


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
    container.attachments = [Attachment(disk, f"/{disk}") for disk in disks]
    return container


def test_a_disk_is_one_running_containers() -> None:
    first, second, third = _container("a", "v"), _container("b", "v", "w"), _container("c", "w")
    volumes.claim(second, [second, third][:0])
    volumes.claim(second, [second])
    with pytest.raises(VicError) as error:
        volumes.claim(second, [first])
    assert (error.value.status, error.value.message) == (
        409,
        "Conflict error from portlayer: device v in use",
    )
    assert not volumes.locked("v", second, [third])
    assert volumes.locked("w", second, [third])
