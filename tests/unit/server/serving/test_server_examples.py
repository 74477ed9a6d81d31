"""The files of examples/server: read as far as can be without what they are for."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml

import dinv
from dinv.server.serving.options import PREFIX, settings

if TYPE_CHECKING:
    from pathlib import Path

CHECKOUT = os.path.dirname(os.path.dirname(os.path.dirname(dinv.__file__)))
EXAMPLES = os.path.join(CHECKOUT, "examples", "server")


def text(name: str) -> str:
    with open(os.path.join(EXAMPLES, name), encoding="utf-8") as file:
        return file.read()


def documents(name: str) -> list[Any]:
    return list(yaml.safe_load_all(text(name)))


def test_the_settings_are_settings() -> None:
    found = settings({}, file=os.path.join(EXAMPLES, "server.toml"), environ={})
    assert (found.state, found.url) == ("/var/lib/dinv", "https://dinv.example.com:8443")


def test_the_settings_are_settings_with_all_that_is_commented_out(tmp_path: Path) -> None:
    lines = text("server.toml").splitlines()
    given = [line.removeprefix("# ") for line in lines if " = " in line or line.startswith("# [")]
    (tmp_path / "oidc-secret").write_text("s")
    file = tmp_path / "server.toml"
    file.write_text("\n".join(given).replace("/etc/dinv/oidc-secret", str(tmp_path / "oidc-secret")))
    found = settings({}, file=str(file), environ={})
    assert found.provider is not None
    assert found.tls_key


def test_the_variables_of_the_containers_are_settings() -> None:
    (server,) = (each for each in documents("kubernetes.yaml") if each["kind"] == "Deployment")
    (container,) = server["spec"]["template"]["spec"]["containers"]
    of_kubernetes = {
        each["name"]: each.get("value", "postgresql://dinv@db/dinv") for each in container["env"]
    }
    of_compose = documents("compose.yaml")[0]["services"]["server"]["environment"]
    for environ in (of_kubernetes, of_compose):
        ours = {name: value for name, value in environ.items() if name.startswith(PREFIX)}
        ours["DINV_SERVER_PUBLIC_URL"] = "https://dinv.example.com"
        found = settings({}, environ=ours)
        assert found.database.startswith("postgresql://dinv@")
        assert found.secret_file
        # None was passed over: a name with a mistake would be.
        assert {name.removeprefix(PREFIX).lower() for name in ours} <= {
            *("state", "database", "listen", "public_url", "tls_cert", "tls_key", "secret_file"),
        }


def test_kubernetes_finds_what_is_named() -> None:
    found = documents("kubernetes.yaml")
    assert [each["kind"] for each in found] == ["Deployment", "Service", "PodDisruptionBudget"]
    deployment, service, budget = found
    template = deployment["spec"]["template"]
    labels = template["metadata"]["labels"]
    for selector in (
        deployment["spec"]["selector"]["matchLabels"],
        budget["spec"]["selector"]["matchLabels"],
    ):
        assert selector == labels
    assert service["spec"]["selector"] == labels
    (container,) = template["spec"]["containers"]
    assert {each["name"] for each in container["volumeMounts"]} == {
        each["name"] for each in template["spec"]["volumes"]
    }
    ports = {each["name"] for each in container["ports"]}
    probes = [container[name]["httpGet"] for name in ("readinessProbe", "livenessProbe", "startupProbe")]
    assert {each["port"] for each in (*probes,)} | {service["spec"]["ports"][0]["targetPort"]} == ports
    assert {each["path"] for each in probes} == {"/healthz", "/readyz"}


def test_compose_finds_what_is_named() -> None:
    (found,) = documents("compose.yaml")
    volumes, secrets = set(found["volumes"]), set(found["secrets"])
    for service in found["services"].values():
        named = {each.partition(":")[0] for each in service["volumes"]}
        assert {each for each in named if not each.startswith("/")} <= volumes
        assert set(service["secrets"]) <= secrets
        assert set(service.get("depends_on", ())) <= set(found["services"])


def test_stopping_has_the_time_that_the_server_takes() -> None:
    from dinv.server.serving.running import OPERATIONS_SECONDS, REQUESTS_SECONDS

    takes = REQUESTS_SECONDS + OPERATIONS_SECONDS
    (server,) = (each for each in documents("kubernetes.yaml") if each["kind"] == "Deployment")
    assert server["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] > takes
    assert float(documents("compose.yaml")[0]["services"]["server"]["stop_grace_period"].rstrip("s")) > takes
    (line,) = (line for line in text("dinv.service").splitlines() if line.startswith("TimeoutStopSec="))
    assert float(line.partition("=")[2]) > takes


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_reads_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / "dinv.service"
    unit.write_text(text("dinv.service").replace("/opt/dinv/bin/dinv", "/bin/true"))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False
    )
    assert [line for line in done.stderr.splitlines() if "dinv.service" in line] == []
