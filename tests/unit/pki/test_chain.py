"""What an authority hands back: what is refused and why, and that others accept what is accepted here."""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from signed_chains import (
    CLIENT,
    MIDDLE,
    ROOT,
    SERVER,
    Made,
    certificate,
    key_pem,
    openssl_refusal,
    pem,
    python_refusal,
)

from dinv.authorities.local import LocalAuthority
from dinv.errors import CertificateError, ChainRefused
from dinv.pki import certificates, signing
from dinv.pki.chain import Checks, Unusable, check, check_holder

if TYPE_CHECKING:
    from pathlib import Path

    from dinv.pki.requests import CertificateRequest, Fault, Role

NAME = "dev.example.com"


def chain(leaf: Made, middle: Made = MIDDLE, root: Made = ROOT) -> tuple[list[x509.Certificate], ...]:
    """The certificates that an authority returns, and its trust anchors."""
    return [certificate(leaf, middle), certificate(middle, root)], [certificate(root, root)]


def fault(leaf: Made, middle: Made = MIDDLE, root: Made = ROOT, **wanted: Any) -> tuple[str, str]:
    """What the check says."""
    (first, *others), anchors = chain(leaf, middle, root)
    role = wanted.pop("role", "client" if "client" in leaf.usages else "server")
    try:
        check(first, others, anchors, Checks(role, **wanted))
    except Unusable as error:
        return error.fault, str(error)
    return "", ""


def test_what_should_be_is_accepted() -> None:
    assert fault(SERVER, names=(NAME, "10.0.0.7")) == ("", "")
    assert fault(CLIENT) == ("", "")
    assert fault(SERVER.but(subject=False, names_critical=True), names=(NAME,)) == ("", "")


@pytest.mark.parametrize(
    ("leaf", "kind", "said"),
    [
        (SERVER.but(usages=()), "usage", "no extended key usage, so it is good for servers and clients"),
        (SERVER.but(usages=("server", "client")), "usage", "has clientAuth besides serverAuth"),
        (CLIENT.but(usages=("client", "server")), "usage", "has serverAuth besides clientAuth"),
        (SERVER.but(usages=("server", "any")), "usage", "has anyExtendedKeyUsage besides serverAuth"),
        (SERVER.but(usages=("any",)), "usage", "does not have serverAuth"),
        (SERVER.but(usages=("server", "code")), "usage", "has 1.3.6.1.5.5.7.3.3 besides serverAuth"),
        (SERVER.but(usages=("code",)), "usage", "does not have serverAuth"),
        (SERVER.but(ca=True), "usage", "its key usage does not allow digital signatures"),
        (SERVER.but(ca=True, key_usage=False), "usage", "the certificate of an authority"),
        (SERVER.but(signs=True), "strict", "its key usage allows to sign certificates"),
        (SERVER.but(days=(-3, -1)), "dates", "expired on"),
        (SERVER.but(days=(1, 3)), "dates", "compare this host's clock with the authority's"),
        (SERVER.but(names=("other.example.com",)), "names", f"not valid for {NAME}"),
        (SERVER.but(authority_identifier=False), "strict", "has no authority key identifier"),
        (SERVER.but(wrong_identifier=True), "chain", "is missing or has another key"),
        (SERVER.but(identifier_critical=True), "strict", "2.5.29.14"),
        (SERVER.but(unknown_critical=True), "strict", "1.2.3.4"),
        (SERVER.but(subject=False), "strict", "has an empty subject"),
    ],
)
def test_a_leaf_that_is_refused(leaf: Made, kind: str, said: str) -> None:
    names = () if "client" in leaf.usages[:1] else (NAME,)
    found = fault(leaf, names=names, role="client" if not names else "server")
    assert found[0] == kind
    assert said in found[1]


@pytest.mark.parametrize(
    ("middle", "kind", "said"),
    [
        (MIDDLE.but(constraints_critical=False), "strict", "basic constraints that are not critical"),
        (MIDDLE.but(constraints=False), "chain", "not allowed to sign certificates"),
        (MIDDLE.but(key_usage=False), "strict", "has no key usage"),
        (MIDDLE.but(signs=False), "chain", "not allowed to sign certificates"),
        (MIDDLE.but(subject_identifier=False), "strict", "has no subject key identifier"),
        (MIDDLE.but(authority_identifier=False), "strict", "has no authority key identifier"),
        (MIDDLE.but(usages=("client",)), "chain", "not allowed to sign for servers"),
        (MIDDLE.but(usages=("any",)), "chain", "not allowed to sign for servers"),
        (MIDDLE.but(days=(-3, -1)), "dates", 'middle" expired'),
        (MIDDLE.but(permitted=("example.org",)), "names", f"may not sign for {NAME}"),
        (MIDDLE.but(permitted=("10.1.0.0/16",)), "names", "may not sign for 10.0.0.7"),
        (MIDDLE.but(excluded=("10.0.0.0/8",)), "names", "may not sign for 10.0.0.7"),
        (MIDDLE.but(excluded=("dev.example.com",)), "names", f"may not sign for {NAME}"),
    ],
)
def test_an_issuer_that_is_refused(middle: Made, kind: str, said: str) -> None:
    found = fault(SERVER, middle, names=(NAME,))
    assert found[0] == kind
    assert said in found[1]


