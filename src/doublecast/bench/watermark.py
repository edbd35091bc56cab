"""What the invisible mark withstands, on real footage: clip by clip, attack by attack.

Clips of 2 seconds are marked, compressed as films are here (H.264 CRF 16, 'veryfast'), attacked, and read without the
original. Enlarged footage stands for 720p, of which there is none: `wolfgang` from 640x360 to 1280x720, `antoni` from
540x960 to 720x1280, and once more small in the middle of 1280x720 with black at its sides.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np

from doublecast.bench.attacks import ATTACKS, RATE, Clip, Planes, compressed, decoded, encoded, planes
from doublecast.errors import InputError
from doublecast.events import Listener, Progress, ignore
from doublecast.trust.watermark import FilmId, Found, Marker, detect, detect_picture
from doublecast.trust.watermark.evidence import CHANCE, MOST_DECODED, THRESHOLD
from doublecast.types import U8

FRAMES = 50
SINGLE = "H.264 CRF 23"  #: a single picture is read after this attack, too
CRF = 16  #: of films made here
CUT = "10 s out of a minute"
LEAST_PSNR, MOST_MILLISECONDS = 43.0, 4.0


@dataclass(frozen=True)
class Source:
    """Where a clip comes from. size: (width, height) it is scaled to; canvas: it is put in the middle of that.

    goals: "all" attacks must be withstood (720p), "CRF 23" only that one (small pictures), "none": just told.
    """

    path: str
    size: tuple[int, int] | None = None
    canvas: tuple[int, int] | None = None
    dark: float = 1.0
    goals: str = "CRF 23"
    start: int = 0


CLIPS = {
    "wolfgang 1280x720": Source("footage/pexels/wolfgang-langer.mp4", (1280, 720), goals="all"),
    "antoni 720x1280": Source("footage/pexels/antoni-shkraba-8048492.mp4", (720, 1280), goals="all"),
    "antoni in 1280x720": Source("footage/pexels/antoni-shkraba-8048492.mp4", (404, 720), (1280, 720)),
    "wolfgang dark 1280x720": Source("footage/pexels/wolfgang-langer.mp4", (1280, 720), dark=0.3, start=120),
    "wolfgang 640x360": Source("footage/pexels/wolfgang-langer.mp4", start=240),
    "antoni 540x960": Source("footage/pexels/antoni-shkraba-8048492.mp4", start=100),
    "anthony 296x400": Source("footage/pexels/anthony-shkraba-8136210.mp4"),
    "grid 360x288": Source("footage/grid/s1/bbaf2n.mpg"),
    "performer 512x512": Source("performers/clips/pair1_perf1_A.mp4"),
}


@dataclass(frozen=True)
class Row:
    """One clip after one attack. state: what was told. exact: the film's own name was found. goal: it must be."""

    clip: str
    attack: str
    state: str
    exact: bool
    z: float
    goal: bool


@dataclass(frozen=True)
class Outcome:
    """All rows, and per clip the least PSNR of its pictures (dB); milliseconds to mark a 720p picture.

    unmarked: clips without a mark that were read; alarms: in which something was found all the same, and what.
    """

    rows: list[Row]
    psnr: dict[str, float]
    milliseconds: float | None
    unmarked: int
    alarms: dict[str, str]
    threshold: float = THRESHOLD
    chance: float = CHANCE
    most_decoded: int = MOST_DECODED

    @property
    def missed(self) -> list[str]:
        """Goals that are not reached, in words."""
        words = [f"{row.clip}, {row.attack}: {row.state}" for row in self.rows if row.goal and not row.exact]
        words += [f"{clip}: PSNR {value:.1f} dB" for clip, value in self.psnr.items() if value < LEAST_PSNR]
        if self.milliseconds is not None and self.milliseconds > MOST_MILLISECONDS:
            words.append(f"{self.milliseconds:.1f} ms to mark a picture")
        return [*words, *(f"{name}: {what} without a mark" for name, what in self.alarms.items())]


def watermark(data: Path, *, clips: Sequence[str] = (), on_event: Listener = ignore) -> Outcome:
    """Measure; ``clips``: parts of names of `CLIPS` (all of them by default, and every unmarked clip in ``data``).

    Raises InputError where footage is missing or no clip has such a name.
    """
    names = [name for name in CLIPS if not clips or any(part in name for part in clips)]
    if not names:
        raise InputError(f"no clip is called {', '.join(clips)}; there are: {', '.join(CLIPS)}")
    rows: list[Row] = []
    psnr: dict[str, float] = {}
    milliseconds = None
    steps = len(names) + (not clips)
    for number, name in enumerate(names):
        on_event(Progress("bench", number, steps, "clips", name))
        plain = load(data, CLIPS[name])
        marker = Marker(FilmId.random(), plain[0][0].shape[1], plain[0][0].shape[0])
        marked = [(marker.mark_luma(y), cb, cr) for y, cb, cr in plain]
        psnr[name] = min(_decibels(a[0], b[0]) for a, b in zip(plain, marked, strict=True))
        if milliseconds is None and plain[0][0].size == 1280 * 720:
            milliseconds = _milliseconds(marker, plain)
        rows += _attacked(name, marker.film, marked)
        if name == "wolfgang 1280x720":
            rows.append(_cut_out(data, name))
    unmarked = [] if clips else sorted(p for p in data.rglob("*") if p.suffix in (".mp4", ".mpg"))
    alarms: dict[str, str] = {}
    for at, path in enumerate(unmarked):
        on_event(Progress("bench", len(names) + at / len(unmarked), steps, "clips", f"unmarked: {path.name}"))
        if what := _alarm(path):
            alarms[str(path.relative_to(data))] = what
    on_event(Progress("bench", steps, steps, "clips"))
    return Outcome(rows, psnr, milliseconds, len(unmarked), alarms)


