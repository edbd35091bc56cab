"""`doublecast faces`: look at, set aside, bring back and exchange the faces of a production."""

from collections import Counter
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from doublecast.cli.common import Json, show

if TYPE_CHECKING:
    from doublecast.faceset import FaceStore
    from doublecast.production import Production

faces = typer.Typer(no_args_is_help=True, help="Look at, set aside, bring back and exchange a production's faces.")


class SideName(StrEnum):
    """The sides of a production."""

    actor, target = "actor", "target"


Job = Annotated[Path, typer.Argument(metavar="PRODUCTION", help="The job's folder, such as film.production.")]
Side = Annotated[SideName, typer.Option(help="Whose faces.")]
Ids = Annotated[list[int], typer.Argument(metavar="ID...", help="Numbers of faces, as on the contact sheet.")]


def _open(production: Path, side: SideName, *, lock: bool = False) -> "tuple[Production, FaceStore]":
    """The production and a side's store. lock: against other processes, where more than the store is changed."""
    from doublecast.errors import ProductionError
    from doublecast.faceset import FaceStore
    from doublecast.production import Production

    job = Production(production, create=False, lock=lock)
    name: Literal["actor", "target"] = side.value
    if not (job.side(name) / "takes.json").exists():
        job.close()
        command = f"doublecast extract TAKE... --to {production} --side {name}"
        raise ProductionError(f"{production} has no faces of the {name} yet; run: {command}")
    return job, FaceStore(job.side(name))


def _summary(store: "FaceStore", actor: "FaceStore | None") -> dict[str, Any]:
    """What a store holds. actor: the other side's store where this is the target's, to say which of its poses lack."""
    from doublecast.faceset.coverage import coverage, gaps, missing

    table = store.table()
    poses = coverage(table)
    lacking = gaps(poses) + ([] if actor is None else missing(poses, coverage(actor.table())))
    people = Counter(table.person.tolist())
    mine = table.where(table.person == 0)
    return {
        "takes": [
            {"name": t.name, "files": t.files, "frames": t.frames_done, "finished": t.finished, "problems": t.problems}
            for t in store.takes()
        ],
        "faces": len(table),
        "kept": int(mine.kept.sum()),
        "people": {str(person): count for person, count in sorted(people.items())},
        "set_aside": dict(Counter(reason for reason in table.reason.tolist() if reason)),
        "poses_lacking": lacking,
    }


@faces.command("list")
def list_(production: Job, json: Json = False) -> None:
    """Takes, faces, people, how many faces are set aside for which reason, and which poses are missing."""
    from doublecast.errors import ProductionError

    result: dict[str, Any] = {}
    actor: FaceStore | None = None
    lines = []
    for side in SideName:
        try:
            job, store = _open(production, side)
        except ProductionError:
            if side is SideName.target and not result:
                raise
            continue
        job.close()
        found = _summary(store, actor)
        actor = store
        result[side.value] = found
        reasons = ", ".join(f"{count} {reason}" for reason, count in found["set_aside"].items()) or "none"
        lines.append(f"{side.value}: {found['faces']} faces, {found['kept']} kept of the main person")
        for take in found["takes"]:
            lines.append(f"  take {take['name']}: {take['frames']} frames{'' if take['finished'] else ' (unfinished)'}")
        lines.append("  people: " + ", ".join(_person(p, n) for p, n in found["people"].items()))
        lines.append(f"  set aside: {reasons}")
        lines += [f"  poses: {words}" for words in found["poses_lacking"]]
        for version in store.history(5):
            lines.append(f"  step {version.number}: {version.text} ({version.kept} kept)")
    show(result, lines, as_json=json)


def _person(number: str, count: int) -> str:
    return f"{'nobody known' if number == '-1' else f'person {number}'} {count}"


@faces.command()
def drop(production: Job, ids: Ids, side: Side, json: Json = False) -> None:
    """Set faces aside: they will not be trained on. Nothing is deleted; restore or undo brings them back."""
    _change(production, side, ids, lambda store: store.set_aside(ids), json=json, what="set aside")


@faces.command()
def restore(production: Job, ids: Ids, side: Side, json: Json = False) -> None:
    """Bring back faces that were set aside, by you or by curation."""
    _change(production, side, ids, lambda store: store.bring_back(ids), json=json, what="brought back")


@faces.command()
def undo(
    production: Job,
    side: Side,
    step: Annotated[int | None, typer.Option(help="Number of one step, as in the list; newer steps stay.")] = None,
    json: Json = False,
) -> None:
    """Undo the newest curation step; again: the one before it. With --step exactly that one, wherever it stands."""

    def change(store: "FaceStore") -> int:
        return store.undo() if step is None else store.revert(step)

    _change(production, side, [], change, json=json, what="undone")


