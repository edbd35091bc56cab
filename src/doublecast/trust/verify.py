"""What a file is: signed record, invisible mark, label and words of it, and one plain sentence about all of them."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from doublecast.errors import InputError
from doublecast.trust.claim import Claim
from doublecast.trust.credentials import SIDECAR
from doublecast.trust.inspection import Certificate, Credentials
from doublecast.trust.reading import Pictures
from doublecast.trust.sandbox import Sandbox
from doublecast.trust.statement import PREFIX

OURS, NOT_OURS, CHANGED = 0, 1, 2  #: exit codes: verified ours; nothing of ours; ours no longer as we made it
SHORTEST, SPEED = 60.0, 10e6  #: seconds that credentials may take, and further bytes per second
PICTURES = 240.0  #: seconds that the pictures may take


@dataclass(frozen=True)
class Report:
    """What was found in a file. problems: what could not be looked at. folder: counts of a folder's pictures."""

    path: Path
    credentials: Credentials | None
    pictures: Pictures
    claim: Claim | None = None
    problems: tuple[str, ...] = ()
    folder: Mapping[str, Any] = field(default_factory=dict)

    @property
    def films(self) -> dict[str, float]:
        """The film ids that invisible marks name, the most seen first, with the seconds they were seen in."""
        seen: Counter[str] = Counter()
        for mark in self.pictures.marks:
            if mark.state == "found":
                seen[mark.film] += max(mark.end - mark.start, 0.04)  # type: ignore[assignment]  # seconds
        return dict(seen.most_common())

    @property
    def says_so(self) -> bool:
        """Whether the file's own words say that doublecast altered it."""
        return self.pictures.comment.startswith(PREFIX) and "doublecast" in self.pictures.comment


def verify(path: Path | str) -> Report:
    """Look at a film, a picture, or a folder of pictures; a sidecar stands for its film.

    The file may be hostile: it is read in another process with bounded time and memory.
    Raises InputError where there is no such file.
    """
    path = Path(path)
    if path.suffix == SIDECAR and path.with_suffix("").exists():
        path = path.with_suffix("")
    try:
        size = path.stat().st_size
    except OSError as error:
        raise InputError(f"{path}: cannot be opened ({error.strerror}). Check the spelling and the folder.") from error
    if not (path.is_file() or path.is_dir()):
        raise InputError(f"{path}: is neither a file nor a folder. Name a film, a picture or a folder of pictures.")
    problems = []
    with Sandbox() as sandbox:
        limit = 360.0 if path.is_dir() else SHORTEST + size / SPEED
        found = sandbox.ask({"do": "credentials", "path": str(path.absolute())}, seconds=limit)
        folder = found.pop("folder", {})
        if "error" in found:
            problems.append(f"the signed record could not be read: {found['error']}")
        credentials = None if "error" in found else Credentials.of(found)
        claim = _claim(credentials)
        said = dict(claim.label) if claim is not None and credentials is not None and credentials.ours else None
        shown = sandbox.ask({"do": "pictures", "path": str(path.absolute()), "said": said}, seconds=PICTURES)
    if "error" in shown:
        problems.append(f"the pictures could not be read: {shown['error']}")
    pictures = Pictures() if "error" in shown else Pictures.of(shown)
    return Report(path, credentials, pictures, claim, tuple(problems), folder)


def _claim(credentials: Credentials | None) -> Claim | None:
    try:
        return None if credentials is None or credentials.claim is None else Claim.read(credentials.claim)
    except ValueError:
        return None


