"""How the faces of a production are put into its films: the usual look, and shots that have their own (`look.json`).

Anybody may change it at any time, also while a film is being made (which goes on with the look it began with): the
file has a lock of its own.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from doublecast.disk import atomic_write, key_of
from doublecast.errors import InputError, ProductionError
from doublecast.film.look import PLAIN, Look
from doublecast.lock import FileLock
from doublecast.pipeline.takes import actor_take
from doublecast.production import Production

FORMAT = 1  #: version of the file
MOST = 2**31  #: end of a shot that lasts to the end of its take, however long that is
FILE, LOCK = "look.json", "look.lock"


@dataclass(frozen=True, slots=True)
class Override:
    """A look of some frames of a take: ``take`` is its content key, start and end are frames, end exclusive."""

    take: str
    start: int
    end: int
    look: Look

    def __post_init__(self) -> None:
        numbers = all(isinstance(n, int) and not isinstance(n, bool) for n in (self.start, self.end))
        if not numbers or not 0 <= self.start < self.end:
            raise InputError(
                f"frames from {self.start} to {self.end} are none: the first is 0, the end lies behind the start"
            )


@dataclass(frozen=True, slots=True)
class Looks:
    """The looks of a production. shots: in order of take and frame, no two of them of one frame. revision: goes up
    with every change."""

    usual: Look = PLAIN
    shots: tuple[Override, ...] = ()
    revision: int = 0

    def look_at(self, take: str, index: int) -> Look:
        """The look of a frame of the take of this content key."""
        return next((s.look for s in self.shots if s.take == take and s.start <= index < s.end), self.usual)

    def key(self, take: str) -> tuple[str, ...]:
        """What a film of this take depends on: nothing where every frame has the look that films have without any."""
        mine = [s for s in self.shots if s.take == take and s.look != self.usual]
        if not mine and self.usual == PLAIN:
            return ()
        shown = ((s.start, s.end, *s.look.values().values()) for s in mine)
        return (key_of("look", *self.usual.values().values(), *shown),)


def read_looks(folder: Path | str) -> Looks:
    """The looks of a production; the usual ones where nobody changed any. Raises ProductionError for a damaged file."""
    return _read(Production(folder, create=False, lock=False).folder / FILE)


def set_usual(folder: Path | str, changes: Mapping[str, float]) -> Looks:
    """Change values of the usual look; shots with a look of their own keep it.

    Of two who change different values at the same time both are heeded; of the same value the later one.
    Raises InputError for a value out of its range, ProductionError, OutputError.
    """
    return _change(folder, lambda looks: Looks(looks.usual.changed(changes), looks.shots, looks.revision + 1))


def set_shot(folder: Path | str, take: str, start: int, end: int, changes: Mapping[str, float] | None) -> Looks:
    """Give frames of a take a look of their own: the one that ``start`` has now, with these changes.

    take: content key. start, end: frames, end exclusive. changes: None to go back to the usual look.
    What other shots say about these frames is replaced; they keep what lies before and after.
    Raises InputError (no such take, no such frames, a value out of its range), ProductionError, OutputError.
    """
    actor_take(Production(folder, create=False, lock=False), take)

    def change(looks: Looks) -> Looks:
        shot = Override(take, start, end, looks.look_at(take, start).changed(changes or {}))
        shots = [rest for other in looks.shots for rest in _without(other, shot)]
        if changes is not None:
            shots.append(shot)
        shots.sort(key=lambda s: (s.take, s.start))
        return Looks(looks.usual, tuple(shots), looks.revision + 1)

    return _change(folder, change)


def reset(folder: Path | str) -> Looks:
    """Back to the look that films have without any, in all shots."""
    return _change(folder, lambda looks: Looks(revision=looks.revision + 1))


def _without(other: Override, shot: Override) -> Iterator[Override]:
    """What is left of ``other`` beside the frames of ``shot``."""
    if other.take != shot.take or other.end <= shot.start or shot.end <= other.start:
        yield other
        return
    if other.start < shot.start:
        yield Override(other.take, other.start, shot.start, other.look)
    if shot.end < other.end:
        yield Override(other.take, shot.end, other.end, other.look)


def _change(folder: Path | str, change: Callable[[Looks], Looks]) -> Looks:
    place = Production(folder, create=False, lock=False).folder
    with FileLock(place / LOCK):
        looks = change(_read(place / FILE))
        shots = [{"take": s.take, "start": s.start, "end": s.end, "look": s.look.values()} for s in looks.shots]
        document = {"format": FORMAT, "revision": looks.revision, "usual": looks.usual.values(), "shots": shots}
        atomic_write(place / FILE, (json.dumps(document, indent=1) + "\n").encode())
    return looks


def _read(path: Path) -> Looks:
    try:
        data = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return Looks()
    except (OSError, ValueError) as error:
        raise _damaged(path, error) from error
    try:
        if data["format"] != FORMAT:
            raise ValueError(f"format {data['format']}, this version reads {FORMAT}")
        shots = tuple(Override(s["take"], s["start"], s["end"], _look(s["look"])) for s in data["shots"])
        return Looks(_look(data["usual"]), shots, int(data["revision"]))
    except (KeyError, TypeError, ValueError, InputError) as error:
        raise _damaged(path, error) from error


def _look(values: Any) -> Look:
    return PLAIN.changed(dict(values))


def _damaged(path: Path, error: Exception) -> ProductionError:
    return ProductionError(f"{path} is damaged ({error}); delete it to go back to the usual look")
