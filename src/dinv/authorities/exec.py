"""The "exec" authority: a command of the user's signs, such as openssl, step, or a company's script.

It gets the signing request, PEM, on its standard input and what is asked for in its environment (see
`environment`); it prints the chain, PEM, and may print text around it. It is run without a shell and without
a terminal, with a deadline. What it says on its standard error is shown if it fails.
"""

from __future__ import annotations

import errno
import json
import os
import shlex
import shutil

from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import NameOID

from dinv.authorities import Authority
from dinv.declaration import PATH, SECONDS, Option
from dinv.errors import (
    AuthorityError,
    AuthorityRefused,
    AuthorityUnreachable,
    CertificateError,
    OptionError,
)
from dinv.formats.visible import visible
from dinv.pki import pem
from dinv.pki.certificates import load_chain, only_certificates, subject
from dinv.pki.chain import signed_by, unrooted
from dinv.system import commands, home
from dinv.system.deadline import Deadline
from dinv.timeouts import AUTHORITY_SECONDS
from dinv.wording import option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from cryptography import x509

    from dinv.pki.requests import CertificateRequest, Fault, Role
    from dinv.progress import Progress

MOST_OUTPUT = 1024 * 1024
"""Bytes that a command may print."""
VERSION = 1
"""Of the document in DINV_REQUEST. Fields may be added without a new one."""

_MOST_LINES = 8
_MOST_SHOWN = 80
_ADDRESS = "0123456789.:"
_REASONS = {
    errno.ENOENT: "cannot be run: there is no such program, or not the interpreter that its first line names",
    errno.EACCES: "cannot be run: it may not be executed (chmod +x), or is a directory",
    errno.ENOEXEC: "cannot be run: it is neither a program nor a script with a first line such as #!/bin/sh",
    errno.E2BIG: "cannot be run: the names that the certificate is for are too many for its environment",
}

OPTIONS = (
    Option(
        "exec-command",
        "DINV_EXEC_COMMAND",
        "command that signs: the request on its standard input, the chain on its output",
        metavar="COMMAND",
    ),
    Option(
        "exec-ca",
        "DINV_EXEC_CA",
        "CA that machine and users trust (default: the self-signed one that the command prints)",
        type=PATH,
        metavar="FILE",
    ),
    Option(
        "exec-timeout",
        "DINV_EXEC_TIMEOUT",
        f"for the command to sign one certificate ({AUTHORITY_SECONDS:g})",
        type=SECONDS,
        metavar="SECONDS",
        default=AUTHORITY_SECONDS,
    ),
)


class ExecAuthority(Authority):
    """Signs by a command. Without `exec-ca` its answer has to end with the root."""

    name = "exec"

    def __init__(self, *, machine: str, directory: str, options: Mapping[str, Any]) -> None:
        super().__init__(machine=machine, directory=directory, options=options)
        self._argv = _split(str(self.options["exec_command"] or ""))
        # It will be run again from other directories.
        self.options["exec_command"] = shlex.join(self._argv)
        self._ca = str(self.options["exec_ca"] or "")
        self._timeout = float(self.options["exec_timeout"] or AUTHORITY_SECONDS)
        self._roots: dict[bytes, None] = {}
        """Those that the command has printed, each once."""

    @classmethod
    def create_flags(cls) -> Sequence[Option]:
        return OPTIONS

    @property
    def ca_elsewhere(self) -> str:
        return f'kept by the authority "exec" ({self._shown})'

    @property
    def _shown(self) -> str:
        text = str(self.options["exec_command"])
        return text if len(text) <= _MOST_SHOWN else text[:_MOST_SHOWN] + "..."

    # At a create

    def check(self) -> None:
        """Check that there are a command and, if named, a CA. Signs nothing.

        Raises OptionError, CertificateError.
        """
        if not self._argv:
            raise OptionError('is not given, and the authority "exec" needs it', option="exec-command")
        program = self._argv[0]
        if shutil.which(program) is None:
            there = os.path.sep in program and os.path.exists(program)
            why = (
                "it may not be executed (chmod +x), or is a directory"
                if there
                else "there is no such program"
            )
            raise OptionError(f"cannot be run: {why}", option="exec-command", value=program)
        if self._ca:
            self._named_anchor()

    def prepare(self, progress: Progress) -> None:
        """Say whom the machine will let in."""
        progress.note(
            f"Whoever has a client certificate of the CA that {self._shown} signs with can reach "
            f"{self.machine} too"
        )

    # Signing

    def trust_anchor(self) -> bytes:
        """Return the CAs in `exec-ca`, or the roots that the command printed, or else the machine's CA."""
        if self._ca:
            return self._named_anchor()
        known = pem.read_if_there(os.path.join(self.directory, "ca.pem")) if not self._roots else None
        if not self._roots and known is None:
            raise self._error(
                "did not print the root of its chain, which machine and users are to trust",
                self.remedy("root", "server"),
            )
        return known or b"".join(self._roots)

    def certificate(self, request: CertificateRequest) -> bytes:
        """Run the command; return what it printed. Raises CertificateError."""
        chain = self._run(request)
        for each in load_chain(chain, f"the output of {self._shown}")[1:]:
            if signed_by(each, each):
                self._roots[each.public_bytes(serialization.Encoding.PEM)] = None
        return chain

    def remedy(self, fault: Fault, role: Role) -> str:
        """Return what the command has to do otherwise."""
        said = {
            "key": "It has to sign the request on its standard input.",
            "names": "It has to copy the names in the request, or those in DINV_SAN.",
            "usage": f"For {role}s it has to sign with extendedKeyUsage={role}Auth (DINV_USAGE) alone.",
            "lifetime": "DINV_LIFETIME has the seconds that were asked for.",
            "chain": "It has to print the issuers' certificates too, after the certificate.",
            "root": "It has to print the root too, at the end, or name a file with it by ",
            "holder": "The name is in the request's subject, and in DINV_COMMON_NAME.",
        }.get(fault, "")
        return said + option("exec-ca", "FILE") + "." if fault == "root" else said

    def _run(self, request: CertificateRequest) -> bytes:
        if not self._argv:
            raise OptionError('is not given, and the authority "exec" needs it', option="exec-command")
        try:
            ended = commands.run(
                self._argv,
                given=request.csr,
                environment={**os.environ, **environment(request)},
                deadline=Deadline(self._timeout),
                most=MOST_OUTPUT,
            )
        except OSError as error:
            why = _REASONS.get(error.errno or 0, f"cannot be run: {error.strerror or error}")
            raise self._error(why, "It is given by " + option("exec-command") + ".") from error
        said = _last_lines(ended.said)
        if ended.late:
            raise AuthorityUnreachable(
                self.name,
                self._shown,
                f"did not end within {self._timeout:g} s, and was stopped{said}",
                "Give it more time by " + option("exec-timeout", "SECONDS") + ", or see what it waits for.",
            )
        if ended.too_much:
            raise self._error(f"printed more than {MOST_OUTPUT} bytes, and was stopped{said}")
        if ended.status is None:
            raise self._error(f"was lost: the process that looks after it has ended{said}")
        if ended.status:
            reason = f"{_how(ended.status)}{said}"
            raise AuthorityRefused(self.name, self._shown, reason, status=ended.status)
        if b"PRIVATE KEY-----" in ended.output:
            raise self._error("printed a private key, which dinv has no use for. It was not kept")
        if b"-----BEGIN CERTIFICATE-----" not in ended.output:
            raise self._error(f"ended well, and printed no certificate in PEM{said}")
        return ended.output

    def _error(self, reason: str, advice: str = "") -> AuthorityError:
        return AuthorityError(self.name, self._shown, reason, advice)

    def _named_anchor(self) -> bytes:
        """Return the CAs in the file of `exec-ca`."""
        anchor = only_certificates(pem.read(self._ca), self._ca)
        lowest = _unrooted(load_chain(anchor, self._ca))
        if lowest is not None:
            raise CertificateError(
                f'The issuer of "{lowest.subject.rfc4514_string()}" is missing in {self._ca}. OpenSSL and '
                f"Python trust roots only: put the certificates above it into the file too, up to the root."
            )
        return anchor


