"""What the form of a new production asks for, checked field by field before anything is written, then made."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from doublecast.disk import disk_message
from doublecast.errors import DoublecastError, InputError, OutputError
from doublecast.pipeline import queue
from doublecast.pipeline.options import label_of
from doublecast.production import RECORD, SIDES, Production, Side
from doublecast.studio.places import takes_of
from doublecast.studio.uploads import free_name
from doublecast.trust.basis import MEANING, NEEDS, Basis, Kind
from doublecast.video.takes import PICTURES

if TYPE_CHECKING:
    from doublecast.studio.server import Studio

TAKES, EVIDENCE = "takes", "evidence"  #: folders of a production that hold what was uploaded for it
FILM = "film.mp4"  #: the film of a new production, in its folder
AMBIGUOUS = "Several people are about equally present"  #: how `faceset.curate` begins when the user has to choose


class FieldError(DoublecastError):
    """Something wrong with one field of a form."""

    def __init__(self, field: str, text: str, *, others: Mapping[str, str] | None = None) -> None:
        """others: what is wrong with further fields, by field."""
        super().__init__(text)
        self.field, self.errors = field, {field: text, **(others or {})}


class _Plain(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Given(_Plain):
    """A file: the id of an upload, or the path of something on this machine."""

    upload: Annotated[str, Field(max_length=32)] = ""
    path: Annotated[str, Field(max_length=4096)] = ""


class Ground(_Plain):
    """On what basis a face is used. evidence: the signed release, or the licence where that is a file."""

    kind: Kind
    detail: Annotated[str, Field(max_length=2000)] = ""
    evidence: Given | None = None


class Person(_Plain):
    """One side. basis: None where the production has a record already."""

    takes: Annotated[list[Given], Field(max_length=500)]
    basis: Ground | None = None


class LabelWish(_Plain):
    """The label in the film."""

    style: Literal["corner", "bar", "first-seconds", "none"] = "corner"
    language: Annotated[str, Field(max_length=8)] | None = None


class Wish(_Plain):
    """A new production. then: make the whole film, or find the faces first."""

    name: Annotated[str, Field(max_length=1000)]
    actor: Person
    target: Person
    minutes: Annotated[float, Field(gt=0, le=100_000, allow_inf_nan=False)] = 10.0
    size: Literal[96, 128, 192, 256] | None = None
    label: LabelWish = LabelWish()
    then: Literal["film", "faces"] = "film"


class More(_Plain):
    """Further takes of one side of a production."""

    side: Side
    person: Person


@dataclass(frozen=True, slots=True)
class _Checked:
    """One side as it will be used. sources: uploads as (id, files) or paths. evidence: file, and whether uploaded."""

    side: Side
    sources: tuple[tuple[str, tuple[Path, ...]], ...]
    basis: Ground | None
    evidence: Path | None
    uploaded: bool


def make(studio: "Studio", wish: Wish) -> Path:
    """Make a production, move the uploads into it, and add its jobs. Returns its folder.

    Raises FieldError with the field that it is about ("name", "actor", "actor-basis", ...), OutputError.
    """
    wrong: dict[str, str] = {}
    people = []
    for side in SIDES:
        with _noted(wrong):
            people.append(_check(studio, side, getattr(wish, side)))
    with _noted(wrong), _field("name"):
        if not wish.name.strip():
            raise InputError("give the production a name")
        folder = studio.config.place(wish.name)
        if folder.exists():
            _new_folder(folder)  # says why it cannot be
    with _noted(wrong), _field("label"):
        label_of(wish.label.model_dump())
    if wrong:
        first = next(iter(wrong))
        raise FieldError(first, wrong[first], others=wrong)
    _check_different(people)
    with _field("name"):
        _new_folder(folder)
    try:
        Production(folder).close()
        actor, target = (_settle(studio, folder, person) for person in people)
    except DoublecastError:  # another tab had the uploads
        _leave(folder)
        raise
    if wish.then == "film":
        options = {
            "actor": actor[0], "target": target[0], "actor_consent": actor[1], "target_consent": target[1],
            "output": str(folder / FILM), "minutes": wish.minutes, "size": wish.size,
            "label": wish.label.model_dump(exclude_none=True),
        }  # fmt: skip
        queue.add(folder, "swap", options)
    else:
        for side, (takes, basis) in zip(SIDES, (actor, target), strict=True):
            _find_faces(folder, side, takes, basis)
    queue.start_worker(folder)
    return folder


def add_takes(studio: "Studio", folder: Path, more: More) -> None:
    """Put further takes of a person into a production, and add the jobs that find their faces.

    Jobs that failed or were paused before and name the person's takes of then are given up: if they went on, they
    would put the takes back to those. Raises FieldError ("takes", "basis"), ProductionError, OutputError.
    """
    from doublecast.pipeline.consent import recorded

    record = recorded(folder, more.side)
    person = _check(studio, more.side, more.person, needs_basis=record is None, names=("takes", "basis"))
    takes, basis = _settle(studio, folder, person)
    takes = [*_known(folder, more.side), *takes]
    for job in queue.jobs(folder):
        names = job.kind == "swap" or (job.kind == "extract" and job.options.get("side") == more.side)
        if names and job.state in ("failed", "paused"):
            queue.cancel(folder, job.id)
    _find_faces(folder, more.side, takes, basis)
    queue.start_worker(folder)


def choose(folder: Path, id: str, side: Side, face: int) -> queue.Job:
    """Do a job again that failed because several people are equally present, with the one who is meant.

    Raises InputError where that job is no such job.
    """
    job = next((job for job in queue.jobs(folder) if job.id == id), None)
    if job is None or person_asked(job) != side:
        raise InputError(f"job {id} does not ask who the {side} is")
    name = "face" if job.kind == "curate" else f"{side}_face"
    again = queue.add(folder, job.kind, {**job.options, name: face})
    queue.start_worker(folder)
    return again


def person_asked(job: queue.Job) -> Side | None:
    """The side whose person has to be chosen before a failed job can go on; None where it is nothing like that."""
    if job.state != "failed" or not job.error.startswith(AMBIGUOUS):
        return None
    if job.kind == "curate":
        return "target" if job.options.get("side") == "target" else "actor"
    return next((side for side in SIDES if f"--{side}-face" in job.error), None) if job.kind == "swap" else None


def open_question(jobs: Sequence[queue.Job]) -> tuple[queue.Job, Side] | None:
    """The newest failed job that asks for a person, and the side, unless a job of its kind was added since."""
    for number in range(len(jobs) - 1, -1, -1):
        side = person_asked(jobs[number])
        if side is not None:
            job = jobs[number]
            later = jobs[number + 1 :]
            return None if any(_same(job, other) for other in later) else (job, side)
    return None


def _same(job: queue.Job, other: queue.Job) -> bool:
    return job.kind == other.kind and job.options.get("side") == other.options.get("side")


# -- checking ------------------------------------------------------------------------------------------------------


@contextmanager
def _noted(wrong: dict[str, str]) -> Iterator[None]:
    """What is wrong inside is noted, so that everything that is wrong with a form is told at once."""
    try:
        yield
    except FieldError as error:
        wrong.update(error.errors)


@contextmanager
def _field(name: str) -> Iterator[None]:
    """Whatever is wrong inside belongs to this field."""
    try:
        yield
    except FieldError:
        raise
    except DoublecastError as error:
        raise FieldError(name, str(error)) from error


def _check(
    studio: "Studio", side: Side, person: Person, *, needs_basis: bool = True, names: tuple[str, str] | None = None
) -> _Checked:
    field, basis_field = names or (side, f"{side}-basis")
    wrong: dict[str, str] = {}
    sources: tuple[tuple[str, tuple[Path, ...]], ...] = ()
    evidence, uploaded, basis = None, False, person.basis
    with _noted(wrong), _field(field):
        if not person.takes:
            raise InputError(f"give a take of the {side}: drop a video here, or choose one from the studio's machine")
        sources = tuple(_source(studio, given) for given in person.takes)
    with _noted(wrong), _field(basis_field):
        if basis is None and needs_basis:
            raise InputError(f"on what basis is the face of the {side} used? Choose what is true")
        if basis is not None:
            evidence, uploaded = _evidence(studio, basis)
            Basis.parse(_basis_text(basis, evidence))
    if wrong:
        first = next(iter(wrong))
        raise FieldError(first, wrong[first], others=wrong)
    return _Checked(side, sources, basis, evidence, uploaded)


def _source(studio: "Studio", given: Given) -> tuple[str, tuple[Path, ...]]:
    """An upload's id and files, or "" and the path; what lies on this machine is decoded a little first."""
    if bool(given.upload) == bool(given.path):
        raise InputError("a take is either an upload or a path of this machine")
    if given.upload:
        return given.upload, tuple(studio.uploads.files(given.upload))
    path = studio.config.existing(given.path)
    for take in takes_of(studio.config, [path]):
        studio.uploads.look(take.files[:1])
    return "", (path,)