def load(data: Path, source: Source, count: int = FRAMES) -> Clip:
    """The first pictures of a clip, prepared; from the beginning again where it is too short."""
    path = data / source.path
    if not path.is_file():
        raise InputError(f"{path} is missing; name the folder with footage/ and performers/ with --data")
    clip: Clip = []
    with av.open(str(path)) as film:
        for number, frame in enumerate(film.decode(video=0)):
            if number >= source.start:
                clip.append(_prepared(planes(frame, source.size), source))
            if len(clip) == count:
                return clip
    return [clip[number % len(clip)] for number in range(count)]


def _prepared(picture: Planes, source: Source) -> Planes:
    if source.dark != 1:
        table = [
            np.rint((np.arange(256) - zero) * source.dark + zero).clip(0, 255).astype(np.uint8) for zero in (16, 128)
        ]
        picture = table[0][picture[0]], table[1][picture[1]], table[1][picture[2]]
    if source.canvas is None:
        return picture
    tall, wide = picture[0].shape
    x, y = (source.canvas[0] - wide) // 2, (source.canvas[1] - tall) // 2
    padded = [
        np.pad(p, ((y // n, y // n), (x // n, x // n)), constant_values=v)
        for p, n, v in zip(picture, (1, 2, 2), (16, 128, 128), strict=True)
    ]
    return padded[0], padded[1], padded[2]


def _attacked(name: str, film: FilmId, marked: Clip) -> list[Row]:
    first = compressed(marked, CRF)
    rows = []
    goals = CLIPS[name].goals
    for attack, work in ATTACKS.items():
        after = work(first)
        rate = 30 if len(after) > len(first) else RATE
        found = detect((picture[0], k / rate) for k, picture in enumerate(after))
        rows.append(_row(name, attack, found, film, goal=goals == "all" or (goals == "CRF 23" and attack == SINGLE)))
        if attack == SINGLE:
            still = detect_picture(after[len(after) // 2][0])
            rows.append(_row(name, "one picture, CRF 23", [still], film, goal=goals == "all"))
    return rows


def _row(name: str, attack: str, found: list[Found], film: FilmId, *, goal: bool) -> Row:
    best = max(found, key=lambda one: (one.state == "found", one.z))
    names = {one.film for one in found if one.film is not None}
    return Row(name, attack, best.state if names <= {film} else "another film", names == {film}, best.z, goal)


def _cut_out(data: Path, name: str) -> Row:
    """Ten seconds from the middle of a minute."""
    source = CLIPS[name]
    clip = load(data, source, 450)
    film = FilmId.random()
    marker = Marker(film, clip[0][0].shape[1], clip[0][0].shape[0])

    def minute() -> Iterator[Planes]:
        for number in range(60 * RATE):
            y, cb, cr = clip[number % len(clip)]
            yield marker.mark_luma(y), cb, cr

    first = 585  # 23.4 s
    piece = (p for k, p in enumerate(decoded(encoded(minute(), CRF))) if first <= k < first + 10 * RATE)
    found = detect((picture[0], k / RATE) for k, picture in enumerate(decoded(encoded(piece, 23))))
    return _row(name, CUT, found, film, goal=True)


def _alarm(path: Path) -> str:
    """What is told about a clip without a mark; "" where that is right."""
    with av.open(str(path)) as film:
        found = detect((planes(frame)[0], number / RATE) for number, frame in enumerate(film.decode(video=0)))
    return ", ".join(one.state for one in found if one.state != "absent")


def _decibels(old: U8, new: U8) -> float:
    error = float(np.mean(np.square(old.astype(np.float32) - new)))
    return float(10 * np.log10(255**2 / max(error, 1e-9)))


def _milliseconds(marker: Marker, clip: Clip) -> float:
    """Median time of the processor to mark a picture, in one thread."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    spent = []
    for picture in clip:
        began = time.thread_time()
        marker.mark_luma(picture[0])
        spent.append(time.thread_time() - began)
    cv2.setNumThreads(threads)
    return 1000 * float(np.median(spent))
