"""The guard: sexual imagery stops the job, in what goes in and in what comes out, whatever the basis.

The detector is NudeNet 3.4.2 (https://github.com/notAI-tech/NudeNet, AGPL-3.0): a YOLOv8n at 320 px whose ONNX model
lies in the package `nudenet`; it runs here, offline, on one thread, on pictures in memory. Only classes of exposed
parts count (`EXPOSED`); faces, arms, bellies, men's chests, feet and everything covered do not.

When it looks: at the first frame of every shot, every `EVERY` seconds of presentation time, and every `CLOSE` seconds
for a while after a frame that scored `WATCH`. Pictures of a series: each that differs visibly from the last one that
was looked at, and every `PICTURES`-th anyhow. When it decides: a frame is a hit where it and its mirror image score
`HIT`. A second hit within `NEAR` seconds refuses; a hit without any later frame, or of a picture, refuses alone.

What it cannot see: figures that are small in a wide picture, what the network was not trained on (drawings, for one),
and exposures much shorter than `EVERY`. It judges pictures, not ages: see the notes on consent.
"""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
from doublecast.types import U8, Frame, Patch
from doublecast.video import composite

GUARD = 1  #: raise it when takes that passed would have to be looked at again
EVERY = 0.5  #: seconds between looks
CLOSE = 0.1  #: seconds between looks after a suspicious frame
NEAR = 1.0  #: seconds for which suspicion lasts
WATCH = 0.3  #: score from which a frame is suspicious
HIT = 0.5  #: score from which a frame, if its mirror image agrees, is a hit
PICTURES = 5  #: pictures of a series of which at least one is looked at
VISIBLE = 4.0  #: mean difference (0-255) of two small pictures from which they differ visibly
SMALL = 32  #: side of such a small picture

PACKAGE = "nudenet"
MODEL = "320n.onnx"
SHA256 = "c15d8273adad2d0a92f014cc69ab2d6c311a06777a55545f2c4eb46f51911f0f"
SIDE = 320  #: of the picture that the network sees
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
        self._due = self._alert = self._last = float("-inf")  # seconds
        self._hit: tuple[Frame, str, float] | None = None  # not yet followed by another look
        self._small: U8 | None = None
        self._passed = 0  # pictures since the last look
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
        if self._hit is not None:
            self._refuse(*self._hit)

    def _turn(self, frame: Frame) -> bool:
        """Whether this frame has to be looked at."""
        if self._pictures:
            return self._differs(frame.pixels)
        now = frame.seconds
        cut = self._cuts.step(frame.pixels)
        near = now < self._alert and now >= self._last + CLOSE - 1e-6
        if not (cut or near or now >= self._due):
            return False
        self._last = now
        self._due = (now // EVERY + 1) * EVERY
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
        what, score = _worst(pixels)
        if score >= WATCH:
            self._alert = frame.seconds + NEAR
        if score < HIT or (score := min(score, _worst(pixels[:, ::-1])[1])) < HIT:
            if before is not None and frame.seconds - before[0].seconds < NEAR:
                self._hit = before  # still waits for a second one
            return
        if self._pictures or (before is not None and frame.seconds - before[0].seconds <= NEAR):
            self._refuse(frame, what, score)
        self._hit = (frame, what, score)

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


def _worst(pixels: U8) -> tuple[str, float]:
    """What is exposed most certainly, and its score 0-1 ("" and 0 for nothing)."""
    found = scores(pixels)
    number = max(EXPOSED, key=lambda n: found[n])
    return EXPOSED[number], float(found[number])


def scores(pixels: U8) -> Sequence[float]:
    """Highest score, 0-1, of each of NudeNet's 18 classes in a picture, uint8 (H, W, 3) RGB.

    As in `nudenet.NudeDetector`: padded to a square with black at the right and below, bilinear to 320 px, RGB in 0-1;
    a box counts for its best class only.
    """
    height, width = pixels.shape[:2]
    factor = SIDE / max(height, width)
    size = max(1, round(width * factor)), max(1, round(height * factor))
    square = np.zeros((SIDE, SIDE, 3), np.uint8)
    square[: size[1], : size[0]] = cv2.resize(pixels, size, interpolation=cv2.INTER_LINEAR)
    batch = np.ascontiguousarray(square.transpose(2, 0, 1)[None], np.float32) / np.float32(255)
    boxes = _session().run(None, {"images": batch})[0][0, FIRST:]
    best, top = boxes.argmax(0), boxes.max(0)
    return [float(top[best == n].max(initial=0)) for n in range(len(boxes))]


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
