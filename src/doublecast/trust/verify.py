"""What a file is: signed record, invisible mark, label and words of it, and one plain sentence about all of them."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from doublecast.errors import InputError
from doublecast.trust.claim import Claim
from doublecast.trust.credentials import GENERATOR, SIDECAR
from doublecast.trust.inspection import Certificate, Credentials
from doublecast.trust.reading import Pictures
from doublecast.trust.sandbox import Sandbox
from doublecast.trust.statement import PREFIX

OURS, NOT_OURS, CHANGED = 0, 1, 2  #: exit codes: verified ours; nothing of ours; ours no longer as we made it
SHORTEST, SPEED, LONGEST = 60.0, 10e6, 600.0  #: seconds that credentials may take, further bytes per second, at most
FOLDER = 360.0  #: seconds that a folder's may take
PICTURES = 240.0  #: seconds that the pictures may take


@dataclass(frozen=True)
class Report:
    """What was found in a file. problems: what could not be looked at. folder: counts (see `child`) of its pictures."""

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
        if path.is_dir():
            next(path.iterdir(), None)
        elif path.is_file():
            path.open("rb").close()
    except OSError as error:
        raise InputError(f"{path}: cannot be opened ({error.strerror}). Check the spelling and the folder.") from error
    if not (path.is_file() or path.is_dir()):
        raise InputError(f"{path}: is neither a file nor a folder. Name a film, a picture or a folder of pictures.")
    problems = []
    with Sandbox() as sandbox:
        limit = FOLDER if path.is_dir() else min(SHORTEST + size / SPEED, LONGEST)
        found = sandbox.ask({"do": "credentials", "path": str(path.absolute())}, seconds=limit)
        folder = found.pop("folder", {})
        if "error" in found:
            problems.append(f"the signed record could not be read: {found['error']}")
        if _left(folder):
            problems.append(f"the signed records of {_left(folder)} of {folder['pictures']} pictures")
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
    """Exit code and the verdict, in one to four sentences for everybody."""
    code, text = _judge(report)
    left = _left(report.folder)
    return code, f"{text} {left} of its {report.folder['pictures']} pictures were not looked at." if left else text


def _left(folder: Mapping[str, Any]) -> int:
    return int(folder.get("pictures", 0)) - int(folder.get("looked", 0))


def _judge(report: Report) -> tuple[int, str]:
    found = report.credentials
    if found is None:
        return _without(report, "could not be read")
    if found.state == "absent":
        return _without(report, "is gone" if not report.folder.get("traces") else "is missing in some of the pictures")
    if not _known(report, found):
        return NOT_OURS, _theirs(report, found)
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
        if report.folder and not report.folder["ours"] == report.folder["looked"] == report.folder["pictures"]:
            few, all_of_them = report.folder["ours"], report.folder["pictures"]
            return (
                CHANGED,
                f"Only {few} of {all_of_them} pictures of this folder are signed by doublecast and unchanged.",
            )
        if report.folder.get("films", 1) > 1:
            return CHANGED, "Every picture of this folder is signed by doublecast, but they belong to different films."
        return OURS, f"{made} It is unchanged since it was signed. {_who(found.certificate)}{_older(report)}"
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
    return NOT_OURS, _theirs(report, found)


def _known(report: Report, found: Credentials) -> bool:
    """Whether anything in the file is doublecast's, proven or not."""
    named = found.generator.split(" ")[0] == GENERATOR
    return bool(named or found.ours or found.within or report.films or report.says_so or report.folder.get("traces"))


def _theirs(report: Report, found: Credentials) -> str:
    """Of a file with a signed record, but nothing of doublecast."""
    state = {
        "valid": "fits the file.",
        "expired": "is unharmed, but the certificate it was signed with has expired.",
    }.get(
        found.state,
        "does not fit it: the file was changed after it was signed, or its signed record was damaged.",
    )
    text = (
        f"{_names(report)[0]} was not made with doublecast as far as can be told. It carries the signed record of "
        f"another tool ({found.generator or 'unnamed'}), which {state}"
    )
    if any(mark.state == "damaged" for mark in report.pictures.marks):
        text += " There are traces of an invisible mark in it that is too damaged to be read."
    return text


def _older(report: Report) -> str:
    """Marks of other films. The signature covers the pictures, so that they are no contradiction: where a film is made
    of another, two marks lie over each other, and either may be read."""
    others = [film for film in report.films if report.claim is None or film != report.claim.film]
    if not others:
        return ""
    return f" An older mark of another film ({others[0]}) is also in it, as where one film is made from another."


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
    else:
        text = f"{it} was changed after doublecast signed it. What it says about itself is no longer proof."
    return f"{text} {_marked(report)}".strip()


def _without(report: Report, what: str) -> tuple[int, str]:
    it, made = _names(report)
    if report.films:
        changed = "it was cut, converted or stripped on its way. " if what == "is gone" else ""
        return CHANGED, f"{made} But its signed record {what}: {changed}{_marked(report)}".replace(": The", ". The")
    if report.folder.get("traces"):
        return CHANGED, f"Some pictures of this folder are signed by doublecast; the signed record {what}."
    if report.says_so:
        return CHANGED, (
            f"{it} says in its header that doublecast altered it, but its signed record {what}: it was cut, converted "
            "or stripped on its way."
        )
    unread = "" if report.credentials is not None else ", but its signed record could not be read"
    if not report.pictures.kind:
        reason = "; reading it had to be broken off" if report.problems else ""
        return (
            NOT_OURS,
            f"This is not a picture or film, or too damaged to be read as one{reason}. "
            f"Nothing of doublecast was found in it{unread}.",
        )
    if any(mark.state == "damaged" for mark in report.pictures.marks):
        return NOT_OURS, (
            f"{it} carries traces of an invisible mark that is too damaged to be read. It may have been made with "
            "doublecast; nothing proves it."
        )
    seen = " A label like doublecast's is visible in it." if report.pictures.label == "seen" else ""
    record = unread if unread else " and no signed record"
    return NOT_OURS, (
        f"Nothing of doublecast was found in {it[0].lower()}{it[1:]}: no invisible mark{record}.{seen} "
        "That does not prove that it is genuine."
    )


def _marked(report: Report) -> str:
    if not report.films:
        return ""
    several = f" and {len(report.films) - 1} more" if len(report.films) > 1 else ""
    return f"The invisible mark in its pictures names the film {next(iter(report.films))}{several}."
