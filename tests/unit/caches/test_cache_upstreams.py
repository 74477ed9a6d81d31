from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dinv.caches import upstreams
from dinv.errors import OptionError
from dinv.registries.cache_record import Registry

if TYPE_CHECKING:
    from pathlib import Path


def named(*texts: str, push: bool = False) -> list[tuple[str, str, int]]:
    return [(each.name, each.upstream, each.port) for each in upstreams.registries(texts, push=push)]


def test_without_any_it_is_docker_hub() -> None:
    assert named() == [("docker.io", "https://registry-1.docker.io", 5000)]


def test_a_cache_may_be_for_pushes_alone() -> None:
    assert named(push=True) == [("push", "", 5000)]


@pytest.mark.parametrize(
    ("text", "name", "url"),
    [
        ("docker.io", "docker.io", "https://registry-1.docker.io"),
        ("index.docker.io", "docker.io", "https://registry-1.docker.io"),
        ("https://registry-1.docker.io", "docker.io", "https://registry-1.docker.io"),
        ("ghcr.io", "ghcr.io", "https://ghcr.io"),
        ("REG.test:5000", "reg.test:5000", "https://reg.test:5000"),
        ("http://reg.test:5000/", "reg.test:5000", "http://reg.test:5000"),
        ("docker.io=http://10.0.0.1:5000", "docker.io", "http://10.0.0.1:5000"),
    ],
)
def test_a_registry_and_where_its_images_come_from(text: str, name: str, url: str) -> None:
    assert named(text) == [(name, url, 5000)]


def test_each_has_a_port_and_the_one_for_pushes_comes_last() -> None:
    assert [(name, port) for name, _, port in named("ghcr.io", "docker.io", "ghcr.io", push=True)] == [
        ("ghcr.io", 5000),
        ("docker.io", 5001),
        ("push", 5002),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "=",
        "push",
        "a b",
        "https://",
        "ftp://reg.test",
        "https://reg.test/path",
        "https://reg.test:0",
        "reg.test:99999",
        "../etc",
        "reg.test/library",
        'x"=https://reg.test',
        "https://me:secret@reg.test",
    ],
)
def test_what_is_no_registry_is_refused(text: str) -> None:
    with pytest.raises(OptionError) as caught:
        named(text)
    assert "secret" not in str(caught.value)


def test_one_registry_has_one_upstream() -> None:
    with pytest.raises(OptionError, match="has an upstream already"):
        named("docker.io", "docker.io=http://mirror.test")


def test_there_is_a_most() -> None:
    with pytest.raises(OptionError, match="at most"):
        named(*(f"r{number}.test" for number in range(upstreams.MOST + 1)))


@given(st.text())
def test_whatever_is_given_a_name_can_be_part_of_a_path(text: str) -> None:
    try:
        found = named(text)
    except OptionError:
        return
    for name, url, _ in found:
        assert not set(name) & set('/\\"\n\t ')
        assert not name.startswith((".", "-"))
        assert url.startswith(("https://", "http://"))


HUB = [Registry("docker.io", "https://registry-1.docker.io", 5000), Registry("push", "", 5001)]
AUTHS = json.dumps({"auths": {"https://index.docker.io/v1/": {"username": "me", "password": "secret"}}})


def test_credentials_come_from_a_file_or_from_the_variable(tmp_path: Path) -> None:
    file = tmp_path / "auth.json"
    file.write_text(AUTHS)
    for path, environ in ((str(file), {}), (None, {upstreams.VARIABLE: AUTHS})):
        found = upstreams.logins(path, HUB, environ)
        assert list(found) == ["docker.io"]
        assert found["docker.io"].fields()["password"] == "secret"
    assert upstreams.logins(None, HUB, {}) == {}


@pytest.mark.parametrize("content", ["[]", "{", "secret", '{"auths": {}}', '{"auths": {"ghcr.io": {}}}'])
def test_credentials_that_are_none_are_an_error_that_shows_nothing(tmp_path: Path, content: str) -> None:
    file = tmp_path / "auth.json"
    file.write_text(content)
    with pytest.raises(OptionError) as caught:
        upstreams.logins(str(file), HUB, {})
    assert "secret" not in str(caught.value)


def test_a_missing_file_of_credentials_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="No such file"):
        upstreams.logins(str(tmp_path / "none"), HUB, {})
