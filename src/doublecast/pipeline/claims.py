"""What the credentials of a production's films say: hashes of its takes and model, and where faces were replaced."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import numpy as np

from doublecast.errors import ProductionError
from doublecast.faceset import FaceStore
from doublecast.model.standing import WEIGHTS
from doublecast.pipeline.takes import take_of
from doublecast.production import RECORD, SIDES, Production, TakeInput
from doublecast.trust.claim import Claim, ClaimedIdentity, ClaimedTake
from doublecast.trust.consent import ConsentRecord
from doublecast.types import F64, I64
from doublecast.video import TakeInfo
from doublecast.video.takes import file_sha256


def claim_of(
    given: TakeInput,
    info: TakeInfo,
    *,
    takes: Sequence[ClaimedTake],
    actor: FaceStore,
    checkpoint: Path,
    identities: tuple[ClaimedIdentity, ...],
) -> Claim:
    """The claim of the film that is made of the actor's take ``given``. takes: of both sides (see `claimed_takes`)."""
    mine = ClaimedTake("actor", sha256_of(given))
    others = list(takes)
    others.remove(mine)
    return Claim((mine, *others), identities, model_sha256(checkpoint), replaced(actor, given.key, info))


def claimed_takes(job: Production, records: Sequence[ConsentRecord]) -> tuple[ClaimedTake, ...]:
    """All takes of a production, the actor's first. records: of both sides' consent, which name the takes too.

    Raises ProductionError where the noted SHA-256 is not that of the files that are there, or not the one in the
    consent record: what is signed would name other footage.
    """
    bound = {(record.role, take.key): take.sha256 for record in records for take in record.takes}
    takes = [(side, take) for side in SIDES for take in job.inputs(side)]
    return tuple(ClaimedTake(side, _checked(job, take, bound.get((side, take.key), ""))) for side, take in takes)


def _checked(job: Production, given: TakeInput, bound: str) -> str:
    noted = sha256_of(given)
    there = all(Path(file).is_file() for file in given.files)
    known = {noted, bound or noted, sha256_of(replace(given, sha256="")) if there else noted}
    if len(known) > 1:
        raise ProductionError(
            f"{given.files[0]}: its SHA-256, the one in {job.folder / RECORD} and the consent record's differ; "
            "one was changed since extraction: put it back, run doublecast extract again, or, where the consent record "
            "is the wrong one, doublecast consent add"
        )
    return noted


def sha256_of(given: TakeInput) -> str:
    """See `Take.sha256`: as noted at extraction, else (productions of before) of the files as they are now."""
    return given.sha256 or take_of(given).sha256()


def model_sha256(checkpoint: Path) -> str:
    """SHA-256 of the weights that films are made with: 64 hex digits."""
    path = checkpoint / WEIGHTS
    return _model(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=8)
def _model(path: Path, changed: int) -> str:
    return file_sha256(path)


def replaced(actor: FaceStore, key: str, info: TakeInfo) -> tuple[tuple[float, float], ...]:
    """When the main person's face is in the take, and so is replaced: (start, end) in seconds of the film's clock.

    Taken from the stored faces, so it does not matter in how many runs the film was rendered.
    """
    table = actor.table()
    table = table.where((table.person == 0) & (table.take == actor.take_number(key)))
    step = float(1 / (info.rate or Fraction(25)))
    return stretches(table.index, table.track, table.seconds - float(info.start), step)


def stretches(index: I64, track: I64, seconds: F64, step: float) -> tuple[tuple[float, float], ...]:
    """(start, end) of the frames that follow one another, rounded to milliseconds; a new one where no track goes on.

    index, track, seconds: (n,) of faces in the order of their frames. step: seconds that a frame is shown.
    """
    found: list[tuple[float, float]] = []
    last, before = -2, set[int]()
    begins = np.flatnonzero(np.diff(index, prepend=-1))
    for begin, end in zip(begins, [*begins, len(index)][1:], strict=True):
        tracks = set(track[begin:end].tolist())
        shown = round(max(float(seconds[begin]), 0.0), 3)
        ends = round(max(shown + step, shown + 0.001), 3)
        if index[begin] == last + 1 and tracks & before:
            found[-1] = (found[-1][0], ends)
        else:
            if found and found[-1][1] > shown:
                start = found.pop()[0]
                found += [(start, shown)] if start < shown else []  # of less than a millisecond: the next one covers it
            found.append((shown, ends))
        last, before = int(index[begin]), tracks
    return tuple(found)