@pytest.mark.parametrize(
    ("leaf", "middle", "said"),
    [
        (CLIENT, MIDDLE.but(names=("a.example.org",)), '"CN=root" may not sign for a.example.org'),
        (CLIENT.but(name="jane.doe"), MIDDLE, 'its issuer "CN=root" may not sign for jane.doe'),
        (CLIENT.but(name="jane.doe", names=("10.0.0.7",)), MIDDLE, "may not sign for jane.doe"),
    ],
)
def test_what_a_root_may_not_have_below(leaf: Made, middle: Made, said: str) -> None:
    found = fault(leaf, middle, ROOT.but(permitted=("example.com",)))
    assert found[0] == "names"
    assert said in found[1]


@pytest.mark.parametrize(
    "name", ["jane", "jane@doe.example", "jane doe", "-jane.doe", "jane.", "j..d", "j-.d"]
)
def test_common_names_that_are_no_dns_names(tmp_path: Path, name: str) -> None:
    """For OpenSSL neither; and where there are DNS names, the common name is none."""
    leaf, root = CLIENT.but(name=name), ROOT.but(permitted=("example.com",))
    assert fault(leaf, root=root) == ("", "")
    signed, anchors = chain(leaf, root=root)
    assert openssl_refusal(tmp_path, pem(*signed), pem(*anchors), "client") == ""
    assert fault(leaf.but(name="jane.doe", names=(NAME,)), root=root) == ("", "")


@pytest.mark.parametrize(
    "middle", [MIDDLE.but(permitted=("example.com", "10.0.0.0/8")), MIDDLE.but(excluded=("x",))]
)
def test_names_that_an_issuer_may_sign_for(middle: Made) -> None:
    assert fault(SERVER, middle, names=(NAME,)) == ("", "")


def test_a_root_that_allows_no_issuer_below() -> None:
    assert "more issuers below" in fault(SERVER, root=ROOT.but(path_length=0))[1]


def test_an_anchor_that_is_no_root_is_refused_unless_old_cas_are_allowed() -> None:
    """OpenSSL and Python go on to a self-signed certificate."""
    leaf, middle, root = certificate(SERVER, MIDDLE), certificate(MIDDLE, ROOT), certificate(ROOT, ROOT)
    with pytest.raises(Unusable, match=r'"CN=middle" is not a root.*"CN=root"') as caught:
        check(leaf, [], [middle], Checks("server"))
    assert caught.value.fault == "root"
    with pytest.raises(Unusable, match="is not a root"):
        check(leaf, [root], [middle], Checks("server"))
    assert check(leaf, [], [middle], Checks("server", strict=False)) == []
    assert check(leaf, [root], [root, middle], Checks("server")) == []


def test_what_leads_nowhere_is_left_out() -> None:
    leaf, middle, root = certificate(SERVER, MIDDLE), certificate(MIDDLE, ROOT), certificate(ROOT, ROOT)
    other = Made("other", ca=True)
    found = check(leaf, [root, certificate(other, other), middle, leaf], [root], Checks("server"))
    assert found == [middle]


def test_weak_signatures_and_keys_are_refused() -> None:
    """Which this OpenSSL does not even make: so the check is asked by itself."""
    root_key = rsa.generate_private_key(65537, 1024)  # noqa: S505  (that is the point)
    odd = ec.generate_private_key(ec.SECP256K1())
    now = dt.datetime.now(dt.UTC)
    for key, said in ((root_key, "has 1024 bits"), (odd, "of a kind that Go does not know")):
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "weak")])
        builder = (
            x509.CertificateBuilder()
            .issuer_name(name)
            .serial_number(5)
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=1))
        )
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
        ca = x509.BasicConstraints(ca=True, path_length=None)
        leaf = (
            builder.subject_name(name)
            .public_key(SERVER.own_key.public_key())
            .add_extension(usage, critical=False)
            .sign(key, hashes.SHA256())
        )
        anchor = (
            builder.subject_name(name).public_key(key.public_key()).add_extension(ca, critical=True)
        ).sign(key, hashes.SHA256())
        with pytest.raises(Unusable, match=said):
            check(leaf, [], [anchor], Checks("server"))


# --- the verdicts of OpenSSL and Python -------------------------------------------------------------------

