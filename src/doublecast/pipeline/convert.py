"""Actor's takes + checkpoint -> labelled films: decode, swap, write; a killed render goes on where it was."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from doublecast.disk import disk_errors, disk_message, fingerprint, key_of
from doublecast.errors import OutputError, ProductionError, RefusedError
from doublecast.events import Listener, Note, Progress, ignore
from doublecast.faces.embed import one_thread
from doublecast.faceset import FaceStore, StoredFace
from doublecast.film.smooth import smooth
from doublecast.film.swap import Decoded, Swapper
from doublecast.model.checkpoint import latest
from doublecast.pipeline.activity import working
from doublecast.pipeline.claims import claim_of, claimed_takes, model_sha256
from doublecast.pipeline.consent import check_consent
from doublecast.pipeline.flow import Flow, depth_for
from doublecast.pipeline.guard import check_guard
from doublecast.pipeline.looks import Looks, read_looks
from doublecast.pipeline.takes import outputs, stored_take
from doublecast.pipeline.train import model_folder
from doublecast.production import FilmRecord, Production, TakeInput, opened
from doublecast.trust import Claim, FilmId, FilmWriter, Label, Signer, Statement, check_output, claimed
from doublecast.types import Face, Frame, Patch
from doublecast.video import Reader, Take, TakeInfo, probe
from doublecast.video.segments import PLACING

CONVERTER = 19  #: raise it when films would come out differently from the same inputs
LEAD_IN = 60  #: frames before a resumed position that smoothing looks at again
TOGETHER = 4  #: frames whose faces the networks see at once
CRF = 16


def convert(
    production: Production | Path | str,
    output: Path | str,
    *,
    size: int | None = None,
    device: str = "auto",
    label: Label | None = None,
    overwrite: bool = False,
    signer: Signer | None = None,
    on_event: Listener = ignore,
) -> list[Path]:
    """Make the films: one per take of the actor, labelled, with the production's looks; returns their paths.

    output: film.mp4 (or .mov, .mkv) for one take; with several, the take's name is added: film-NAME.mp4. Without a
    suffix the output is a folder of PNG pictures (with several takes a folder of such folders).
    size: of the model, the newest of this size; by default the one trained last. label: by default in the corner that
    no face comes into. signer: of the films' credentials, by default this machine's own certificate.
    Raises OutputError (exists, disk full), ProductionError (no model, or the record names other takes than are there),
    ModelError (the model is of other takes or people), InputError (a take was changed or moved), ConsentError (see
    `pipeline.consent`), RefusedError (sexual imagery; nothing is left of the film then), KeysError (no certificate can
    be made or read).
    """
    with opened(production) as job, working(job, "convert", on_event) as tell, disk_errors(job.folder):
        return convert_takes(
            job, Path(output), size=size, device=device, label=label, overwrite=overwrite, signer=signer,
            on_event=tell,
        )  # fmt: skip


def convert_takes(
    job: Production,
    output: Path,
    *,
    asked: str = "",
    size: int | None = None,
    device: str = "auto",
    label: Label | None = None,
    overwrite: bool = False,
    signer: Signer | None = None,
    on_event: Listener = ignore,
) -> list[Path]:
    """`convert` in an open production. asked: hash of takes and options that the whole job was asked for with."""
    signer = signer or Signer.own()
    checkpoint = latest(model_folder(job, size))
    if checkpoint is None:
        raise ProductionError(f"{job.folder} has no model of this size yet; run: doublecast train {job.folder}")
    records = check_consent(job, on_event)
    people = claimed(records)
    check_guard(job, on_event)
    inputs = job.inputs("actor")
    films = outputs(inputs, output)
    refuse_inputs(films, [*inputs, *job.inputs("target")])
    actor, target = FaceStore(job.side("actor")), FaceStore(job.side("target"))
    versions = [store.version() for store in (actor, target)]
    model = (checkpoint.parent.name, checkpoint.name, model_sha256(checkpoint))  # a name comes again after a restore
    looks = read_looks(job.folder)
    plan = []
    for given, film in zip(inputs, films, strict=True):
        drawn = placed(label or Label(), actor, given)
        key = key_of("film", CONVERTER, given.key, *model, CRF, *versions, drawn.key, *looks.key(given.key))
        take = stored_take(given)
        before = claim(job, film, take, key=key, overwrite=overwrite)
        if before is not None:
            record = FilmRecord(asked, key, before, film=_film_id(job, film, key))
            plan.append(_Planned(given, take, film, drawn, looks, record))
    swapper: Swapper | None = None  # learns people from all their faces: once, and only where something is to be done
    takes = claimed_takes(job, records) if plan else ()
    for planned in plan:
        film, record = planned.film, planned.record
        parts = job.renders(film, record.key)
        with job.timed(f"convert {planned.take.name}", record.key), _forgotten_if_refused(job, film):
            _begin(job, film, record, parts)
            swapper = swapper or Swapper(checkpoint, actor, target, device=device)
            swapper.begin()
            info = probe(planned.take)
            said = claim_of(planned.given, info, takes=takes, actor=actor, checkpoint=checkpoint, identities=people)
            _render(swapper, actor, planned, info, parts, said, signer, on_event)
            job.record.films[str(film)] = replace(record, after=fingerprint(film))
    return films


@dataclass(frozen=True, slots=True)
class _Planned:
    """A film that has to be made."""

    given: TakeInput
    take: Take
    film: Path
    label: Label
    looks: Looks
    record: FilmRecord


def placed(label: Label, store: FaceStore, given: TakeInput) -> Label:
    """The label in a corner that keeps off all faces of the take, whoever's they are; the same one for every run."""
    number, table = store.take_number(given.key), store.table()
    record = store.takes()[number]
    return label.away_from(table.box[table.take == number], (record.width, record.height))


