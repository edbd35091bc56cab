"""Credentials as they are found in any file: read by the standard's library, judged, told in plain values.

Files may be hostile: `verify` runs this in a process of its own (see `sandbox`).
"""

import datetime
import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, TypeAlias
from zlib import crc32

import c2pa
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

from doublecast.trust import jumbf, offline
from doublecast.trust.certificates import ORGANISATION, issued_by, own_authority
from doublecast.trust.credentials import ASSERTION, GENERATOR, MIME, sidecar
from doublecast.video.pictures import SIGNATURE

State: TypeAlias = Literal["valid", "expired", "tampered", "absent"]
LONGEST = 50_000_000  #: bytes of a sidecar, or of what the library tells of a file; more is no credentials
HEAD, TAIL = 16 << 20, 4 << 20  #: bytes of a file's begin and end that are searched for traces of credentials
_TRACE = re.compile(rb"jumb\0\0..jumd", re.DOTALL)
_UNTRUSTED, _EXPIRED = "signingCredential.untrusted", "signingCredential.expired"
_PLAIN = {
    "assertion.bmffHash.mismatch": "pictures, sound or header are not those that were signed",
    "assertion.dataHash.mismatch": "the file's content is not what was signed",
    "assertion.hashedURI.mismatch": "what the record says was changed",
    "claimSignature.mismatch": "the signature does not belong to what the record says",
    _EXPIRED: "the certificate has expired",
}
_TEXT = 200  # characters of any text from a file


@dataclass(frozen=True, slots=True)
class Certificate:
    """Who signed. fingerprint: SHA-256 of the certificate. until: last day of its validity, ISO 8601.

    self_made: by a doublecast for itself, so that the name says nothing. this_machine: by this very one.
    """

    subject: str
    issuer: str
    fingerprint: str
    until: str
    self_made: bool
    this_machine: bool


@dataclass(frozen=True, slots=True)
class Source:
    """An ingredient. relation: parentOf, componentOf, inputTo. generator: of its own credentials, "" for none.

    ours: those are of doublecast. sound: nothing was wrong with them when it was used.
    """

    relation: str
    generator: str
    ours: bool
    sound: bool


@dataclass(frozen=True, slots=True)
class Credentials:
    """What was found. place: embedded, sidecar or "". generator: the tool that signed, as it calls itself.

    ours: signed by doublecast. within: somebody else's, but something that went in was doublecast's. claim: the JSON
    object of doublecast's assertion (see `claim.Claim.read`). reasons: what is wrong, with the standard's code for it.
    """

    state: State
    place: str = ""
    generator: str = ""
    ours: bool = False
    within: bool = False
    claim: Mapping[str, Any] | None = None
    certificate: Certificate | None = None
    reasons: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> "Credentials":
        """From `dataclasses.asdict`, also after it was JSON."""
        certificate = data["certificate"]
        sources = tuple(Source(**source) for source in data["sources"])
        values = {**data, "reasons": tuple(data["reasons"]), "sources": sources}
        return cls(**{**values, "certificate": certificate and Certificate(**certificate)})


def read_credentials(path: Path) -> Credentials:
    """The credentials in a file or in its sidecar. Raises OSError where the file cannot be read."""
    embedded = _read(path, None)
    beside = sidecar(path)
    if embedded.state != "absent" or not beside.is_file():
        return embedded
    if beside.stat().st_size > LONGEST:
        return Credentials("tampered", "sidecar", reasons=("the sidecar is too long",))
    return _read(path, beside.read_bytes())


