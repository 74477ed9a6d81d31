"""A machine whose certificates an OpenBao signs: the example of docs/authorities.md, as it stands there."""

from __future__ import annotations

import json
import os
import shlex
import sys
from typing import TYPE_CHECKING

import openbao
from documents import blocks
from own_certificates import read

if TYPE_CHECKING:
    from pathlib import Path

    from users import User


def test_the_example_of_the_page(user: User, tmp_path: Path) -> None:
    openbao.program()
    on_the_server, where_dinv_runs = [
        block.text for block in blocks("docs/authorities.md") if "test_life_vault" in block.reason
    ]
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "dinv").write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m dinv "$@"\n')
    (programs / "dinv").chmod(0o755)
    with openbao.running(tmp_path) as bao:
        (programs / "bao").symlink_to(bao.program)
        environ = {
            "PATH": f"{programs}:{user.environment['PATH']}",
            "BAO_ADDR": bao.url,
            "BAO_TOKEN": openbao.ROOT_TOKEN,
        }
        user.run("bash", "-euc", on_the_server, env=environ)
        name = user.name("dev")
        made, renewed = where_dinv_runs.replace(" dev\n", f" {name}\n").split("dinv regenerate-certs")
        user.run("bash", "-euc", f"cd {tmp_path}\n{made}", env=environ)

        config = json.loads(user.dinv("inspect", name).stdout)
        assert config["Dinv"]["Authority"] == "vault"
        assert config["Dinv"]["AuthorityOptions"]["vault_addr"] == bao.url
        secret = (tmp_path / "secret-id").read_text()
        assert secret not in json.dumps(config)
        assert "Server Version" in user.docker(name, "info")
        first = pair(user, name)
        root = bao.issuer("dinv")
        assert [read(pem).issuer.rfc4514_string() for pem in first] == ["CN=Machines"] * 2
        assert first[0] != first[1]
        with open(os.path.join(user.store, "machines", name, "ca.pem"), "rb") as file:
            assert file.read().strip() == root

        # The record has what is needed to sign again.
        user.run("bash", "-euc", f"dinv regenerate-certs{renewed}", env=environ)
        assert pair(user, name)[0] != first[0]
        assert "Server Version" in user.docker(name, "info")
    # The server is gone: the machine goes on, and what needs the server says so.
    assert "Server Version" in user.docker(name, "info")
    assert "nothing listens there" in user.fails("regenerate-certs", "-f", name)
    assert "Server Version" in user.docker(name, "info")
    user.dinv("rm", "-f", name)


def pair(user: User, name: str) -> list[bytes]:
    """The machine's certificate and the user's."""
    found = []
    for file in ("server.pem", "cert.pem"):
        with open(os.path.join(user.store, "machines", name, file), "rb") as opened:
            found.append(opened.read())
    return found
