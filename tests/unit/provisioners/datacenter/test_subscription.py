"""What is a licence of Docker Datacenter, and what is none."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from dinv.errors import OptionError
from dinv.provisioners.datacenter import subscription as licence

if TYPE_CHECKING:
    from pathlib import Path

GIVEN = {"key_id": "k", "private_key": "p", "authorization": "a"}


def test_a_licence_is_read_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "docker_subscription.lic"
    for data in (json.dumps(GIVEN), "\ufeff" + json.dumps({**GIVEN, "more": 1}, indent=2)):
        path.write_text(data)
        assert licence.read(str(path)) == data.encode()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "not JSON"),
        (b"-----BEGIN CERTIFICATE-----", "not JSON"),
        (b"\xff\xfe{}", "not JSON"),
        (b"[1]", "not a JSON object"),
        (b"{}", "no key_id and no private_key and no authorization"),
        (json.dumps({**GIVEN, "authorization": " "}).encode(), "no authorization"),
        (json.dumps({**GIVEN, "key_id": 3}).encode(), "no key_id"),
        (b" " * (licence.LARGEST + 1), "more than 65536 bytes"),
        (b"[" * 5000, "not JSON"),
    ],
)
def test_what_is_none(tmp_path: Path, content: bytes, why: str) -> None:
    path = tmp_path / "some.lic"
    path.write_bytes(content)
    with pytest.raises(OptionError, match=why) as raised:
        licence.read(str(path))
    assert raised.value.option == "ucp-license"


def test_a_directory_and_a_missing_file(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(OptionError, match="cannot be read"):
            licence.read(str(path))


def test_nothing_of_a_broken_licence_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "some.lic"
    path.write_text(json.dumps({"private_key": "tomato"}))
    with pytest.raises(OptionError) as raised:
        licence.read(str(path))
    assert "tomato" not in str(raised.value)