def _evidence(studio: "Studio", basis: Ground) -> tuple[Path | None, bool]:
    """The file that goes with a basis, and whether it was uploaded."""
    if basis.kind not in ("release", "licensed"):
        return None, False
    given = basis.evidence
    if given is not None and given.upload:
        return studio.uploads.files(given.upload)[0], True
    if given is not None and given.path:
        path = studio.config.existing(given.path)
        if not path.is_file():
            raise InputError(f"{given.path} is no file; choose the file of the signed release or licence")
        return path, False
    if basis.kind == "release":
        raise InputError("choose the file of the signed release: a scan or a photograph of it, or a PDF")
    return None, False


def _basis_text(basis: Ground, evidence: Path | None) -> str:
    """BASIS or BASIS:DETAIL for the pipeline. A licence's text that is the path of a file is refused: only files that
    were chosen are read."""
    if evidence is not None:
        return f"{basis.kind}:{evidence}"
    detail = " ".join(basis.detail.split())
    if basis.kind in NEEDS and not detail:
        asks = next(str(known["asks"]) for known in bases() if known["kind"] == basis.kind)
        raise InputError(f"this basis says nothing by itself; give it: {asks[0].lower()}{asks[1:]}")
    if basis.kind == "licensed" and detail and leads_to_file(detail):
        raise InputError("to give the licence as a file, choose the file")
    return f"{basis.kind}:{detail}" if detail and basis.kind not in ("self", "synthetic") else basis.kind