def judge(report: Report) -> tuple[int, str]:
    """Exit code and the verdict, in one to three sentences for everybody."""
    found = report.credentials
    if found is None:
        return _without(report, "could not be read")
    if found.state == "absent":
        return _without(report, "is gone" if not report.folder.get("valid") else "is missing in some of the pictures")
    it, made = _names(report)
    if found.state == "expired":
        return CHANGED, (
            f"{it} has a signed record that is unharmed, but the certificate it was signed with has expired: "
            "it is no longer proof."
        )
    if found.state == "tampered":
        return CHANGED, _tampered(report)
    if found.ours:
        if found.claim is not None and report.claim is None:
            return CHANGED, f"{it} is signed as if by doublecast, but what it says about itself cannot be read."
        if report.claim is not None and report.claim.film and report.films and report.claim.film not in report.films:
            return CHANGED, (
                f"{it} is signed, but its signed record and the invisible mark in its pictures name different films. "
                "Do not rely on either."
            )
        if report.folder.get("films", 1) > 1:
            return CHANGED, "Every picture of this folder is signed by doublecast, but they belong to different films."
        return OURS, f"{made} It is unchanged since it was signed. {_who(found.certificate)}"
    if found.within:
        return CHANGED, (
            f"Somebody edited a film made with doublecast ({found.generator or 'with an unnamed tool'}) and signed the "
            "result. The edit is declared, and nothing was changed since; but it is no longer what doublecast made."
        )
    if report.films:
        return CHANGED, (
            f"{it} is signed by another tool ({found.generator}), whose record does not say that doublecast made part "
            f"of it; the invisible mark in its pictures does. It names the film {next(iter(report.films))}."
        )
    return NOT_OURS, (
        f"{it} was not made with doublecast as far as can be told. It carries the signed record of another tool "
        f"({found.generator or 'unnamed'}), which fits the file."
    )


def _names(report: Report) -> tuple[str, str]:
    kind = report.pictures.kind
    it = {"film": "This film", "picture": "This picture", "pictures": "This folder of pictures"}.get(kind, "This file")
    shows = "them" if kind == "pictures" else "it"
    return it, f"{it} was made with doublecast: one person's face in {shows} was replaced by another's."


def _who(certificate: Certificate | None) -> str:
    if certificate is None:
        return ""
    if certificate.this_machine:
        return "This machine signed it, with a certificate that it made for itself."
    if certificate.self_made:
        return "Its certificate is self-made: it shows that nothing was changed since, not who made it."
    return (
        f"It was signed as “{certificate.subject}”, vouched for by “{certificate.issuer}”; whether to trust them is "
        "yours to decide."
    )


def _tampered(report: Report) -> str:
    it, _ = _names(report)
    found = report.credentials
    if found is not None and found.place == "sidecar":
        text = (
            f"The signed record beside this file ({report.path.name}{SIDECAR}) does not fit it: the file was changed, "
            "or the record belongs to another."
        )
    elif report.folder:
        bad = report.folder.get("tampered", 0)
        text = f"{bad} of {report.folder['pictures']} pictures of this folder were changed after they were signed."
    elif found is not None and (found.ours or found.within or report.films or report.says_so):
        text = f"{it} was changed after doublecast signed it. What it says about itself is no longer proof."
    else:
        text = f"{it} was changed after it was signed, or its signed record was damaged. It is no longer proof."
    return f"{text} {_marked(report)}".strip()


def _without(report: Report, what: str) -> tuple[int, str]:
    it, made = _names(report)
    if report.films:
        changed = "it was cut, converted or stripped on its way. " if what == "is gone" else ""
        return CHANGED, f"{made} But its signed record {what}: {changed}{_marked(report)}".replace(": The", ". The")
    if report.folder.get("valid"):
        return CHANGED, f"Some pictures of this folder are signed by doublecast; the signed record {what}."
    if report.says_so:
        return CHANGED, (
            f"{it} says in its header that doublecast altered it, but its signed record {what}: it was cut, converted "
            "or stripped on its way."
        )
    if not report.pictures.kind:
        reason = "; reading it had to be broken off" if report.problems else ""
        return (
            NOT_OURS,
            f"This is not a picture or film, or too damaged to be read as one{reason}. "
            "Nothing of doublecast was found in it.",
        )
    if any(mark.state == "damaged" for mark in report.pictures.marks):
        return NOT_OURS, (
            f"{it} carries traces of an invisible mark that is too damaged to be read. It may have been made with "
            "doublecast; nothing proves it."
        )
    seen = " A label like doublecast's is visible in it." if report.pictures.label == "seen" else ""
    return NOT_OURS, (
        f"Nothing of doublecast was found in {it[0].lower()}{it[1:]}: no signed record and no invisible mark.{seen} "
        "That does not prove that it is genuine."
    )


def _marked(report: Report) -> str:
    if not report.films:
        return ""
    several = f" and {len(report.films) - 1} more" if len(report.films) > 1 else ""
    return f"The invisible mark in its pictures names the film {next(iter(report.films))}{several}."
