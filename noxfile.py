"""The checks of the project, one by one, in environments of their own: `nox -l` lists them.

`nox` runs what needs neither root nor Linux nor a Docker daemon: lint, types, unit. `nox -s unit -- -k store`
hands what follows `--` to pytest. CI runs scripts/test, which is all of it, on one Python.
"""

from __future__ import annotations

import os
import shutil

import nox

nox.needs_version = ">=2026"
nox.options.sessions = ["lint", "types", "unit"]
nox.options.reuse_venv = "yes"
nox.options.default_venv_backend = "virtualenv"
nox.options.download_python = "never"

PYTHONS = ["3.11", "3.12", "3.13", "3.14"]
LINTED = ["src", "tests", "benchmarks", "scripts", "examples", "noxfile.py"]
PROJECT = nox.project.load_toml("pyproject.toml")


def install(session: nox.Session, *names: str) -> None:
    """Install these of the dependency group `dev`, as it bounds them; without names, all of it and dinv."""
    wanted = nox.project.dependency_groups(PROJECT, "dev")
    if names:
        session.install(*(line for line in wanted if line.startswith(names)))
    else:
        session.install("-e", ".", *wanted)


def python_of(session: nox.Session) -> dict[str, str]:
    """What scripts read: whose packages they are to use."""
    return {"PYTHON": os.path.join(session.bin, "python")}


@nox.session
def lint(session: nox.Session) -> None:
    """ruff, and shellcheck where it is installed."""
    install(session, "ruff")
    session.run("ruff", "check", *LINTED)
    session.run("ruff", "format", "--check", *LINTED)
    if shutil.which("shellcheck"):
        session.run("scripts/shell-check", external=True)
    else:
        session.warn("shellcheck is not installed: the shell scripts are not checked")


@nox.session
def types(session: nox.Session) -> None:
    """mypy, strict."""
    install(session)
    session.run("mypy", *session.posargs)


@nox.session
def unit(session: nox.Session) -> None:
    """The unit tests, on all processors. What needs root or a program that is missing is skipped."""
    install(session)
    session.run("pytest", "-n", "auto", "tests/unit", *session.posargs)


@nox.session(python=PYTHONS)
def matrix(session: nox.Session) -> None:
    """Types and the unit tests on each Python that is installed."""
    install(session)
    session.run("mypy", "--python-version", str(session.python))
    session.run("pytest", "-n", "auto", "tests/unit", *session.posargs)


@nox.session
def coverage(session: nox.Session) -> None:
    """What the unit tests reach, and that it is not less than before."""
    install(session)
    session.run("scripts/coverage", *session.posargs, external=True, env=python_of(session))


@nox.session
def docs(session: nox.Session) -> None:
    """The site, built strictly, and what the pages say of dinv. Their commands are run by `integration`."""
    install(session)
    session.install(*nox.project.dependency_groups(PROJECT, "docs"))
    session.run("scripts/docs", *session.posargs, external=True, env=python_of(session))
    session.run("pytest", "tests/unit/test_documents_read.py")


@nox.session(venv_backend="none")
def integration(session: nox.Session) -> None:
    """Real daemons and machines: Debian or Ubuntu, and root or sudo (scripts/test installs what it needs)."""
    session.run("scripts/test", *(session.posargs or ["tests/integration"]), external=True)
