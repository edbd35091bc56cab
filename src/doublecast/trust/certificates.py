"""What films are signed with: certificates that this machine made for itself, or the user's own.

The own ones are a certificate authority that nobody else knows (`AUTHORITY`) and a certificate for signing films made
by it (`SIGNER`), both ES256, made on first use, in `keys.keys_folder`, readable by the user alone. They name no person
and no machine: they prove that a file is unchanged since a doublecast signed it, not who used it.

Films carry no time stamp (that would take a server), so credentials end with their certificate. It therefore lasts
`LASTS` years and is made anew, by the same authority, when less than `RENEW` are left: a film's credentials hold for at
least `RENEW` years.
"""

import datetime
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self, TypeAlias

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from doublecast.disk import disk_message
from doublecast.errors import KeysError
from doublecast.trust import offline
from doublecast.trust.keys import FOLDER, keys_folder, read_secret, write_secret

AUTHORITY, SIGNER = "authority.pem", "signer.pem"  #: private key and certificates, in one file each
LASTS, RENEW = 30, 20  #: years that a certificate for signing lasts, and that must be left of it
AUTHORITY_LASTS = 100  #: years
ORGANISATION = "doublecast, self-made certificate"
BIGGEST = 1_000_000  #: bytes of a certificate or key file; what is larger is something else
_YEAR = datetime.timedelta(days=365.25)
_EARLY = datetime.timedelta(days=2)  # clocks differ: certificates are valid from so long before they are made

Private: TypeAlias = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey
_CURVES = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}


@dataclass(frozen=True)
class Signer:
    """A private key and its certificates, leaf first, as PEM; algorithm: its name in the C2PA specification."""

    certificates: bytes
    key: bytes = field(repr=False)
    algorithm: str

    @classmethod
    def own(cls) -> Self:
        """This machine's own, made on first use and renewed by itself. Raises KeysError where that cannot be."""
        authority_key, authority = _authority()
        path = keys_folder() / SIGNER
        if path.exists():
            key, certificates = _read_own(path)
            if _holds(certificates[0], authority):
                return cls(_pem(*certificates), _secret(key), "ES256")
            _remove(path)
        write_secret(path, _new_signer(authority_key, authority))
        key, certificates = _read_own(path)
        return cls(_pem(*certificates), _secret(key), "ES256")

    @classmethod
    def from_files(cls, cert: Path, key: Path) -> Self:
        """The user's own: PEM files of the certificates (leaf first) and of the leaf's private key, not encrypted.

        Raises KeysError where they cannot be read, do not belong together, are expired, or do not suit films.
        """
        try:
            certificates = x509.load_pem_x509_certificates(_content(cert))
        except ValueError as error:
            raise KeysError(
                f"{cert}: no certificate in PEM form; give the file that begins with BEGIN CERTIFICATE"
            ) from error
        private = _private(key)
        leaf = certificates[0]
        if _public(leaf.public_key()) != _public(private.public_key()):
            raise KeysError(f"{key} is not the key of the certificate {cert}; give the two that belong together")
        now = datetime.datetime.now(datetime.UTC)
        if now > leaf.not_valid_after_utc:
            raise KeysError(f"{cert} expired on {leaf.not_valid_after_utc:%Y-%m-%d}; get a new certificate")
        if now < leaf.not_valid_before_utc:
            raise KeysError(
                f"{cert} is not valid before {leaf.not_valid_before_utc:%Y-%m-%d}; check this machine's date"
            )
        made = cls(_pem(*certificates), _secret(private), _algorithm(key, private))
        try:
            if issued_by(leaf, leaf):  # the library does not mind, but others do
                raise offline.Failure("it is signed by itself")
            offline.try_signer(made.certificates, made.key, made.algorithm)
        except offline.Failure as error:
            raise KeysError(
                f"{cert} does not suit Content Credentials ({error}). It must be issued by an authority (not sign "
                "itself), be for digital signatures, and for e-mail protection or claim signing (c2pa-kp-claimSigning)"
            ) from error
        return made

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the leaf certificate: 64 hex digits."""
        return x509.load_pem_x509_certificates(self.certificates)[0].fingerprint(hashes.SHA256()).hex()


def own_authority() -> x509.Certificate | None:
    """The certificate of this machine's authority, or None where there is none (yet) or it cannot be read."""
    try:
        return x509.load_pem_x509_certificates(read_secret(keys_folder() / AUTHORITY))[0]
    except (KeysError, ValueError):
        return None


