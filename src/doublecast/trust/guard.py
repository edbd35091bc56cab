"""The guard: sexual imagery stops the job, in what goes in and in what comes out, whatever the basis.

The detector is NudeNet 3.4.2 (https://github.com/notAI-tech/NudeNet, AGPL-3.0): a YOLOv8n at 320 px whose ONNX model
lies in the package `nudenet`; it runs here, offline, on one thread, on pictures in memory. Only classes of exposed
parts count (`EXPOSED`); faces, arms, bellies, men's chests, feet and everything covered do not.

When it looks: at the first frame of every shot, every `EVERY` seconds of presentation time and every `FRAMES` frames,
whichever comes first, and every `CLOSE` seconds for a while after a frame that scored `WATCH`. Pictures of a series:
each that differs visibly from the last one that was looked at, and every `PICTURES`-th anyhow.

When it decides: the network takes faces that fill the picture, and now and then a thumb, for something else. So a box
that is about the box of a face (BlazeFace's) does not count, and what is left has to be seen again in the mirror image
and in a smaller one; the lowest of the three scores is the frame's certainty. Two frames of `HIT` within `NEAR`
seconds refuse, and so does one of `HIT` that no other look follows within them. In a picture that stands alone nothing
else can confirm it: there it is `STILL`.

What it cannot see: figures that are small in a wide picture, what the network was not trained on (drawings, for one),
and exposures much shorter than `EVERY`. It judges pictures, not ages: see the notes on consent.
"""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from doublecast.errors import RefusedError, WeightsError
from doublecast.faces.cuts import CutDetector
from doublecast.faces.detect import Detector
from doublecast.types import F32, I64, U8, Frame, Patch
from doublecast.video import composite

GUARD = 2  #: raise it when takes that passed would have to be looked at again
EVERY = 1.0  #: seconds between looks
FRAMES = 50  #: frames of which at least one is looked at, whatever their times say
CLOSE = 0.1  #: seconds between looks after a suspicious frame
NEAR = 1.5  #: seconds for which suspicion lasts
WATCH = 0.3  #: score from which a frame is suspicious
HIT = 0.5  #: certainty from which a frame of a film is a hit
STILL = 0.7  #: certainty from which a picture that stands alone is refused
FACE = 0.4  #: intersection over union from which a box is a face's
SMALLER = 0.6  #: scale of the smaller image
PICTURES = 5  #: pictures of a series of which at least one is looked at
VISIBLE = 4.0  #: mean difference (0-255) of two small pictures from which they differ visibly
SMALL = 32  #: side of such a small picture

PACKAGE = "nudenet"
MODEL = "320n.onnx"
SHA256 = "c15d8273adad2d0a92f014cc69ab2d6c311a06777a55545f2c4eb46f51911f0f"
SIDE = 320  #: of the picture that the network sees
LEAST = 0.05  #: score below which a box is not looked at
FIRST = 4  #: rows of the network's output before the classes: centre and size of the box
EXPOSED: Mapping[int, str] = {
    2: "exposed buttocks",
    3: "exposed breast",
    4: "exposed vulva",
    6: "exposed anus",
    14: "exposed penis",
}  #: classes that count, by their number in the network's output; the words are for people


