"""`doublecast consent`: on what basis the people of a production are used; and the question that main jobs ask."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from doublecast.cli.common import Commands, Json, errors, show
from doublecast.cli.faces import Job, Side, SideName

if TYPE_CHECKING:
    from doublecast.trust.consent import ConsentRecord

BASES = "self, release:FILE, licensed:TEXT, public-domain:WHY, synthetic, research:DATA-SET-AND-TERMS"
BASIS = Annotated[str, typer.Argument(metavar="BASIS", help=f"One of {BASES}.")]
QUESTIONS = {
    "release": "File of the signed release (it is hashed, and stays where it is)",
    "licensed": "The licence: its text, address or file",
    "public-domain": "Why it is in the public domain",
    "research": "Data set and its terms",
}
ConsentOption = Annotated[
    str | None, typer.Option(metavar="BASIS", help=f"On what basis that face is used, once per production: {BASES}.")
]

consent = typer.Typer(
    cls=Commands, no_args_is_help=True, help="On what basis the faces of a production are used: signed records."
)


def answered(
    production: Path, side: SideName, takes: Sequence[str], given: str | None, *, option: str = ""
) -> str | None:
    """The basis that was given, or what the user answers where nothing is recorded yet and there is a terminal.

    None where a record exists. Stops (ConsentError) where there is neither basis nor terminal.
    """
    from doublecast.pipeline.consent import require

    if given is None and _terminal():
        from doublecast.pipeline.consent import recorded
        from doublecast.video import find_takes

        find_takes(list(takes))  # a wrong name is told before anything is asked
        if recorded(production, side.value) is None:
            return _ask(side, takes)
    require(production, side.value, given, option=option or f"--{side.value}-consent")
    return given


def _terminal() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def _ask(side: SideName, takes: Sequence[str]) -> str:
    from doublecast.errors import ConsentError
    from doublecast.trust.basis import KINDS, MEANING, NEEDS, Basis

    say = errors()
    names = ", ".join(Path(take).name for take in takes[:3]) + (", ..." if len(takes) > 3 else "")
    say.print(escape(f"The {side.value}'s face is in {names}. Why may it be used?"), highlight=False, soft_wrap=True)
    for number, kind in enumerate(KINDS, 1):
        say.print(escape(f"  {number}  {kind}: {MEANING[kind][0]}"), highlight=False, soft_wrap=True)
    try:
        while True:
            number = typer.prompt(f"1 to {len(KINDS)}", type=int, err=True)
            if not 1 <= number <= len(KINDS):
                continue
            kind = KINDS[number - 1]
            answer = f"{kind}:{typer.prompt(QUESTIONS[kind], err=True)}" if kind in NEEDS else kind
            try:
                Basis.parse(answer)
            except ConsentError as error:
                say.print(f"[red]error:[/] {escape(str(error))}", highlight=False, soft_wrap=True)
            else:
                return answer
    except typer.Abort:
        raise KeyboardInterrupt from None


@consent.command()
def add(production: Job, basis: BASIS, side: Side, json: Json = False) -> None:
    """Record a basis for one side; the one before stays in the history. For another person, or after a revocation."""
    from doublecast.errors import ProductionError
    from doublecast.pipeline.consent import check_side, identity
    from doublecast.pipeline.curate import check_curated
    from doublecast.production import Production
    from doublecast.trust.basis import Basis
    from doublecast.trust.consent import add as write

    parsed = Basis.parse(basis)
    with Production(production, create=False) as job:
        record = write(job.folder, side.value, parsed, id=identity(job))
        try:
            check_curated(job, side.value)
        except ProductionError:  # no faces yet: it is bound to them when there are
            pass
        else:
            record = check_side(job, side.value)
    show(_public(record), [_line(record)], as_json=json)


@consent.command("list")
def list_(production: Job, json: Json = False) -> None:
    """The records in force of both sides, one line each."""
    found = [record for side in SideName if (record := _load(production, side)) is not None]
    lines = [_line(record) for record in found] or [f"no basis is recorded in {production} yet"]
    show({"records": [_public(record) for record in found]}, lines, as_json=json)


@consent.command("show")
def show_(production: Job, side: Side, json: Json = False) -> None:
    """Everything about one side's record: takes, evidence, whose signature, and the history."""
    from doublecast.errors import ConsentError
    from doublecast.trust.consent import history

    record = _load(production, side)
    if record is None:
        raise ConsentError(f"{production}: no basis is recorded for the {side.value}")
    older = [other for other in history(production, side.value) if other != record]
    whose = "you" if record.signed_by_user else "another key than yours"
    lines = [
        _line(record),
        f"  stated:    {record.made}",
        *([f"  evidence:  {record.basis.detail}, SHA-256 {record.basis.evidence_sha256}"]
          if record.basis.evidence_sha256 else []),
        f"  signed by: {whose} ({record.public_key})",
        *(f"  take:      SHA-256 {take.sha256}" for take in record.takes),
        f"  face:      {'recorded' if record.vector else 'not known yet'}",
        *(f"  before:    {_line(other)}" for other in reversed(older)),
    ]  # fmt: skip
    show({**_public(record), "history": [_public(other) for other in older]}, lines, as_json=json)


@consent.command()
def revoke(
    production: Job,
    side: Side,
    reason: Annotated[str, typer.Option(help="Why, for the record.")] = "",
    json: Json = False,
) -> None:
    """Take a basis back: no more training and no more films of it. Films that were made can still be verified."""
    from doublecast.pipeline.consent import identity
    from doublecast.production import Production
    from doublecast.trust.consent import revoke as write

    with Production(production, create=False) as job:
        record = write(job.folder, side.value, id=identity(job), reason=reason)
    show(_public(record), [_line(record)], as_json=json)


def _load(production: Path, side: SideName) -> "ConsentRecord | None":
    from doublecast.pipeline.consent import recorded
    from doublecast.production import Production

    return recorded(Production(production, create=False, lock=False).folder, side.value)


def _line(record: "ConsentRecord") -> str:
    state = f"revoked {record.revoked}" if record.revoked else "in force" if record.complete else "not complete"
    why = f" ({record.reason})" if record.reason else ""
    return f"{record.role} {record.pseudonym}: {record.basis}; {state}{why}; {len(record.takes)} takes"


def _public(record: "ConsentRecord") -> dict[str, Any]:
    from doublecast.trust.consent import record_hash

    return {
        "role": record.role,
        "pseudonym": record.pseudonym,
        "basis": record.basis.kind,
        "detail": record.basis.detail,
        "evidence_sha256": record.basis.evidence_sha256,
        "made": record.made,
        "revoked": record.revoked,
        "reason": record.reason,
        "takes": [take.sha256 for take in record.takes],
        "complete": record.complete,
        "number": record.number,
        "record": record_hash(record),
        "public_key": record.public_key,
        "signed_by_user": record.signed_by_user,
    }