def issued_by(leaf: x509.Certificate, authority: x509.Certificate) -> bool:
    """Whether the authority's key signed the leaf (the dates are not looked at)."""
    try:
        leaf.verify_directly_issued_by(authority)
    except (InvalidSignature, ValueError, TypeError, UnsupportedAlgorithm):
        return False
    return True


def _holds(leaf: x509.Certificate, authority: x509.Certificate) -> bool:
    now = datetime.datetime.now(datetime.UTC)
    return leaf.not_valid_before_utc <= now <= leaf.not_valid_after_utc - RENEW * _YEAR and issued_by(leaf, authority)


def _authority() -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    path = keys_folder() / AUTHORITY
    if not path.exists():
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name("doublecast authority of one machine")
        usage = _usage(key_cert_sign=True, crl_sign=True)
        builder = _builder(name, name, key.public_key(), AUTHORITY_LASTS, authority=True)
        certificate = builder.add_extension(usage, critical=True).sign(key, hashes.SHA256())
        write_secret(path, _secret(key) + _pem(certificate))
    key, certificates = _read_own(path)
    return key, certificates[0]


def _new_signer(authority_key: ec.EllipticCurvePrivateKey, authority: x509.Certificate) -> bytes:
    """A new leaf (C2PA certificate profile: CA false, digital signature, emailProtection) as one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _builder(_name("doublecast film"), authority.subject, key.public_key(), LASTS, authority=False)
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
    leaf = (
        builder.add_extension(_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
        .add_extension(issuer, critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    return _secret(key) + _pem(leaf, authority)


def _name(common: str) -> x509.Name:
    names = ((NameOID.ORGANIZATION_NAME, ORGANISATION), (NameOID.COMMON_NAME, common))
    return x509.Name([x509.NameAttribute(oid, text) for oid, text in names])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, years: float, *, authority: bool
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder(issuer, subject, key, x509.random_serial_number(), now - _EARLY, now + years * _YEAR)
        .add_extension(x509.BasicConstraints(authority, 0 if authority else None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature, False, False, False, False, key_cert_sign, crl_sign, encipher_only=False, decipher_only=False
    )


def _read_own(path: Path) -> tuple[ec.EllipticCurvePrivateKey, list[x509.Certificate]]:
    data = read_secret(path)
    try:
        key, certificates = serialization.load_pem_private_key(data, None), x509.load_pem_x509_certificates(data)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeysError(f"{path} is damaged; restore it from a backup, or move it away to get a new one") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or _public(key.public_key()) != _public(
        certificates[0].public_key()
    ):
        raise KeysError(f"{path} is damaged; restore it from a backup, or move it away to get a new one")
    return key, certificates


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise KeysError(f"{disk_message(path, error)}; set {FOLDER} to another folder") from error


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(BIGGEST)
    except OSError as error:
        raise KeysError(f"{path}: cannot be read ({error.strerror}); check the name and its rights") from error


def _private(path: Path) -> Private:
    try:
        key = serialization.load_pem_private_key(_content(path), None)
    except TypeError as error:  # what the library raises where a password is asked for
        raise KeysError(f"{path} is encrypted; give a copy without a password, readable by you alone") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeysError(
            f"{path}: no private key in PEM form; give the file that begins with BEGIN PRIVATE KEY"
        ) from error
    if not isinstance(key, Private):
        raise KeysError(f"{path}: a key of this kind cannot sign films; use ECDSA (P-256), RSA or Ed25519")
    return key


def _algorithm(path: Path, key: Private) -> str:
    if isinstance(key, ec.EllipticCurvePrivateKey):
        if key.curve.name not in _CURVES:
            raise KeysError(f"{path}: the curve {key.curve.name} cannot sign films; use P-256, P-384 or P-521")
        return _CURVES[key.curve.name]
    return "ED25519" if isinstance(key, ed25519.Ed25519PrivateKey) else "PS256"


def _public(key: object) -> bytes:
    form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_bytes(*form)  # type: ignore[attr-defined, no-any-return]  # every kind of public key has it


def _secret(key: Private) -> bytes:
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(*form)


def _pem(*certificates: x509.Certificate) -> bytes:
    return b"".join(certificate.public_bytes(serialization.Encoding.PEM) for certificate in certificates)