class Guard:
    """Looks at the frames of one take or film, in order; raises RefusedError where they show sexual imagery.

    files: names for the message: the video, or the pictures by `Frame.index`. pictures: they are a series of pictures.
    looks, seconds: how often it has looked, and how long that took.
    """

    def __init__(self, files: Sequence[Path], *, pictures: bool = False) -> None:
        if not files:
            raise ValueError("a take has at least one file")
        self._files, self._pictures = tuple(files), pictures
        self._cuts = CutDetector()
        self._alert = self._last = float("-inf")  # seconds
        self._hit: tuple[Frame, str, float] | None = None  # one that waits for a second one
        self._followed = False  # whether there was a look since
        self._small: U8 | None = None
        self._passed = 0  # frames or pictures since the last look
        self.looks, self.seconds = 0, 0.0

    def watch(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """The same frames, each after it was checked."""
        for frame in frames:
            self.step(frame)
            yield frame
        self.close()

    def step(self, frame: Frame, patches: Sequence[Patch] = ()) -> None:
        """Check the next frame, as it will be with these patches. Raises RefusedError."""
        begin = time.perf_counter()
        if self._turn(frame):
            self._look(frame, composite(frame.pixels, patches) if patches else frame.pixels)
            self.looks += 1
        self.seconds += time.perf_counter() - begin

    def close(self) -> None:
        """After the last frame: a hit that nothing has followed stands. Raises RefusedError."""
        if self._hit is not None and not self._followed:
            self._refuse(*self._hit)

    def _turn(self, frame: Frame) -> bool:
        """Whether this frame has to be looked at."""
        if self._pictures:
            return self._differs(frame.pixels)
        now = frame.seconds
        cut = self._cuts.step(frame.pixels)
        near = now < self._alert and now >= self._last + CLOSE - 1e-6
        self._passed += 1
        if not (cut or near or now >= self._last + EVERY - 1e-6 or self._passed >= FRAMES):
            return False
        self._last, self._passed = now, 0
        return True

    def _differs(self, pixels: U8) -> bool:
        small = np.asarray(cv2.resize(pixels, (SMALL, SMALL), interpolation=cv2.INTER_AREA), np.uint8)
        self._passed += 1
        if self._small is not None and self._passed < PICTURES and cv2.absdiff(small, self._small).mean() < VISIBLE:
            return False
        self._small, self._passed = small, 0
        return True

    def _look(self, frame: Frame, pixels: U8) -> None:
        before, self._hit = self._hit, None
        near = before is not None and frame.seconds - before[0].seconds <= NEAR
        if before is not None and not near and not self._followed:
            self._refuse(*before)
        self._followed = True
        what, suspicion, certainty = judge(pixels)
        if suspicion >= WATCH:
            self._alert = frame.seconds + NEAR
        if certainty < HIT:
            self._hit = before if near else None
        elif near or (self._pictures and certainty >= STILL):
            self._refuse(frame, what, certainty)
        elif not self._pictures:
            self._hit, self._followed = (frame, what, certainty), False

    def _refuse(self, frame: Frame, what: str, score: float) -> None:
        file = self._files[min(frame.index, len(self._files) - 1)]
        minutes, seconds = divmod(frame.seconds, 60)
        when = "" if self._pictures and len(self._files) > 1 else f" at {minutes:.0f}:{seconds:04.1f}"
        raise RefusedError(
            f"{file}: sexual imagery{when} ({what}, certainty {score:.0%}). doublecast does not work with it, whatever "
            "the consent; nothing was made of it. If that is a mistake, leave this part out of the take."
        )


def check_picture(path: Path, pixels: U8) -> None:
    """Check one picture, uint8 (H, W, 3) RGB, of this file. Raises RefusedError."""
    Guard([path], pictures=True).step(Frame(pixels, 0, 0, Fraction(1)))


def judge(pixels: U8) -> tuple[str, float, float]:
    """What is exposed in a picture, uint8 (H, W, 3) RGB, most of all ("" for nothing), the score of that in the picture
    itself, and the certainty (see the module); 0-1."""
    small = _fit(pixels)
    found = _exposed(small)
    if found.top < WATCH:
        return found.what, found.top, 0.0
    faces = _faces(small)
    found = found.without(faces)
    if found.top < HIT:
        return found.what, found.top, 0.0
    mirror, faces[:, [0, 2]] = np.ascontiguousarray(small[:, ::-1]), small.shape[1] - faces[:, [2, 0]]
    views = [_exposed(mirror), _exposed(mirror, scale=SMALLER)]
    return found.what, found.top, min(found.top, *(view.without(faces).top for view in views))


def scores(pixels: U8) -> Sequence[float]:
    """Highest score, 0-1, of each of NudeNet's 18 classes in a picture, uint8 (H, W, 3) RGB, as `nudenet` has it."""
    output = _run(_fit(pixels))[FIRST:]
    best, top = output.argmax(0), output.max(0)
    return [float(top[best == n].max(initial=0)) for n in range(len(output))]


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """Boxes of exposed parts. boxes: float32 (n, 4) left, top, right, bottom in pixels; scores (n,); classes (n,)."""

    boxes: F32
    scores: F32
    classes: I64

    @property
    def top(self) -> float:
        return float(self.scores.max(initial=0))

    @property
    def what(self) -> str:
        return EXPOSED[int(self.classes[self.scores.argmax()])] if len(self.scores) else ""

    def without(self, faces: F32) -> "_Found":
        """Without the boxes that are about those of faces, float32 (m, 4)."""
        own = np.ones(len(self.boxes), np.bool_)
        for face in faces:
            sides = np.minimum(self.boxes[:, 2:], face[2:]) - np.maximum(self.boxes[:, :2], face[:2])
            inner = np.maximum(sides, 0).prod(1)
            both = (self.boxes[:, 2:] - self.boxes[:, :2]).prod(1) + (face[2:] - face[:2]).prod() - inner
            own &= inner < FACE * both
        return _Found(self.boxes[own], self.scores[own], self.classes[own])


def _fit(pixels: U8) -> U8:
    """The picture with its longer side `SIDE`, bilinear like the network's training pictures."""
    height, width = pixels.shape[:2]
    factor = SIDE / max(height, width)
    size = max(1, round(width * factor)), max(1, round(height * factor))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_LINEAR), np.uint8)


