"""A machine whose certificates the command of docs/authorities.md signs, as the store's config.toml says."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from documents import blocks
from own_certificates import read

if TYPE_CHECKING:
    from pathlib import Path

    from users import User


def test_a_store_has_its_machines_signed_by_openssl(user: User, tmp_path: Path) -> None:
    making = next(each.text for each in blocks("docs/authorities.md") if "test_exec_authority" in each.reason)
    user.run("bash", "-euc", f"cd {tmp_path}\n{making}")
    sign = tmp_path / "machine-ca" / "sign"
    os.mkdir(user.store, 0o700)
    settings = os.path.join(user.store, "config.toml")
    with open(settings, "w", encoding="utf-8") as file:
        file.write(f'[create]\nauthority = "exec"\nexec-command = "{sign}"\ncert-lifetime = "30d"\n')
    name = user.name("dev")
    signs = sign.read_text()
    sign.write_text("#!/bin/sh\necho no >&2\nexit 9\n")
    assert "ended with exit status 9: no" in user.fails("create", name)
    assert user.traces(name) == []
    sign.write_text(signs)
    user.dinv("create", name)
    os.remove(settings)  # what it said is in the machine's record

    record = json.loads(user.dinv("inspect", name).stdout)["Dinv"]
    assert record["AuthorityOptions"]["exec_command"] == str(sign)
    first = pair(user, name)
    assert [read(each).issuer.rfc4514_string() for each in first] == ["CN=Machines"] * 2
    assert "Server Version" in user.docker(name, "info")

    # Whoever is to sign does not: the certificates in use stay.
    sign.write_text("#!/bin/sh\necho the token has expired >&2\nexit 9\n")
    assert "ended with exit status 9: the token has expired" in user.fails("regenerate-certs", "-f", name)
    assert pair(user, name) == first
    assert "Server Version" in user.docker(name, "info")
    sign.write_text(signs)
    user.dinv("regenerate-certs", "-f", name)
    assert pair(user, name)[0] != first[0]
    assert "Server Version" in user.docker(name, "info")
    user.dinv("rm", "-f", name)


def pair(user: User, name: str) -> list[bytes]:
    """The machine's certificate and the user's."""
    found = []
    for file in ("server.pem", "cert.pem"):
        with open(os.path.join(user.store, "machines", name, file), "rb") as opened:
            found.append(opened.read())
    return found
