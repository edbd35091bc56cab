"""Content Credentials (C2PA 2): what is signed into a film or picture, or lies beside it as a sidecar.

The actor's take is the parent, the target's takes were placed in it, other takes of the actor were an input; the faces
were edited by a trained algorithm. Our own assertion holds the `Claim`. Nothing here asks a network.
"""

import io
import os
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

import c2pa

from doublecast.disk import sync_folder
from doublecast.errors import OutputError
from doublecast.trust import offline
from doublecast.trust.certificates import Signer
from doublecast.trust.claim import Claim
from doublecast.trust.statement import software
from doublecast.video import is_film

ASSERTION = "org.doublecast.film"  #: label of our own assertion
GENERATOR = "doublecast"
SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
SIDECAR = ".c2pa"  #: added to the name of a film that cannot hold its credentials itself
MIME = {
    ".mp4": "video/mp4", ".m4v": "video/mp4", ".mov": "video/quicktime", ".avi": "video/x-msvideo", ".png": "image/png",
    ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".jpe": "image/jpeg", ".webp": "image/webp", ".tif": "image/tiff",
    ".tiff": "image/tiff", ".gif": "image/gif",
}  # fmt: skip
"""Files that can hold credentials, by suffix."""
_OTHER = "application/octet-stream"
_MP4 = frozenset({".mp4", ".m4v", ".mov"})


def sidecar(path: Path) -> Path:
    """Where the credentials of a file lie that cannot hold them: film.mkv -> film.mkv.c2pa."""
    return path.with_name(path.name + SIDECAR)


def embeds(path: Path) -> bool:
    """Whether a file of this name holds its credentials itself."""
    return path.suffix.lower() in MIME


def sign(path: Path, final: Path, claim: Claim, signer: Signer, *, source: Path | None) -> None:
    """Give the file ``path``, which will be renamed to ``final``, its credentials; on an error it is as before.

    Embedded where the container can hold them, else as the sidecar of ``final``, which is then there first; a film that
    lies at ``final`` goes before that, so that at no moment a film is beside another's sidecar. source: the actor's
    file that it was made of; credentials in it become those of the parent ingredient.
    Raises OutputError where the library or the disk refuses.
    """
    kind = MIME.get(final.suffix.lower(), _OTHER)
    temporary = path.with_name(f"{path.name}.signed")
    try:
        with path.open("rb") as plain, temporary.open("w+b") as signed:
            builder = _builder(claim, plain, final, source)
            if not embeds(final):
                builder.set_no_embed()
            native = offline.native_signer(signer.certificates, signer.key, signer.algorithm)
            manifest = builder.sign(native, kind, plain, signed if embeds(final) else _Nowhere())
            if not embeds(final):
                signed.write(manifest)
            signed.flush()
            os.fsync(signed.fileno())
        if embeds(final):
            temporary.replace(path)
        else:
            if path != final:
                final.unlink(missing_ok=True)
            temporary.replace(sidecar(final))
            sync_folder(final.parent)
    except offline.Failure as error:
        raise OutputError(
            f"{final}: its Content Credentials cannot be made ({error}); nothing was written there"
        ) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _builder(claim: Claim, plain: BinaryIO, final: Path, source: Path | None) -> Any:
    name, _, version = software().partition(" ")
    agent = {"name": name, "version": version or "0"}
    ingredients = _ingredients(claim)
    parent = ingredients.pop(0)
    ids = {
        relation: [entry["label"] for entry in ingredients if entry["relationship"] == relation]
        for relation in ("componentOf", "inputTo")
    }
    actions: list[dict[str, Any]] = [{"action": "c2pa.opened", "parameters": {"ingredientIds": [parent["label"]]}}]
    if ids["componentOf"]:
        actions.append({"action": "c2pa.placed", "parameters": {"ingredientIds": ids["componentOf"]}})
    edited = {"action": "c2pa.edited", "digitalSourceType": SOURCE_TYPE, "softwareAgent": agent}
    edited["description"] = "The faces of one person were replaced by another person's."
    if ids["inputTo"]:
        edited["parameters"] = {"ingredientIds": ids["inputTo"]}
    actions.append(edited)
    document = {"software": software(), "kind": "film" if is_film(final) else "picture", **claim.document()}
    if final.suffix.lower() in _MP4:
        document["head"] = first_box(plain)
    definition = {
        "claim_generator_info": [agent],
        "title": "doublecast film" if is_film(final) else "doublecast picture",
        "ingredients": ingredients,
        "assertions": [
            {"label": "c2pa.actions.v2", "data": {"actions": actions}},
            {"label": ASSERTION, "data": document, "kind": "Json"},
        ],
    }
    if source is not None and _holds_credentials(source):
        builder = c2pa.Builder(definition, offline.context())
        with source.open("rb") as file:
            builder.add_ingredient(parent, MIME[source.suffix.lower()], file)
        return builder
    definition["ingredients"] = [parent, *ingredients]
    return c2pa.Builder(definition, offline.context())


def _ingredients(claim: Claim) -> list[dict[str, str]]:
    """The takes as ingredients, the parent first; without their names, which may be people's."""
    entries = []
    for number, take in enumerate(claim.takes):
        relation = "parentOf" if number == 0 else "inputTo" if take.role == "actor" else "componentOf"
        title = f"{take.role}'s take, SHA-256 {take.sha256}"
        entries.append({"title": title, "relationship": relation, "label": f"take-{number}"})
    return entries


def _holds_credentials(source: Path) -> bool:
    if source.suffix.lower() not in MIME:
        return False
    try:
        with source.open("rb") as file:
            return c2pa.Reader.try_create(MIME[source.suffix.lower()], file, context=offline.context()) is not None
    except (offline.Failure, OSError):
        return False


def first_box(file: BinaryIO) -> str:
    """SHA-256 of an MP4 file's first box (`ftyp`), which the standard's own hash leaves out. The file is rewound."""
    file.seek(0)
    size = int.from_bytes(file.read(4), "big")
    file.seek(0)
    digest = sha256(file.read(min(size, 4096))).hexdigest()
    file.seek(0)
    return digest


class _Nowhere(io.RawIOBase):
    """A file that holds nothing: what the library copies when it only makes a sidecar."""

    def __init__(self) -> None:
        self._at = 0

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def read(self, size: int = -1) -> bytes:
        return b""

    def write(self, data: Any) -> int:
        self._at += len(data)
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + (self._at if whence else 0)
        return self._at
