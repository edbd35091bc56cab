"""What a signed film says about itself: sources by hash, identities by pseudonym, model, replaced times, label.

It is public: whoever has the film can read it. So no name, no path and no evidence is in it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self, TypeAlias

Role: TypeAlias = Literal["actor", "target"]
ROLES: tuple[Role, Role] = ("actor", "target")
VERSION = 1  #: of the assertion's layout
MOST = 100_000  #: takes, identities or ranges that are read from somebody else's file
_SHA256, _FILM, _WORD = (re.compile(text) for text in ("[0-9a-f]{64}", "[0-9a-f]{10}", "[a-z0-9][a-z0-9._-]{0,63}"))


@dataclass(frozen=True)
class ClaimedTake:
    """A take that went in. sha256: of the file's bytes; of several files, of their hashes (see `Take.sha256`)."""

    role: Role
    sha256: str

    def __post_init__(self) -> None:
        _check_role(self.role)
        _check("ClaimedTake.sha256", self.sha256, _SHA256, "64 hex digits")


@dataclass(frozen=True)
class ClaimedIdentity:
    """A person. pseudonym: says nothing to who does not have the records. basis: of the consent, such as "release".

    record: SHA-256 of the consent record, "" where there is none.
    """

    role: Role
    pseudonym: str
    basis: str
    record: str = ""

    def __post_init__(self) -> None:
        _check_role(self.role)
        _check("ClaimedIdentity.pseudonym", self.pseudonym, _WORD, "lower case letters, digits, dots and dashes")
        _check("ClaimedIdentity.basis", self.basis, _WORD, "lower case letters, digits, dots and dashes")
        if self.record != "":
            _check("ClaimedIdentity.record", self.record, _SHA256, "64 hex digits, or empty")


@dataclass(frozen=True)
class Claim:
    """What the credentials of one film, or of one folder of pictures, declare.

    takes: all takes of both sides; the first is the actor's take that the film is made of. identities: the people.
    model: SHA-256 of the weights file. replaced: (start, end) in seconds of the film's own clock, in order, of every
    stretch of a shot in which faces were replaced.
    film: what the watermark holds, 10 hex digits, "" where there is none. label: what is declared of the visible label.
    Both are filled in by the writer, which alone knows them.
    """

    takes: tuple[ClaimedTake, ...]
    identities: tuple[ClaimedIdentity, ...]
    model: str
    replaced: tuple[tuple[float, float], ...]
    film: str = ""
    label: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.takes or self.takes[0].role != "actor":
            raise ValueError("the first take of a Claim must be the actor's that the film is made of")
        _check("Claim.model", self.model, _SHA256, "64 hex digits")
        if self.film != "":
            _check("Claim.film", self.film, _FILM, "10 hex digits, or empty")
        before = float("-inf")
        for start, end in self.replaced:
            if not before <= start < end < float("inf"):
                raise ValueError(f"Claim.replaced must be (start, end) in seconds, in order, got {(start, end)}")
            before = end
        for key, value in self.label.items():
            if not isinstance(key, str) or not isinstance(value, str):
                raise ValueError(f"Claim.label must be text by text, got {key!r}: {value!r}")

    def document(self) -> dict[str, Any]:
        """The JSON object in the credentials."""
        return {
            "version": VERSION,
            "takes": [{"role": take.role, "sha256": take.sha256} for take in self.takes],
            "identities": [
                {"role": p.role, "pseudonym": p.pseudonym, "basis": p.basis, "record": p.record}
                for p in self.identities
            ],
            "model": self.model,
            "replaced": [[round(start, 3), round(end, 3)] for start, end in self.replaced],
            "watermark": self.film,
            "label": dict(self.label),
        }

    @classmethod
    def read(cls, document: Any) -> Self:
        """The claim of a JSON object from anywhere. Raises ValueError where it is none."""
        try:
            if document["version"] != VERSION:
                raise ValueError(f"a claim of version {document['version']}, this package reads {VERSION}")
            return cls(
                tuple(ClaimedTake(take["role"], take["sha256"]) for take in _items(document["takes"])),
                tuple(
                    ClaimedIdentity(p["role"], p["pseudonym"], p["basis"], p["record"])
                    for p in _items(document["identities"])
                ),
                document["model"],
                tuple((float(start), float(end)) for start, end in _items(document["replaced"])),
                document["watermark"],
                dict(document["label"].items()),
            )
        except (KeyError, TypeError, AttributeError, OverflowError) as error:
            raise ValueError(f"not a claim of doublecast ({type(error).__name__}: {error})") from error


def _items(given: Any) -> Sequence[Any]:
    if not isinstance(given, list) or len(given) > MOST:
        raise ValueError(f"a claim holds lists of at most {MOST} entries")
    return given


def _check_role(role: str) -> None:
    if role not in ROLES:
        raise ValueError(f"a role must be one of {', '.join(ROLES)}, got {role!r}")


def _check(name: str, value: str, pattern: re.Pattern[str], wanted: str) -> None:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise ValueError(f"{name} must be {wanted}, got {value!r}")