FLAWS: dict[str, list[Any]] = {
    "constraints_critical": [False],
    "constraints": [False],
    "path_length": [0, 1],
    "key_usage": [False],
    "signs": [True, False],
    "subject": [False],
    "subject_identifier": [False],
    "authority_identifier": [False],
    "identifier_critical": [True],
    "wrong_identifier": [True],
    "unknown_critical": [True],
    "usages": [(), ("server",), ("client",), ("server", "client"), ("any",), ("server", "any"), ("code",)],
    "names": [(), (NAME,), ("*.example.com",), ("other.example.com",), ("10.0.0.7",)],
    "names_critical": [True],
    "permitted": [("example.com",), ("example.org",), ("10.0.0.0/8",), (".example.com",)],
    "excluded": [("example.com",), ("10.0.0.0/16",), ("example.org",)],
    "days": [(-3, -1), (1, 3)],
    "ca": [True, False],
    "key": ["other"],
}
HOLDERS = {"name": ["a.example.com", "a.example.org", "jane@a.example.org"]}
"""Of leaves only: a leaf with its issuer's name is another thing."""


def flawed(kinds: dict[str, list[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    flaw = st.sampled_from([(name, value) for name, values in kinds.items() for value in values])
    return st.lists(flaw, max_size=2).map(dict)


FLAWED = flawed(FLAWS)


@given(
    base=st.sampled_from([SERVER, CLIENT]),
    flaws=st.tuples(flawed(FLAWS | HOLDERS), st.just({}) | FLAWED, st.just({}) | FLAWED),
    rooted=st.sampled_from(["root", "root", "middle", "both"]),
)  # fmt: skip
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_openssl_and_python_accept_what_is_accepted(
    tmp_path: Path, base: Made, flaws: tuple[dict[str, Any], ...], rooted: str
) -> None:
    role: Role = "client" if base is CLIENT else "server"
    name = NAME if role == "server" else ""
    leaf, middle, root = (made.but(**flaw) for made, flaw in zip((base, MIDDLE, ROOT), flaws, strict=True))
    signed = [certificate(leaf, middle), certificate(middle, root)]
    anchors = {"root": [certificate(root, root)], "middle": signed[1:]}
    anchors["both"] = anchors["middle"] + anchors["root"]
    trusted = pem(*anchors[rooted])
    try:
        between = check(signed[0], signed[1:], anchors[rooted], Checks(role, (name,) if name else ()))
    except Unusable as error:
        event(error.fault)
        return
    event("accepted")
    kept = pem(signed[0], *between)
    assert openssl_refusal(tmp_path, kept, trusted, role, name) == ""
    assert python_refusal(tmp_path, kept, key_pem(leaf), trusted, role=role, name=name) == ""


def test_the_verdicts_are_able_to_be_bad(tmp_path: Path) -> None:
    """The two that the test above asks do refuse what they should."""
    for leaf, middle in (
        (SERVER.but(authority_identifier=False), MIDDLE),
        (SERVER, MIDDLE.but(days=(-3, -1))),
    ):
        signed, anchors = chain(leaf, middle)
        assert "verification failed" in openssl_refusal(tmp_path, pem(*signed), pem(*anchors), "server", NAME)
        assert "verify failed" in python_refusal(
            tmp_path, pem(*signed), key_pem(leaf), pem(*anchors), role="server", name=NAME
        )
    signed, anchors = chain(CLIENT)
    assert "verification failed" in openssl_refusal(tmp_path, pem(*signed), pem(*signed[1:]), "client")
    assert "verify failed" in python_refusal(
        tmp_path, pem(*signed), key_pem(CLIENT), pem(*signed[1:]), role="client", name=""
    )
    assert (
        python_refusal(tmp_path, pem(*signed), key_pem(CLIENT), pem(*anchors), role="client", name="") == ""
    )


# --- asking an authority ----------------------------------------------------------------------------------


class Lying(LocalAuthority):
    """Signs something else than it is asked for."""

    def __init__(self, directory: Path, **changes: Any) -> None:
        super().__init__(machine="dev", directory=str(directory), options={})
        self.changes = changes

    def certificate(self, request: CertificateRequest) -> bytes:
        for name, value in self.changes.items():
            setattr(request, name, value)
        return super().certificate(request)

    def remedy(self, fault: Fault, role: Role) -> str:
        return f"Change the {role}'s {fault}."


def ask(authority: LocalAuthority, role: Role = "client", **more: Any) -> certificates.Certified:
    names = () if role == "client" else (NAME,)
    request = certificates.request(certificates.new_key(), role=role, names=names, machine="dev", **more)
    return certificates.certify(authority, request, authority.trust_anchor())


OTHER = certificates.request(certificates.new_key(), role="client", names=(), machine="dev")
"""With another key than those of the test."""


@pytest.mark.parametrize(
    ("changes", "kind", "role"),
    [
        ({"role": "server", "names": ("x",)}, "usage", "client"),
        ({"role": "client", "names": ()}, "usage", "server"),
        ({"names": ("elsewhere.example.com",)}, "names", "server"),
        ({"csr": OTHER.csr}, "key", "client"),
        ({"lifetime": -200}, "dates", "client"),
    ],
)  # fmt: skip
def test_what_was_not_asked_for_is_refused_with_what_to_change(
    tmp_path: Path, changes: dict[str, Any], kind: str, role: Role
) -> None:
    with pytest.raises(ChainRefused) as caught:
        ask(Lying(tmp_path, **changes), role)
    assert (caught.value.fault, caught.value.role) == (kind, role)
    assert str(caught.value).endswith(f"It was not stored. Change the {role}'s {kind}.")


@pytest.mark.parametrize(("ahead", "waited"), [(2, 1), (10, 1), (12, 0), (-1, 0)])
def test_an_authority_whose_clock_is_a_little_ahead_is_waited_for(
    tmp_path: Path, ahead: int, waited: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Lying(tmp_path)
    authority.trust_anchor()
    slept: list[float] = []
    monkeypatch.setattr(signing, "CLOCK_ALLOWANCE", dt.timedelta(seconds=-ahead))
    monkeypatch.setattr("dinv.pki.certificates.time.sleep", slept.append)
    with contextlib.suppress(ChainRefused):  # nobody has waited really
        ask(authority)
    assert len(slept) == waited
    assert all(ahead - 2 < each <= ahead for each in slept)


def test_another_lifetime_than_asked_is_a_remark(tmp_path: Path) -> None:
    day = 86400
    assert ask(Lying(tmp_path), lifetime=day).remarks == ()
    for granted, said in ((3600, "valid for 1 hour"), (30 * day, "valid for 30 days")):
        (remark,) = ask(Lying(tmp_path, lifetime=granted), lifetime=2 * day).remarks
        assert remark.startswith(f"The client certificate is {said}, until ")
        assert remark.endswith("UTC, not for 2 days as asked. Change the client's lifetime.")
    assert ask(Lying(tmp_path, lifetime=3600)).remarks == ()


def test_a_certificate_in_another_name_is_refused(tmp_path: Path) -> None:
    assert ask(Lying(tmp_path), holder="alice").remarks == ()
    with pytest.raises(ChainRefused, match='it is for "bob", and was asked for "alice"') as caught:
        ask(Lying(tmp_path, holder="bob"), holder="alice")
    assert caught.value.fault == "holder"
    nameless = certificate(CLIENT.but(subject=False), ROOT)
    with pytest.raises(Unusable, match="it is for nobody by name"):
        check_holder(nameless, "alice")
    check_holder(nameless, "")


def test_a_chain_is_kept_in_order_and_bare(tmp_path: Path) -> None:
    """What openssl prints before a certificate, and the root, do not get into a machine."""
    signed, anchors = chain(CLIENT)

    class Talkative(LocalAuthority):
        def certificate(self, request: CertificateRequest) -> bytes:
            return b"Certificate:\n    Data:\n" + pem(signed[0]) + pem(*anchors) + pem(signed[1]) + b"bye\n"

    authority = Talkative(machine="dev", directory=str(tmp_path), options={})
    request = certificates.request(key_pem(CLIENT), role="client", names=(), machine="dev")
    assert certificates.certify(authority, request, pem(*anchors)).chain == pem(*signed)


def test_a_key_beside_the_trust_anchor_goes_no_further(tmp_path: Path) -> None:
    class Careless(LocalAuthority):
        def trust_anchor(self) -> bytes:
            return b"text\n" + certificates.new_key() + super().trust_anchor() * 2

    authority = Careless(machine="dev", directory=str(tmp_path), options={})
    certificates.issue(authority, machine="dev", directory=str(tmp_path), names=())
    assert (tmp_path / "ca.pem").read_bytes() == LocalAuthority.trust_anchor(authority)


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
def test_a_negative_serial_number_is_refused() -> None:
    """Go refuses to parse it. cryptography warns, and means to refuse it one day."""
    der = bytearray(certificate(SERVER, ROOT).public_bytes(serialization.Encoding.DER))
    serial = bytes(der).index(b"\xa0\x03\x02\x01\x02\x02") + 7  # version 3, then an INTEGER and its length
    der[serial] = 0x81  # negative, and still the shortest way to write the number
    lines = base64.encodebytes(bytes(der))
    text = b"-----BEGIN CERTIFICATE-----\n" + lines + b"-----END CERTIFICATE-----\n"
    with pytest.raises(CertificateError, match="serial number is not above 0"):
        certificates.check_chain(
            text, key_pem=key_pem(SERVER), anchor_pem=pem(*chain(SERVER)[1]), role="server", names=()
        )
