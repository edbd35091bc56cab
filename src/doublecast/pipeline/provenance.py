"""What a film's credentials say, held against the production that it is said to come from."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from doublecast.disk import fingerprint
from doublecast.errors import ConsentError, InputError
from doublecast.model.standing import WEIGHTS
from doublecast.pipeline.claims import model_sha256, sha256_of
from doublecast.pipeline.snapshots import SNAPSHOTS
from doublecast.production import SIDES, Production, TakeInput
from doublecast.trust.claim import Claim, ClaimedIdentity
from doublecast.trust.consent import find, load

Answer: TypeAlias = Literal["yes", "no", "unknown"]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was compared. answer: whether it fits; "unknown" where it cannot be told any more."""

    what: str
    answer: Answer
    text: str


def compare(claim: Claim, path: Path, folder: Path) -> list[Check]:
    """Film log, takes, model and consent records of the production in ``folder`` against the claim of a film.

    path: of the film. Nothing is written. Raises ProductionError where the folder is no production.
    """
    with Production(folder, create=False, lock=False) as job:
        checks = [_log(job, claim, path), *_takes(job, claim), _model(job, claim)]
    return checks + [_consent(folder, identity) for identity in claim.identities]


def _log(job: Production, claim: Claim, path: Path) -> Check:
    for name, record in job.record.films.items():
        if claim.film and record.film == claim.film:
            return Check("film log", "yes", f"the production made this film as {name}")
    known = job.record.films.get(str(path.absolute()))
    if known is not None and known.after and known.after == fingerprint(path):
        return Check("film log", "yes", "the production made this very file")
    return Check("film log", "no", f"none of the production's {len(job.record.films)} films is this one")


def _takes(job: Production, claim: Claim) -> list[Check]:
    known: dict[tuple[str, str], TakeInput] = {}
    lost = 0
    for side in SIDES:
        for take in job.record.inputs.get(side, []):
            try:
                known[side, sha256_of(take)] = take
            except InputError:  # gone, and extracted by a version that did not note the hash
                lost += 1
    checks = []
    for number, claimed in enumerate(claim.takes):
        given = known.get((claimed.role, claimed.sha256))
        what = f"take {number + 1} ({claimed.role})"
        if given is None:
            answer: Answer = "unknown" if lost else "no"
            checks.append(Check(what, answer, f"no take of the production has the SHA-256 {claimed.sha256}"))
        else:
            checks.append(Check(what, *_as_it_was(given, claimed.sha256)))
    return checks


def _as_it_was(given: TakeInput, wanted: str) -> tuple[Answer, str]:
    now = TakeInput(given.name, given.key, given.kind, given.files)
    try:
        same = sha256_of(now) == wanted
    except InputError:
        return "yes", f"{given.name}, as recorded; its file is not where it was: {given.files[0]}"
    if same:
        return "yes", f"{given.name}: {given.files[0]}"
    return "yes", f"{given.name}, as recorded; the file {given.files[0]} was changed since"


def _model(job: Production, claim: Claim) -> Check:
    kept = [
        path for place in ("checkpoint-*", f"{SNAPSHOTS}/*") for path in job.folder.glob(f"model-*/{place}/{WEIGHTS}")
    ]
    for weights in sorted(kept):
        if model_sha256(weights.parent) == claim.model:
            return Check("model", "yes", weights.parent.relative_to(job.folder).as_posix())
    text = f"no model that is still there has the SHA-256 {claim.model}; it may have been trained further since"
    return Check("model", "unknown", text)


def _consent(folder: Path, identity: ClaimedIdentity) -> Check:
    what = f"consent ({identity.role})"
    if not identity.record:
        return Check(what, "no", f"the film names no consent record; basis: {identity.basis}")
    try:
        record, now = find(folder, identity.record), load(folder, identity.role)
    except ConsentError as error:
        return Check(what, "no", str(error))
    if record is None:
        return Check(what, "no", "the production has no such record")
    text = f"{record.basis}, recorded on {record.made[:10]}"
    if now is not None and now.revoked:
        text += f"; revoked on {now.revoked[:10]}"
    return Check(what, "yes", text)
