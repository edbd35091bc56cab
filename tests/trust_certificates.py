"""Certificates of all kinds for the tests of signing."""

import datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID
from cryptography.x509.oid import ExtendedKeyUsageOID as Usage

P256 = ec.generate_private_key(ec.SECP256R1())
NOW = datetime.datetime.now(datetime.UTC)


def pem(key: Any, password: bytes | None = None) -> bytes:
    form = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, form))


def issue(
    key: Any, *, days: tuple[int, int] = (-1, 300), usage: bool = True, alone: bool = False, ocsp: str = ""
) -> bytes:
    """A certificate for ``key``, and that of the authority that issued it (alone: it issued itself)."""
    authority = key if alone else ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Studio"), x509.NameAttribute(NameOID.COMMON_NAME, "Ana")]
    )
    issuer = subject if alone else x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Press Authority")])

    def made(name: x509.Name, public: Any, ca: bool) -> x509.CertificateBuilder:
        begin, end = (NOW + datetime.timedelta(days=d) for d in days)
        flags = {"digital_signature": not ca, "key_cert_sign": ca, "crl_sign": ca}
        others = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
        flags |= dict.fromkeys((*others, "encipher_only", "decipher_only"), False)
        return (
            x509.CertificateBuilder(issuer, name, public, x509.random_serial_number(), begin, end)
            .add_extension(x509.BasicConstraints(ca, None), critical=True)
            .add_extension(x509.KeyUsage(**flags), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()), critical=False)
        )

    leaf = made(subject, key.public_key(), False)
    if usage:
        leaf = leaf.add_extension(x509.ExtendedKeyUsage([Usage.EMAIL_PROTECTION]), critical=False)
    if ocsp:
        where = x509.AccessDescription(AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(ocsp))
        leaf = leaf.add_extension(x509.AuthorityInformationAccess([where]), critical=False)
    chain = [leaf] if alone else [leaf, made(issuer, authority.public_key(), True)]
    digest = None if isinstance(authority, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return b"".join(c.sign(authority, digest).public_bytes(serialization.Encoding.PEM) for c in chain)


def files(folder: Path, cert: bytes, key: bytes) -> tuple[Path, Path]:
    (folder / "cert.pem").write_bytes(cert)
    (folder / "key.pem").write_bytes(key)
    return folder / "cert.pem", folder / "key.pem"
