from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from dinv.errors import CacheBusy, CacheNotFound, CertificateError, ConfigError, InputError
from dinv.pki import certificates
from dinv.registries import cache_ca
from dinv.registries.cache_record import CacheRecord, Registry
from dinv.registries.cache_store import LONGEST_NAME, CacheStore, check_name
from dinv.store.store import Store

if TYPE_CHECKING:
    from pathlib import Path


def kept(path: Path, name: str = "hub") -> CacheStore:
    store = CacheStore(str(path))
    with store.claim(name, "creating it"):
        store.save(
            CacheRecord.new(
                name, identity="id", created="", endpoint={}, registries=[Registry("push", "", 5000)]
            )
        )
    return store


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    store = kept(tmp_path)
    assert [each.name for each in store.load("hub").registries] == ["push"]
    assert os.stat(os.path.join(store.directory("hub"), "config.json")).st_mode & 0o777 == 0o600
    assert store.names() == ["hub"]


def test_caches_are_no_machines(tmp_path: Path) -> None:
    kept(tmp_path)
    assert Store(str(tmp_path)).names() == []


def test_one_that_is_not_there(tmp_path: Path) -> None:
    store = kept(tmp_path)
    for ask in (lambda: store.load("hubb"), lambda: store.lock("hubb", "x").__enter__()):
        with pytest.raises(CacheNotFound, match='Did you mean "hub"'):
            ask()


def test_one_at_a_time(tmp_path: Path) -> None:
    store = kept(tmp_path)
    other = CacheStore(str(tmp_path))
    with store.lock("hub", "removing it"):
        for wanted in (other.lock, other.claim):
            with pytest.raises(CacheBusy, match="removing it"), wanted("hub", "creating it"):
                pass


@pytest.mark.parametrize(
    "changed",
    [
        [],
        {"Version": 2},
        {"Version": None},
        {"Host": 1},
        {"Registries": {}},
        {"Registries": [{"Name": "x"}]},
        {"Endpoint": ""},
    ],
)
def test_a_damaged_record_is_an_error_that_says_how_to_go_on(tmp_path: Path, changed: Any) -> None:
    store = kept(tmp_path)
    path = os.path.join(store.directory("hub"), "config.json")
    document = changed if isinstance(changed, list) else {**store.load("hub").document, **changed}
    with open(path, "w", encoding="utf-8") as file:
        json.dump(document, file)
    with pytest.raises(ConfigError, match=r"cache rm|Upgrade dinv"):
        store.load("hub")


@pytest.mark.parametrize("name", ["", "-a", "a_b", "a/b", "x" * (LONGEST_NAME + 1)])
def test_names_that_an_endpoint_would_not_have(name: str) -> None:
    with pytest.raises(InputError):
        check_name(name)


def test_a_server_certificate_is_made_when_it_is_needed(tmp_path: Path) -> None:
    names = ("10.0.0.9", "dinv-cache-hub")
    assert cache_ca.server("hub", str(tmp_path), names)
    assert not cache_ca.server("hub", str(tmp_path), names)
    assert cache_ca.server("hub", str(tmp_path), ("10.0.0.10", "dinv-cache-hub"))
    anchor, certificate, key = cache_ca.client("hub", str(tmp_path), "dev")
    assert cache_ca.lasts(certificate)
    assert b"PRIVATE KEY" in key
    assert anchor == (tmp_path / "ca.pem").read_bytes()


def test_a_certificate_is_made_anew_when_a_third_of_its_life_is_left(tmp_path: Path) -> None:
    authority = cache_ca.CacheAuthority("hub", str(tmp_path))
    key = certificates.new_key()
    # They begin five minutes ago.
    for seconds, lasts in ((1200, True), (100, False)):
        request = certificates.request(key, role="client", names=(), machine="hub", lifetime=seconds)
        assert cache_ca.lasts(authority.certificate(request)) is lasts


def test_a_ca_without_its_key_says_how_to_go_on(tmp_path: Path) -> None:
    cache_ca.server("hub", str(tmp_path), ("10.0.0.9",))
    os.unlink(tmp_path / "ca-key.pem")
    with pytest.raises(CertificateError, match="cache rm --force hub"):
        cache_ca.client("hub", str(tmp_path), "dev")
