"""What `verify` tells of a file: the verdict and the lines below it, for the command line and for pages alike."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from doublecast.pipeline.provenance import Check, compare
from doublecast.production import Production
from doublecast.trust.verify import CHANGED, OURS, Report, judge
from doublecast.trust.verify import verify as look

SHOWN = 12  #: ranges and marks that are listed


@dataclass(frozen=True, slots=True)
class Verdict:
    """code: 0 made with doublecast and unchanged, 1 nothing of doublecast, 2 neither. sentence: for everybody.

    lines: what was found, (what, text) each; a text that is "" makes the line a heading. checks: how it fits the
    production that was named.
    """

    code: int
    sentence: str
    lines: tuple[tuple[str, str], ...]
    report: Report
    checks: tuple[Check, ...] = ()

    def plain(self) -> dict[str, Any]:
        """As JSON wants it."""
        report = self.report
        return {
            "file": report.path, "code": self.code, "verdict": self.sentence,
            "credentials": None if report.credentials is None else asdict(report.credentials),
            "pictures": asdict(report.pictures), "folder": dict(report.folder), "problems": report.problems,
            "production": [asdict(check) for check in self.checks],
        }  # fmt: skip


def verdict(file: Path | str, production: Path | str | None = None) -> Verdict:
    """Look at a file or folder of pictures, and hold it against the production that it is said to come from.

    The file may be hostile (see `trust.verify`). Raises InputError (no such file), ProductionError.
    """
    if production is not None:
        Production(production, create=False, lock=False).close()  # a mistyped folder is told before the work
    report = look(file)
    code, sentence = judge(report)
    checks: list[Check] = []
    if production is not None and report.claim is not None:
        checks = compare(report.claim, report.path, Path(production))
        unfit = [check.what for check in checks if check.answer == "no"]
        if unfit:
            code = CHANGED if code == OURS else code
            more = f" and {len(unfit) - SHOWN} more" if len(unfit) > SHOWN else ""
            sentence += f" But it does not fit the production: {', '.join(unfit[:SHOWN])}{more}."
    lines = [*_credentials(report), *_claim(report), *_pictures(report)]
    lines += [(check.what, f"{check.answer}: {check.text}") for check in checks]
    if production is not None and report.claim is None:
        lines.append(("production", "nothing to compare: the file has no readable signed record of doublecast"))
    lines += [("not looked at", text) for text in report.problems]
    return Verdict(code, sentence, tuple(lines), report, tuple(checks))


def _credentials(report: Report) -> list[tuple[str, str]]:
    found = report.credentials
    if found is None:
        return [("signed record", "could not be read")]
    words = {
        "valid": "there, and it fits the file",
        "expired": "there and unharmed, but its certificate has expired",
        "tampered": "there, but it does not fit the file",
        "absent": "none",
    }
    beside = f" (in {report.path.name}.c2pa beside it)" if found.place == "sidecar" else ""
    lines = [("signed record", words[found.state] + beside)]
    lines += [("  what is wrong", text) for text in found.reasons[:5]]
    if report.folder:
        counts = ", ".join(f"{report.folder[s]} {s}" for s in words if report.folder.get(s))
        lines.append(("  pictures", f"{report.folder['pictures']} in all: {counts}"))
        lines += [("  not in order", name) for name in report.folder["bad"][:5]]
    if found.generator:
        lines.append(("  made with", found.generator))
    if found.certificate is not None:
        one = found.certificate
        whose = "this machine's own" if one.this_machine else "self-made" if one.self_made else f"of {one.issuer}"
        lines.append(("  signed by", f"{one.subject} ({whose}; valid until {one.until})"))
        lines.append(("  fingerprint", one.fingerprint))
    for source in found.sources:
        if source.generator:
            state = "in order" if source.sound else "not in order"
            lines.append(("  an input's record", f"{source.generator}, {state} when it was used"))
    return lines


def _claim(report: Report) -> list[tuple[str, str]]:
    claim = report.claim
    if claim is None:
        return []
    trusted = report.credentials is not None and report.credentials.state == "valid"
    lines = [("what it says" if trusted else "what it says (not proven any more)", "")]
    for person in claim.identities:
        record = f", record {person.record}" if person.record else ", no record"
        lines.append((f"  {person.role}", f"{person.pseudonym}, basis: {person.basis}{record}"))
    for take in claim.takes:
        lines.append((f"  take of the {take.role}", f"SHA-256 {take.sha256}"))
    lines.append(("  model", f"SHA-256 {claim.model}"))
    shown = ", ".join(f"{_time(start)}-{_time(end)}" for start, end in claim.replaced[:SHOWN])
    more = f", and {len(claim.replaced) - SHOWN} more" if len(claim.replaced) > SHOWN else ""
    lines.append(("  faces replaced", f"{shown or 'nowhere'}{more}"))
    if claim.film:
        lines.append(("  film", claim.film))
    return lines


def _pictures(report: Report) -> list[tuple[str, str]]:
    shown = report.pictures
    marks = []
    for mark in shown.marks[:SHOWN]:
        where = (
            ""
            if mark.start == mark.end or (len(shown.marks) == 1 and mark.state == "absent")
            else f" from {_time(mark.start)} to {_time(mark.end)}"
        )
        what = {"found": f"film {mark.film}", "damaged": "there, but too damaged to be read", "absent": "none"}
        sure = f" (certainty {mark.confidence:.4f})" if mark.state != "absent" else ""
        marks.append(("invisible mark", what[mark.state] + where + sure))
    if len(shown.marks) > SHOWN:
        marks.append(("invisible mark", f"and {len(shown.marks) - SHOWN} more stretches"))
    words = {
        "seen": "visible",
        "not seen": "not seen",
        "declared none": "declared as none",
        "unknown": "not looked for",
    }
    lines = [*marks, ("visible label", words[shown.label])]
    return lines + ([("words in the header", shown.comment)] if shown.comment else [])


def _time(seconds: float) -> str:
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02}:{rest:06.3f}" if hours else f"{minutes}:{rest:06.3f}"
