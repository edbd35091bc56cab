"""On what basis somebody's face is used: six kinds, each with what has to be said about it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self, TypeAlias, get_args

from doublecast.errors import ConsentError
from doublecast.video.takes import file_sha256

Kind: TypeAlias = Literal["self", "release", "licensed", "public-domain", "synthetic", "research"]
KINDS: tuple[Kind, ...] = get_args(Kind)

#: what each kind means, in plain words, and how it is written
MEANING: Mapping[Kind, tuple[str, str]] = {
    "self": ("it is my own face", "self"),
    "release": ("the person signed a release, which is in this file", "release:signed.pdf"),
    "licensed": ("a licence allows it (its text, address or file)", 'licensed:"Pexels licence, https://..."'),
    "public-domain": ("the footage is in the public domain (say why)", 'public-domain:"film of 1921, US"'),
    "synthetic": ("the person does not exist", "synthetic"),
    "research": ("a data set whose terms allow it (say both)", 'research:"GRID corpus, CC BY 4.0"'),
}
NEEDS = frozenset({"release", "licensed", "public-domain", "research"})  #: kinds that are nothing without a detail
LONGEST = 2000  #: characters of a detail


@dataclass(frozen=True, slots=True)
class Basis:
    """One identity's basis. detail: the licence's text or address, the data set and its terms, or the evidence's file
    name. evidence_sha256: of the signed release or licence file, which stays where it is ("" where there is none)."""

    kind: Kind
    detail: str = ""
    evidence_sha256: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ConsentError(f"{self.kind!r} is no basis. {how_to()}")
        if self.kind in NEEDS and not self.detail:
            meaning, example = MEANING[self.kind]
            raise ConsentError(f"{self.kind} says nothing without a detail ({meaning}), as in {example}. {how_to()}")
        if len(self.detail) > LONGEST:
            raise ConsentError(f"the detail of a basis may have {LONGEST} characters, got {len(self.detail)}")
        if self.kind == "release" and not self.evidence_sha256:
            raise ConsentError("a release is a file; for example release:signed.pdf")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``BASIS`` or ``BASIS:DETAIL``; a release's file, and a licence's where it is one, is read and hashed.

        Raises ConsentError that lists what is valid.
        """
        name, colon, detail = text.strip().encode("utf-8", "replace").decode().partition(":")
        name, detail = name.strip().lower(), detail.strip().strip("\"'").strip()
        kind = next((known for known in KINDS if known == name), None)
        if kind is None:
            raise ConsentError(f"{text.strip() or 'nothing'!r} is no basis. {how_to()}")
        if colon and not detail:
            raise ConsentError(f"{text.strip()!r} says nothing after the colon. {how_to()}")
        if not detail or kind not in ("release", "licensed"):
            return cls(kind, detail)
        path = Path(detail).expanduser()
        if kind == "licensed" and not _is_file(path):
            return cls(kind, detail)
        return cls(kind, path.name, _evidence(path))

    def __str__(self) -> str:
        return f"{self.kind}: {self.detail}" if self.detail else self.kind


def how_to(option: str = "") -> str:
    """What a basis can be, with an example. option: command-line option or parameter to name."""
    listed = ", ".join(
        f"{kind}:{'FILE' if kind == 'release' else 'DETAIL'}" if kind in NEEDS else kind for kind in KINDS
    )
    examples = f"{option} {MEANING['self'][1]}".strip(), f"{option} {MEANING['licensed'][1]}".strip()
    return f"Valid are {listed}; for example {examples[0]}, or {examples[1]}"


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a text that is too long for a name
        return False


def _evidence(path: Path) -> str:
    if not _is_file(path):
        raise ConsentError(f"{path}: there is no such file; name the file of the signed release, as in release:FILE")
    try:
        if not path.stat().st_size:
            raise ConsentError(f"{path}: the file is empty, which is no evidence; name the signed release")
        return file_sha256(path)
    except OSError as error:
        raise ConsentError(f"{path}: cannot be read ({error.strerror})") from error