def _run(small: U8, place: tuple[int, int] = (0, 0)) -> F32:
    """The network's output, float32 (22, n), for a picture that lies at this (x, y) on a black square, RGB in 0-1."""
    square = np.zeros((SIDE, SIDE, 3), np.uint8)
    square[place[1] : place[1] + small.shape[0], place[0] : place[0] + small.shape[1]] = small
    batch = np.ascontiguousarray(square.transpose(2, 0, 1)[None], np.float32) / np.float32(255)
    return np.asarray(_session().run(None, {"images": batch})[0][0], np.float32)


def _exposed(small: U8, *, scale: float = 1.0) -> _Found:
    """What the network sees in a picture of `_fit`, in its pixels; a box counts for its best class only.

    scale: below 1, the picture is made smaller and lies in the middle of the square.
    """
    place = (0, 0)
    if scale != 1:
        height, width = (max(1, round(side * scale)) for side in small.shape[:2])
        small = np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
        place = (SIDE - width) // 2, (SIDE - height) // 2
    output = _run(small, place)
    best, top = output[FIRST:].argmax(0), output[FIRST:].max(0)
    keep = np.isin(best, list(EXPOSED)) & (top >= LEAST)
    centre, size = (output[:2, keep].T - np.array(place, np.float32)) / scale, output[2:FIRST, keep].T / scale
    boxes = np.hstack([centre - size / 2, centre + size / 2]).astype(np.float32)
    return _Found(boxes, top[keep], best[keep].astype(np.int64))


def _faces(small: U8) -> F32:
    """Boxes of the faces in a picture of `_fit`, float32 (n, 4), also of one that fills it."""
    y, x = (side // 2 for side in small.shape[:2])
    around = np.asarray(cv2.copyMakeBorder(small, y, y, x, x, cv2.BORDER_CONSTANT), np.uint8)
    boxes = np.array([face.box for face in _detector()(around)], np.float32).reshape(-1, 4)
    return boxes - np.array([x, y, x, y], np.float32)


@lru_cache(maxsize=1)
def _detector() -> Detector:
    return Detector("back", threads=1)


@lru_cache(maxsize=1)
def _session() -> Any:
    """The network on one thread. Raises WeightsError where its file is missing or is another one."""
    spec = find_spec(PACKAGE)
    path = Path((spec.submodule_search_locations or [""])[0] if spec else "") / MODEL
    again = f"install it again: pip install --force-reinstall --no-deps {PACKAGE}==3.4.2"
    if spec is None or not path.is_file():
        raise WeightsError(f"the model of the guard, {MODEL} of the package {PACKAGE}, is missing; {again}")
    data = path.read_bytes()
    if sha256(data).hexdigest() != SHA256:
        raise WeightsError(f"{path} is not the model of {PACKAGE} 3.4.2 (SHA-256 differs); {again}")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