def refuse_inputs(films: Sequence[Path], takes: Sequence[TakeInput | Take]) -> None:
    """Raise OutputError where a film would take the place of footage, of whichever side; nothing allows that."""
    sources = {Path(file).resolve() for take in takes for file in take.files}
    for film in films:
        if film.resolve() in sources or (film.is_dir() and film.resolve() in {source.parent for source in sources}):
            raise OutputError(f"{film}: this is one of the inputs. Name another output.")


def promised(job: Production, film: Path, asked: str) -> bool:
    """Whether ``film`` was made, or is being made, by this job for the same takes and options."""
    known, now = job.record.films.get(str(film)), fingerprint(film)
    if known is None or known.job != asked:
        return False
    return now == known.after if known.after else _placed(job, film, known, now)


def _placed(job: Production, film: Path, known: FilmRecord, now: str) -> bool:
    """Whether what lies at ``film`` was put there by this render, which was killed before that was recorded."""
    parts = job.renders(film, known.key)
    return not known.after and now not in ("", known.before) and (not parts.exists() or (parts / PLACING).exists())


def claim(job: Production, film: Path, take: Take, *, key: str, overwrite: bool) -> str | None:
    """None where ``film`` is finished already for this key, else the fingerprint of what was there before this job.

    Raises OutputError where something is there that this job did not make for this key, unless ``overwrite``.
    """
    now, known = fingerprint(film), job.record.films.get(str(film))
    if known is not None and known.key == key and now:
        if now == known.after:
            return None
        if _placed(job, film, known, now):
            if not job.renders(film, key).exists():
                job.record.films[str(film)] = replace(known, after=now)
                job.save()
                return None
            return known.before
    check_output(film, take, overwrite=overwrite)
    return now


def _begin(job: Production, film: Path, record: FilmRecord, parts: Path) -> None:
    """Record that ``film`` is being made. Its parts are there first: a record without them means a finished film."""
    try:
        parts.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(disk_message(parts, error)) from error
    job.record.films[str(film)] = record
    job.save()


