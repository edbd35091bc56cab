"""The takes of a production as they were recorded."""

from collections.abc import Sequence
from pathlib import Path

from doublecast.errors import InputError
from doublecast.production import Production, TakeInput
from doublecast.video import Take


def take_of(given: TakeInput) -> Take:
    """The take of these files, whatever is there now."""
    files = tuple(Path(file) for file in given.files)
    return Take(given.name, files, "pictures" if given.kind == "pictures" else "video")


def stored_take(given: TakeInput) -> Take:
    """The take as it was extracted. Raises InputError where its files are gone or have other content now."""
    take = take_of(given)
    missing = [file for file in take.files if not file.is_file()]
    if missing:
        raise InputError(f"{missing[0]} is gone; put it back, or run doublecast extract with its new place")
    if take.key() != given.key:
        raise InputError(f"{take.files[0]} was changed since its faces were extracted; run doublecast extract again")
    return take


def actor_take(job: Production, key: str) -> TakeInput:
    """The take of the actor with this content key. Raises InputError where there is none."""
    for given in job.inputs("actor"):
        if given.key == key:
            return given
    raise InputError(f"{job.folder}: the actor has no take with the key {key!r}")


def outputs(takes: Sequence[TakeInput] | Sequence[Take], output: Path) -> list[Path]:
    """Absolute path of the film of every take (see `pipeline.convert`)."""
    output = output.absolute()
    return [output] if len(takes) == 1 else [_named(output, take.name) for take in takes]


def _named(output: Path, name: str) -> Path:
    return output.with_name(f"{output.stem}-{name}{output.suffix}") if output.suffix else output / name