def leads_to_file(text: str) -> bool:
    """Whether `trust.basis` would take a licence's text for the path of a file."""
    try:
        return Path(text).expanduser().is_file()
    except (OSError, RuntimeError, ValueError):
        return False


def _check_different(people: Sequence[_Checked]) -> None:
    """The same material on both sides makes no film."""
    files = [{file.resolve() for _, found in person.sources for file in found} for person in people]
    both = files[0] & files[1]
    if both:
        name = sorted(both)[0].name
        raise FieldError("target", f"{name} is given for the actor, too; the two takes must show different people")


# -- making --------------------------------------------------------------------------------------------------------


def _new_folder(folder: Path) -> None:
    """Make it, unless somebody else just did."""
    try:
        folder.mkdir()
    except FileExistsError as error:
        raise InputError(f"there is {folder.name!r} already in {folder.parent}; choose another name") from error
    except OSError as error:
        raise OutputError(disk_message(folder, error)) from error


def _leave(folder: Path) -> None:
    """Give a name back whose production was not made; one that got takes or evidence already stays."""
    if not any(path.is_file() for name in (TAKES, EVIDENCE) for path in (folder / name).rglob("*")):
        shutil.rmtree(folder, ignore_errors=True)


def _settle(studio: "Studio", folder: Path, person: _Checked) -> tuple[list[str], str | None]:
    """Move a side's uploads into the production. Returns the paths of its takes and its basis."""
    takes = []
    try:
        for id, files in person.sources:
            if not id:
                takes.append(str(files[0]))
                continue
            place = folder / TAKES / person.side
            place.mkdir(parents=True, exist_ok=True)
            if len(files) > 1 or files[0].suffix.lower() in PICTURES:
                place = free_name(place, "pictures")
                place.mkdir()
            moved = [file.rename(free_name(place, file.name)) for file in files]
            takes.append(str(place if len(moved) > 1 else moved[0]))
            studio.uploads.remove(id)
        evidence = person.evidence
        if evidence is not None and person.uploaded:
            place = folder / EVIDENCE
            place.mkdir(exist_ok=True)
            evidence = evidence.rename(free_name(place, evidence.name))
    except OSError as error:
        raise OutputError(disk_message(folder, error)) from error
    return takes, None if person.basis is None else _basis_text(person.basis, evidence)


def _find_faces(folder: Path, side: Side, takes: Sequence[str], basis: str | None) -> None:
    queue.add(folder, "extract", {"side": side, "takes": list(takes), "consent": basis})
    queue.add(folder, "curate", {"side": side})


def _known(folder: Path, side: Side) -> list[str]:
    """Takes that a side has, or will have when the jobs that wait are done."""
    for job in reversed(queue.jobs(folder)):
        if job.state in ("waiting", "running", "paused"):
            name = side if job.kind == "swap" else "takes" if job.options.get("side") == side else ""
            takes = job.options.get(name)
            if takes:
                return [takes] if isinstance(takes, str) else list(takes)
    if not (folder / RECORD).exists():
        return []
    record = Production(folder, create=False, lock=False).record
    return [file for take in record.inputs.get(side, []) for file in take.files]


def bases() -> list[dict[str, Any]]:
    """The bases that a form offers, in plain words. needs: "", "text", "file", or "either"."""
    words = {
        "self": ("It is my own face", "", ""),
        "release": ("The person signed a release", "file", "The signed release: a scan, a photograph, or a PDF"),
        "licensed": ("A licence allows it", "either", "Its text or address"),
        "public-domain": ("The footage is in the public domain", "text", "Why it is, for example: film of 1921, US"),
        "synthetic": ("The person does not exist", "", ""),
        "research": ("A data set whose terms allow it", "text", "Data set and terms, for example: GRID, CC BY 4.0"),
    }
    return [
        {"kind": kind, "words": words[kind][0], "needs": words[kind][1], "asks": words[kind][2]} for kind in MEANING
    ]