@contextmanager
def _forgotten_if_refused(job: Production, film: Path) -> Iterator[None]:
    """Nothing is kept of a film that the guard refuses, so what lies at ``film`` is not taken for it later on; the
    record of a finished film that it was to replace stays."""
    before = job.record.films.get(str(film))
    try:
        yield
    except RefusedError:
        job.record.films.pop(str(film), None)
        if before is not None and before.after:
            job.record.films[str(film)] = before
        job.save()
        raise


def _film_id(job: Production, film: Path, key: str) -> str:
    """The name that the film's mark carries: a render that is resumed keeps it."""
    known = job.record.films.get(str(film))
    return known.film if known is not None and known.key == key and known.film else FilmId.random().text


def _render(
    swapper: Swapper,
    store: FaceStore,
    planned: _Planned,
    info: TakeInfo,
    parts: Path,
    said: Claim,
    signer: Signer,
    on_event: Listener,
) -> None:
    take, film, record = planned.take, planned.film, planned.record
    total = None if info.frames is None else float(info.frames)
    statement = Statement("the faces of one person were replaced by another person's")
    writer = FilmWriter(
        film, take, info, label=planned.label, statement=statement, claim=said, signer=signer,
        film=FilmId(record.film), parts=parts, overwrite=True, crf=CRF, job=record.key,
    )  # fmt: skip
    depth = depth_for(info.width, info.height)
    with one_thread(), writer, Reader(take, start=writer.resume_index) as reader, Flow(depth=depth) as flow:
        start = writer.resume_index
        faces = smooth(store.scan(take=take.key(), person=0, start=max(0, start - LEAD_IN)))
        frames = together(flow.ahead(reader, name="decode"), faces)
        batch = min(TOGETHER, depth)
        decoded = flow.ahead(_decode(swapper, frames, batch), depth=batch, name="decode faces")
        composed = _compose(swapper, decoded, planned.looks, planned.given.key)
        swapped = flow.ahead(composed, depth=min(2, depth), name="compose")
        replaced, done = 0, start
        for frame, patches, wanted in swapped:
            writer.write(frame, patches)
            replaced += bool(patches) or not wanted
            done = frame.index + 1
            on_event(Progress("convert", done, None if total is None else max(total, done), "frames", film.name))
        problems = list(reader.problems)
    problems += writer.problems
    on_event(Progress("convert", done, done, "frames", film.name))
    for text in problems:
        on_event(Note("convert", f"{take.files[0]}: {text}", "warning"))
    if not replaced and not start:
        on_event(Note("convert", f"{film}: the actor is in none of its frames; nothing was replaced", "warning"))


def _decode(
    swapper: Swapper, frames: Iterable[tuple[Frame, list[Face]]], count: int
) -> Iterator[tuple[Frame, list[Decoded]]]:
    """Every frame with its decoded faces, ``count`` frames at a time."""
    rest = iter(frames)
    while some := list(islice(rest, count)):
        yield from zip([frame for frame, _ in some], swapper.decode_all(some), strict=True)


def _compose(
    swapper: Swapper, frames: Iterable[tuple[Frame, list[Decoded]]], looks: Looks, take: str
) -> Iterator[tuple[Frame, list[Patch], bool]]:
    """Every frame with its patches, and whether its look is one that shows them."""
    for frame, faces in frames:
        look = looks.look_at(take, frame.index)
        yield frame, swapper.compose(frame, faces, look), look.blend > 0


def together(frames: Iterable[Frame], faces: Iterator[StoredFace]) -> Iterator[tuple[Frame, list[Face]]]:
    """Every frame with its faces; both come in frame order, faces of frames that are not there are left out."""
    waiting = next(faces, None)
    for frame in frames:
        mine = []
        while waiting is not None and waiting.index <= frame.index:
            if waiting.index == frame.index:
                mine.append(waiting.face)
            waiting = next(faces, None)
        yield frame, mine