def environment(request: CertificateRequest) -> dict[str, str]:
    """Return what a command is told of a request, beside the user's own environment."""
    name = subject(request.role, request.machine, request.holder)
    common_name = str(name.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)
    told = {
        "version": VERSION,
        "role": request.role,
        "names": list(request.names),
        "machine": request.machine,
        "holder": request.holder,
        "lifetime": request.lifetime,
        "common_name": common_name,
    }
    return {
        "DINV_REQUEST": json.dumps(told),
        "DINV_ROLE": request.role,
        "DINV_USAGE": f"{request.role}Auth",
        "DINV_NAMES": ",".join(request.names),
        "DINV_SAN": ",".join(map(_alternative, request.names)),
        "DINV_MACHINE": request.machine,
        "DINV_HOLDER": request.holder,
        "DINV_LIFETIME": "" if request.lifetime is None else str(request.lifetime),
        "DINV_COMMON_NAME": common_name,
    }


def _alternative(name: str) -> str:
    """Return a name as OpenSSL's subjectAltName has it."""
    return f"IP:{name}" if ":" in name or not name.strip(_ADDRESS) else f"DNS:{name}"


def _split(command: str) -> list[str]:
    """Return the words of a command, as a shell splits them; a path at the front is made absolute."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        why = f"cannot be split into words: {error}"
        raise OptionError(why, option="exec-command", value=command) from error
    if words and (os.path.sep in words[0] or words[0].startswith("~")):
        words[0] = home.absolute(words[0])
    return words


def _unrooted(anchors: list[x509.Certificate]) -> x509.Certificate | None:
    """Return one of the CAs in a file that has no way up to a self-signed one in it; or None."""
    for each in anchors:
        others = [other for other in anchors if other is not each]
        lowest = unrooted([each, *others])
        if lowest is not None:
            return lowest
    return None


def _how(status: int) -> str:
    if status > 0:
        return f"ended with exit status {status}"
    return f"was ended by {commands.signal_name(-status)}"


def _last_lines(said: bytes) -> str:
    """Return what it said last, to follow a reason; "" if that is nothing, or not for anybody's eyes."""
    text = said.decode("utf-8", "replace").strip()
    if not text:
        return ""
    if "PRIVATE KEY-----" in text:
        return " (what it said has a private key in it, and is not shown)"
    lines = [visible(line.rstrip()) for line in text.splitlines() if line.strip()][-_MOST_LINES:]
    return f": {lines[0]}" if len(lines) == 1 else ":" + "".join(f"\n  {line}" for line in lines) + "\n"
