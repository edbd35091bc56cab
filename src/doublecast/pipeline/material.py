"""What a model is trained on, as a hash in the production's record; without torch, for looking on."""

from doublecast.disk import key_of
from doublecast.pipeline.curate import check_curated
from doublecast.pipeline.options import SIZES
from doublecast.production import SIDES, Production


def material(job: Production, *, prior: bool = True) -> str:
    """Hash of the takes and people that a model is trained on, and of where it starts. Raises ProductionError where a
    side is not ready."""
    for side in SIDES:
        check_curated(job, side)
    people = [job.record.options.get(f"{side}_face") for side in SIDES]
    takes = [sorted(take.key for take in job.inputs(side)) for side in SIDES]
    return key_of("material", *takes, *people, *(() if prior else ("from scratch",)))


def noted_size(job: Production, used: str) -> int | None:
    """The size that was chosen for models of this material (``used``), as nobody said one; None where none was yet."""
    size = job.record.options.get(_noted(used))
    return size if isinstance(size, int) and size in SIZES else None


def note_size(job: Production, used: str, size: int) -> None:
    """Write such a choice down, so that it stays."""
    job.record.options[_noted(used)] = size
    job.save()


def _noted(used: str) -> str:
    return f"size_{used[:16]}"  # a bare key of TOML