def _read(path: Path, store: bytes | None) -> Credentials:
    place = "embedded" if store is None else "sidecar"
    kind = MIME.get(path.suffix.lower())
    try:
        with path.open("rb") as file:
            reader = c2pa.Reader(kind or "application/octet-stream", file, store, context=offline.context())
            return _judge(path, place, reader)
    except (offline.Failure, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        absent = isinstance(error, c2pa.C2paError.ManifestNotFound) or not isinstance(error, offline.Failure)
        if store is None and not _traces(path):
            return Credentials("absent")
        words = (
            "they are there, but cannot be found as they should" if absent else f"they cannot be read ({_short(error)})"
        )
        return Credentials("tampered", place, reasons=(words,))


def _judge(path: Path, place: str, reader: Any) -> Credentials:
    text = reader.json()
    if len(text) > LONGEST:
        return Credentials("tampered", place, reasons=("they are too long",))
    report = json.loads(text)
    manifests: dict[str, Any] = report["manifests"]
    label = report["active_manifest"]
    active = manifests[label]
    results = report.get("validation_results", {}).get("activeManifest", {})
    failures = {str(entry["code"]): str(entry.get("explanation", "")) for entry in results.get("failure", [])}
    reasons = [f"{_PLAIN.get(code, _short(words))} ({code})" for code, words in failures.items() if code != _UNTRUSTED]
    document = _assertion(active)
    ours = document is not None and _generator(active).split(" ")[0] == GENERATOR
    inner = [found for name, m in manifests.items() if name != label and (found := _assertion(m)) is not None]
    store = io.BytesIO()
    reader.resource_to_stream(f"self#jumbf=/c2pa/{label}/c2pa.signature", store)
    certificate = _certificate(store.getvalue(), label)
    if certificate is None:
        reasons.append("the certificate cannot be read")
    if ours and not _as_signed(path, place, store.getvalue(), label, document or {}):
        reasons.append("bytes at the edge of the credentials were changed")
    state: State = "valid"
    if reasons or report.get("validation_state") not in ("Valid", "Trusted"):
        only_old = set(failures) <= {_UNTRUSTED, _EXPIRED} and len(reasons) == 1 and _EXPIRED in failures
        state = "expired" if only_old else "tampered"
    return Credentials(
        state, place, _generator(active), ours, not ours and bool(inner),
        document if ours else next(iter(inner), document),
        certificate, tuple(reasons), tuple(_sources(active, manifests)),
    )  # fmt: skip


def _as_signed(path: Path, place: str, store: bytes, label: str, document: Mapping[str, Any]) -> bool:
    """Whether what no hash covers is as we make it: the credentials' own bytes, their padding, an MP4's first box."""
    if not jumbf.padded(jumbf.signature(store, label)):
        return False
    with (path if place == "embedded" else sidecar(path)).open("rb") as file:
        begin = file.read(len(store) + 65536)
    if place == "sidecar":
        return begin == store
    if begin.startswith(SIGNATURE):
        return store + crc32(b"caBX" + store).to_bytes(4, "big") in begin
    if "head" not in document:
        return store in begin
    first, made = jumbf.mp4_head(begin)
    return store in begin and made and sha256(first).hexdigest() == document["head"]


def _assertion(manifest: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The JSON object of our assertion in a manifest."""
    for assertion in manifest.get("assertions", []):
        if assertion.get("label") == ASSERTION and isinstance(assertion.get("data"), dict):
            found: dict[str, Any] = assertion["data"]
            return found
    return None


def _generator(manifest: Mapping[str, Any]) -> str:
    info = manifest.get("claim_generator_info") or [{}]
    name, version = str(info[0].get("name", "")), str(info[0].get("version", ""))
    return _short(f"{name} {version}".strip() or manifest.get("claim_generator", ""))


def _sources(active: Mapping[str, Any], manifests: Mapping[str, Any]) -> Sequence[Source]:
    found = []
    for entry in active.get("ingredients", [])[:1000]:
        inner = manifests.get(entry.get("active_manifest", ""), None)
        results = entry.get("validation_results", {}).get("activeManifest", {})
        bad = [failure for failure in results.get("failure", []) if failure.get("code") != _UNTRUSTED]
        relation, generator = _short(entry.get("relationship", "")), "" if inner is None else _generator(inner)
        found.append(Source(relation, generator, inner is not None and _assertion(inner) is not None, not bad))
    return found


def _certificate(store: bytes, label: str) -> Certificate | None:
    try:
        chain = [x509.load_der_x509_certificate(d) for d in jumbf.certificates(jumbf.signature(store, label))]
        leaf, top, authority = chain[0], chain[-1], own_authority()
        made = _part(leaf.subject, NameOID.ORGANIZATION_NAME) == ORGANISATION or issued_by(top, top)
        until = leaf.not_valid_after_utc.astimezone(datetime.UTC).date().isoformat()
        return Certificate(
            _named(leaf.subject), _named(leaf.issuer), leaf.fingerprint(hashes.SHA256()).hex(), until, made,
            authority is not None and issued_by(leaf, authority),
        )  # fmt: skip
    except (ValueError, IndexError, x509.InvalidVersion, x509.DuplicateExtension, UnsupportedAlgorithm):
        return None


def _named(name: x509.Name) -> str:
    parts = (_part(name, oid) for oid in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME))
    return _short(", ".join(part for part in parts if part) or name.rfc4514_string())


def _part(name: x509.Name, oid: x509.ObjectIdentifier) -> str:
    return next((str(attribute.value) for attribute in name.get_attributes_for_oid(oid)), "")


def _traces(path: Path) -> bool:
    """Whether there are boxes of credentials in a file in which the library finds none."""
    with path.open("rb") as file:
        if _TRACE.search(file.read(HEAD)):
            return True
        file.seek(max(file.tell(), path.stat().st_size - TAIL))
        return _TRACE.search(file.read(TAIL)) is not None


def _short(text: object) -> str:
    """Text of a file, made short and printable."""
    return "".join(c if c.isprintable() else " " for c in str(text)[:_TEXT]).strip()
