"""What films are signed with: this machine's own certificates, and the user's."""

import datetime
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x25519
from trust_certificates import NOW, P256, files, issue, pem
from trust_films import signed_picture

from doublecast.errors import KeysError
from doublecast.trust import Signer, certificates, keys
from doublecast.trust.inspection import read_credentials


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(keys.FOLDER, str(tmp_path / "keys"))
    return tmp_path / "keys"


# -- this machine's own ----------------------------------------------------------------------------------------------


def test_the_own_certificate_is_made_once(folder: Path) -> None:
    first, again = Signer.own(), Signer.own()
    assert first == again
    assert "PRIVATE" not in repr(first)
    assert sorted(path.name for path in folder.iterdir()) == [certificates.AUTHORITY, certificates.SIGNER]
    if sys.platform != "win32":
        assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    leaf, authority = x509.load_pem_x509_certificates(first.certificates)
    left = (leaf.not_valid_after_utc - NOW).days / 365.25
    assert 29.9 < left < 30.1
    assert certificates.issued_by(leaf, authority)
    assert certificates.own_authority() == authority


@pytest.mark.parametrize(("years", "renewed"), [(5, False), (11, True), (40, True)])
def test_it_is_renewed_by_the_same_authority(
    folder: Path, monkeypatch: pytest.MonkeyPatch, years: int, renewed: bool
) -> None:
    before = Signer.own()

    class Later(datetime.datetime):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> "Later":
            later = NOW + datetime.timedelta(days=365.25 * years)
            return cls(later.year, later.month, later.day, later.hour, tzinfo=tz)

    monkeypatch.setattr("doublecast.trust.certificates.datetime.datetime", Later)
    after = Signer.own()
    assert (after != before) == renewed
    authority = certificates.own_authority()
    assert authority is not None
    for one in (before, after):
        assert certificates.issued_by(x509.load_pem_x509_certificates(one.certificates)[0], authority)
    assert Signer.own() == after


@pytest.mark.parametrize("name", [certificates.AUTHORITY, certificates.SIGNER])
@pytest.mark.parametrize("content", [b"", b"nothing", pem(ec.generate_private_key(ec.SECP256R1()))])
def test_damaged_own_files_are_named_and_kept(folder: Path, name: str, content: bytes) -> None:
    Signer.own()
    (folder / name).write_bytes(content)
    with pytest.raises(KeysError, match=f"{name} is damaged"):
        Signer.own()
    assert (folder / name).read_bytes() == content


# -- the user's own --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "name"),
    [
        (P256, "ES256"),
        (ec.generate_private_key(ec.SECP384R1()), "ES384"),
        (ed25519.Ed25519PrivateKey.generate(), "ED25519"),
        (rsa.generate_private_key(65537, 2048), "PS256"),
    ],
)
def test_a_certificate_of_the_user_signs(tmp_path: Path, key: Any, name: str) -> None:
    signer = Signer.from_files(*files(tmp_path, issue(key), pem(key)))
    assert signer.algorithm == name
    found = read_credentials(signed_picture(tmp_path, signer=signer))
    assert (found.state, found.ours, found.reasons) == ("valid", True, ())
    assert found.certificate is not None
    assert (found.certificate.subject, found.certificate.issuer) == ("Ana, Studio", "Press Authority")
    assert not found.certificate.this_machine
    assert found.certificate.fingerprint == signer.fingerprint


OTHER = ec.generate_private_key(ec.SECP256R1())
BAD: dict[str, tuple[bytes, bytes, str]] = {
    "another key": (issue(P256), pem(OTHER), "not the key of the certificate"),
    "no certificate": (b"hello", pem(P256), "no certificate in PEM form"),
    "no key": (issue(P256), b"hello", "no private key in PEM form"),
    "certificate for key": (issue(P256), issue(P256), "no private key in PEM form"),
    "encrypted": (issue(P256), pem(P256, b"secret"), "is encrypted"),
    "expired": (issue(P256, days=(-300, -1)), pem(P256), "expired on"),
    "not yet": (issue(P256, days=(2, 300)), pem(P256), "not valid before"),
    "no usage": (issue(P256, usage=False), pem(P256), "does not suit Content Credentials"),
    "signs itself": (issue(P256, alone=True), pem(P256), "does not suit Content Credentials"),
    "kind of key": (issue(P256), pem(x25519.X25519PrivateKey.generate()), "cannot sign films"),
}


@pytest.mark.parametrize("case", BAD.values(), ids=BAD.keys())
def test_what_cannot_sign_is_told(tmp_path: Path, case: tuple[bytes, bytes, str]) -> None:
    cert, key, words = case
    with pytest.raises(KeysError, match=words):
        Signer.from_files(*files(tmp_path, cert, key))


def test_missing_files_are_named(tmp_path: Path) -> None:
    cert, key = files(tmp_path, issue(P256), pem(P256))
    for given in ((tmp_path / "none", key), (cert, tmp_path / "none"), (tmp_path, key)):
        with pytest.raises(KeysError, match="cannot be read"):
            Signer.from_files(*given)
