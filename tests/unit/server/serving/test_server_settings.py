"""The server's settings, from flags, variables and a file; all that is wrong at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from dinv.server.serving.options import SettingsError, settings

if TYPE_CHECKING:
    from pathlib import Path

    from dinv.server.settings import Settings


def read(tmp_path: Path, text: str = "", environ: dict[str, str] | None = None, **given: Any) -> Settings:
    file = tmp_path / "server.toml"
    file.write_text(text)
    return settings(given, file=str(file), environ=environ or {}, state=str(tmp_path / "state"))


def faults(tmp_path: Path, text: str = "", **given: Any) -> list[str]:
    with pytest.raises(SettingsError) as refused:
        read(tmp_path, text, **given)
    return [each.replace(f"{tmp_path}/server.toml: ", "") for each in refused.value.problems]


def test_without_any_it_is_for_this_computer(tmp_path: Path) -> None:
    found = settings({}, environ={}, state=str(tmp_path))
    assert (found.state, found.database, found.listen) == (str(tmp_path), "", ("127.0.0.1", 8443))
    assert found.url == "https://127.0.0.1:8443"


def test_a_flag_counts_before_a_variable_before_the_file(tmp_path: Path) -> None:
    text = 'database = "postgresql://file/a"\nlisten = "127.0.0.1:1"\nsecret_file = "/s"\n'
    environ = {"DINV_SERVER_DATABASE": "postgresql://variable/a", "DINV_SERVER_LISTEN": "127.0.0.1:2"}
    found = read(tmp_path, text, environ, listen="[::1]:3", secret_file=None)
    assert (found.database, found.listen, found.secret_file) == ("postgresql://variable/a", ("::1", 3), "/s")
    assert found.url == "https://[::1]:3"


def test_everything_can_be_in_the_file(tmp_path: Path) -> None:
    (tmp_path / "client-secret").write_text("s3cret\n")
    found = read(
        tmp_path,
        f"""
        state = "~/x"
        listen = ":8443"
        public_url = "https://dinv.example.com/"
        plain = true
        trusted_proxies = ["10.0.0.0/8", "::1"]
        workers = 4
        reconcile_seconds = 7.5
        events_days = 3
        [oidc]
        name = "Example"
        issuer = "https://id.example.com"
        client_id = "dinv"
        client_secret_file = "{tmp_path}/client-secret"
        operator_groups = ["ops"]
        """,
    )
    assert not found.state.startswith("~")
    assert (found.listen, found.url) == (("0.0.0.0", 8443), "https://dinv.example.com")  # noqa: S104
    assert (found.plain, found.trusted_proxies, found.workers) == (True, ("10.0.0.0/8", "::1"), 4)
    assert (found.reconcile_seconds, found.events_days) == (7.5, 3)
    assert found.provider is not None
    assert (found.provider.client_secret, found.provider.operator_groups) == ("s3cret", ("ops",))
    assert "s3cret" not in repr(found)


def test_the_secret_of_the_provider_may_be_a_variable(tmp_path: Path) -> None:
    text = 'public_url = "https://d.example"\n[oidc]\nissuer = "https://id.example.com"\nclient_id = "dinv"\n'
    found = read(tmp_path, text, {"DINV_SERVER_OIDC_CLIENT_SECRET": "s3cret"})
    assert found.provider is not None
    assert (found.provider.client_secret, found.provider.name) == ("s3cret", "id.example.com")


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    found = faults(
        tmp_path,
        """
        databse = "x"
        listen = 8443
        plain = "yes"
        workers = 0
        trusted_proxies = ["proxy"]
        [oidc]
        issuer = "http://id.example.com"
        client = "x"
        scopes = "openid"
        """,
        public_url="dinv.example.com",
    )
    assert [each.partition(" ")[0] for each in found] == [
        *("databse", "listen", "plain", "workers", "trusted_proxies"),
        *("public_url:", "oidc:", "oidc:", "oidc:", "oidc:"),
    ]
    assert "there are: state, database" in found[0]
    assert "is missing" in found[8]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"tls_cert": "/c"}, "belong together"),
        ({"tls_cert": "/c", "tls_key": "/k", "plain": True}, "tls_cert says otherwise"),
        ({"plain": True, "listen": "0.0.0.0:80"}, "trusted_proxies"),
        ({"public_url": "http://dinv.example.com"}, "People need https"),
        ({"public_url": "https://dinv.example.com/sub"}, "without a path"),
        ({"public_url": "https://a:b@dinv.example.com"}, "without a path"),
        ({"public_url": "https://[::1"}, "without a path"),
        ({"listen": "8443"}, "HOST:PORT"),
        ({"listen": "a:b"}, "HOST:PORT"),
        ({"listen": "::1:8443"}, "HOST:PORT"),
        ({"listen": "a:70000"}, "HOST:PORT"),
    ],
)
def test_what_does_not_fit_together(tmp_path: Path, given: dict[str, Any], words: str) -> None:
    assert words in "\n".join(faults(tmp_path, **given))


def test_a_provider_needs_the_address_that_it_sends_people_to(tmp_path: Path) -> None:
    text = '[oidc]\nissuer = "https://id.example.com"\nclient_id = "dinv"\n'
    assert "public_url" in faults(tmp_path, text)[0]


@pytest.mark.parametrize("text", ["x = ", "a = 1\na = 2", "\0"])
def test_a_file_that_is_not_toml(tmp_path: Path, text: str) -> None:
    assert "is not TOML" in faults(tmp_path, text)[0]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        settings({}, file=str(tmp_path / "none.toml"), environ={})
