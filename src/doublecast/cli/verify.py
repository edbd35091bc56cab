"""`doublecast verify`: what a file is, said plainly."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from doublecast.cli.common import Json, show

if TYPE_CHECKING:
    from doublecast.pipeline.provenance import Check
    from doublecast.trust.verify import Report

SHOWN = 12  #: ranges and marks that are listed


def verify(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Film, picture, sidecar, or folder of pictures.")],
    production: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Hold it against the production that it is said to come from.")
    ] = None,
    json: Json = False,
) -> None:
    """Say what a file is: made by doublecast or not, unchanged or not, signed by whom, from what.

    Exit code: 0 made with doublecast and unchanged; 1 nothing of doublecast was found; 2 made with doublecast, but
    changed, stripped, no longer provable, or not of the production that was named (also: a file, folder or option that
    cannot be used); 70 a bug in doublecast. Nothing is sent anywhere.
    """
    if production is not None:
        from doublecast.production import Production

        Production(production, create=False, lock=False).close()  # a mistyped folder is told before the work
    from doublecast.trust.verify import CHANGED, OURS, judge
    from doublecast.trust.verify import verify as run

    report = run(file)
    code, verdict = judge(report)
    checks: list[Check] = []
    if production is not None and report.claim is not None:
        from doublecast.pipeline.provenance import compare

        checks = compare(report.claim, report.path, production)
        unfit = [check.what for check in checks if check.answer == "no"]
        if unfit:
            code = CHANGED if code == OURS else code
            more = f" and {len(unfit) - SHOWN} more" if len(unfit) > SHOWN else ""
            verdict += f" But it does not fit the production: {', '.join(unfit[:SHOWN])}{more}."
    result = {
        "file": report.path, "code": code, "verdict": verdict,
        "credentials": None if report.credentials is None else asdict(report.credentials),
        "pictures": asdict(report.pictures), "folder": dict(report.folder), "problems": report.problems,
        "production": [asdict(check) for check in checks],
    }  # fmt: skip
    lines = [verdict, "", *_credentials(report), *_claim(report), *_pictures(report)]
    lines += [_line(check.what, f"{check.answer}: {check.text}") for check in checks]
    if production is not None and report.claim is None:
        lines.append(_line("production", "nothing to compare: the file has no readable signed record of doublecast"))
    show(result, lines + [_line("not looked at", text) for text in report.problems], as_json=json)
    raise typer.Exit(code)


def _line(what: str, text: str) -> str:
    return f"{what + ':':23}{text}"


def _credentials(report: "Report") -> list[str]:
    found = report.credentials
    if found is None:
        return [_line("signed record", "could not be read")]
    words = {
        "valid": "there, and it fits the file",
        "expired": "there and unharmed, but its certificate has expired",
        "tampered": "there, but it does not fit the file",
        "absent": "none",
    }
    beside = f" (in {report.path.name}.c2pa beside it)" if found.place == "sidecar" else ""
    lines = [_line("signed record", words[found.state] + beside)]
    lines += [_line("  what is wrong", text) for text in found.reasons[:5]]
    if report.folder:
        counts = ", ".join(f"{report.folder[s]} {s}" for s in words if report.folder.get(s))
        lines.append(_line("  pictures", f"{report.folder['pictures']} in all: {counts}"))
        lines += [_line("  not in order", name) for name in report.folder["bad"][:5]]
    if found.generator:
        lines.append(_line("  made with", found.generator))
    if found.certificate is not None:
        one = found.certificate
        whose = "this machine's own" if one.this_machine else "self-made" if one.self_made else f"of {one.issuer}"
        lines.append(_line("  signed by", f"{one.subject} ({whose}; valid until {one.until})"))
        lines.append(_line("  fingerprint", one.fingerprint))
    for source in found.sources:
        if source.generator:
            state = "in order" if source.sound else "not in order"
            lines.append(_line("  an input's record", f"{source.generator}, {state} when it was used"))
    return lines


def _claim(report: "Report") -> list[str]:
    claim = report.claim
    if claim is None:
        return []
    trusted = report.credentials is not None and report.credentials.state == "valid"
    lines = ["what it says:" if trusted else "what it says (not proven any more):"]
    for person in claim.identities:
        record = f", record {person.record}" if person.record else ", no record"
        lines.append(_line(f"  {person.role}", f"{person.pseudonym}, basis: {person.basis}{record}"))
    for take in claim.takes:
        lines.append(_line(f"  take of the {take.role}", f"SHA-256 {take.sha256}"))
    lines.append(_line("  model", f"SHA-256 {claim.model}"))
    shown = ", ".join(f"{_time(start)}-{_time(end)}" for start, end in claim.replaced[:SHOWN])
    more = f", and {len(claim.replaced) - SHOWN} more" if len(claim.replaced) > SHOWN else ""
    lines.append(_line("  faces replaced", f"{shown or 'nowhere'}{more}"))
    if claim.film:
        lines.append(_line("  film", claim.film))
    return lines


def _pictures(report: "Report") -> list[str]:
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
        marks.append(_line("invisible mark", what[mark.state] + where + sure))
    if len(shown.marks) > SHOWN:
        marks.append(_line("invisible mark", f"and {len(shown.marks) - SHOWN} more stretches"))
    words = {
        "seen": "visible",
        "not seen": "not seen",
        "declared none": "declared as none",
        "unknown": "not looked for",
    }
    lines = [*marks, _line("visible label", words[shown.label])]
    return lines + ([_line("words in the header", shown.comment)] if shown.comment else [])


def _time(seconds: float) -> str:
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02}:{rest:06.3f}" if hours else f"{minutes}:{rest:06.3f}"