@faces.command()
def correct(
    production: Job,
    face: Annotated[int, typer.Argument(metavar="ID", help="Number of the face, as on the contact sheet.")],
    side: Side,
    points: Annotated[
        Path | None,
        typer.Option(help='JSON file, {"landmark": [x, y]} in frame pixels; landmarks around them follow.'),
    ] = None,
    reset: Annotated[bool, typer.Option("--reset", help="Back to what was found.")] = False,
    json: Json = False,
) -> None:
    """Move landmarks of a face by hand and cut it anew from its take. Undo takes it back."""
    from doublecast.cli.common import errors
    from doublecast.cli.progress import Display
    from doublecast.errors import InputError
    from doublecast.pipeline import faces as pipeline

    if (points is None) == (not reset):
        raise InputError("say either where the landmarks go, --points FILE.json, or --reset")
    _, store = _open(production, side)
    name: Literal["actor", "target"] = side.value
    if points is None:
        done = pipeline.reset(production, name, face)
    else:
        handles = _handles(points)
        before = pipeline.points_of(production, name, face)
        with Display(errors()) as display:
            done = pipeline.correct(production, name, face, pipeline.moved(before, handles), on_event=display)
    pose, version = done.face.pose, store.version()
    facts = {"yaw": round(pose.yaw, 1), "pitch": round(pose.pitch, 1), "roll": round(pose.roll, 1)}
    line = ", ".join(f"{name} {value:+.1f}" for name, value in facts.items())
    what = "is as it was found" if reset else "was corrected"
    show({"version": version, "face": face, **facts}, [f"face {face} {what}: {line}"], as_json=json)


def _handles(path: Path) -> dict[int, tuple[float, float]]:
    """Where landmarks go, by number. Raises InputError for a file of another kind."""
    import json

    from doublecast.errors import InputError

    try:
        content = json.loads(path.read_text("utf-8"))
        handles = {int(n): (float(x), float(y)) for n, (x, y) in content.items()}
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise InputError(f'{path}: {{"landmark": [x, y], ...}} is expected, in frame pixels ({error})') from error
    if not handles or not all(0 <= n < 478 for n in handles):
        raise InputError(f"{path}: give at least one landmark, numbered 0 to 477")
    return handles


def _change(
    production: Path, side: SideName, ids: Sequence[int], change: Callable[["FaceStore"], int], *, json: bool, what: str
) -> None:
    from doublecast.errors import InputError

    _, store = _open(production, side)  # the store has a lock of its own: faces may be curated while others work
    unknown = sorted(set(ids) - set(store.table().id.tolist()))
    if unknown:
        see = f"see: doublecast faces sheet {production} --side {side.value}"
        raise InputError(f"{production} has no face {unknown[0]} of the {side.value}; {see}")
    version = change(store)
    table = store.table()
    kept = int(((table.person == 0) & table.kept).sum())
    show({"version": version, "kept": kept}, [f"{what}; {kept} faces of the main person are kept"], as_json=json)


@faces.command()
def sheet(
    production: Job,
    side: Side,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Picture. [default: in the production]")] = None,
    reason: Annotated[str, typer.Option("--set-aside", metavar="REASON", help="Show those set aside for this.")] = "",
    person: Annotated[int, typer.Option(help="Number of the person; -1 for nobody known.")] = 0,
    count: Annotated[int, typer.Option(min=1, max=2000, help="Faces shown at most, evenly spread.")] = 100,
    json: Json = False,
) -> None:
    """Draw faces with their numbers, poses and reasons into one picture: kept ones, or those set aside for a REASON."""
    from doublecast.errors import InputError
    from doublecast.faceset.sheet import contact_sheet, save_sheet

    job, store = _open(production, side)
    table = store.table()
    rows = (table.person == person) & (table.reason == reason)
    if not rows.any():
        known = ", ".join(sorted({str(other) for other in table.reason if other})) or "none"
        raise InputError(f"no such faces of person {person} in {production}; reasons there are: {known}")
    ids = _spread(table.id[rows].tolist(), count)
    found = store.load(ids)
    title = f"{side.value}, {reason or 'kept'}: {len(ids)} of {int(rows.sum())}"
    path = save_sheet(output or job.folder / f"{side.value}-sheet.png", contact_sheet(found, title=title))
    show({"sheet": path, "ids": ids}, [f"sheet: {path}"], as_json=json)


def _spread(ids: list[int], count: int) -> list[int]:
    """At most ``count`` of the ids, evenly spread."""
    return ids if len(ids) <= count else [ids[n * len(ids) // count] for n in range(count)]


@faces.command("export")
def export_(
    production: Job,
    folder: Annotated[Path, typer.Argument(help="New or empty folder.")],
    side: Side,
    jpeg: Annotated[bool, typer.Option("--jpeg", help="JPEG instead of lossless PNG.")] = False,
    json: Json = False,
) -> None:
    """Write the kept faces as pictures into a folder: look, delete what you dislike, add your own, and import it."""
    from doublecast.cli.common import errors
    from doublecast.cli.progress import Display
    from doublecast.faceset.exchange import export_faces

    _, store = _open(production, side)
    with Display(errors()) as display:
        count = export_faces(store, folder, suffix="jpg" if jpeg else "png", on_event=display)
    show({"faces": count, "folder": folder}, [f"{count} faces in {folder}"], as_json=json)


@faces.command("import")
def import_(
    production: Job,
    folder: Annotated[Path, typer.Argument(help="An exported folder, or any folder of pictures of the person.")],
    side: Side,
    json: Json = False,
) -> None:
    """Take over a folder: faces whose picture was deleted are set aside, further pictures are added."""
    from doublecast.cli.common import errors
    from doublecast.cli.progress import Display
    from doublecast.pipeline.guard import import_checked

    job, store = _open(production, side, lock=True)
    with job, Display(errors()) as display:
        done = import_checked(job, store, folder, on_event=display)
    result = {"set_aside": done.set_aside, "added": done.added, "without_face": done.without_face}
    lines = [f"{done.set_aside} set aside, {done.added} added"]
    lines += [f"no face in {name}" for name in done.without_face]
    show(result, lines, as_json=json)
