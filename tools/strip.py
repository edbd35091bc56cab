"""Draw the README's strip, actor | target | film: ``python tools/strip.py demo.mp4 docs/strip.jpg``.

The film is what `doublecast demo` made.
"""

import sys
from pathlib import Path

import cv2
import numpy as np

from doublecast.types import U8
from doublecast.video import Reader, find_takes

DEMO = Path(__file__).parents[1] / "src/doublecast/assets/demo"
FRAMES = (20, 75, 150)  #: of the actor and the film; the target has other frames, so nothing matches
WIDTH = 300


def pictures(path: Path) -> list[U8]:
    with Reader(find_takes([path])[0]) as reader:
        frames = {frame.index: frame.pixels for frame in reader if frame.index in FRAMES}
    height, width = frames[FRAMES[0]].shape[:2]
    size = (WIDTH, WIDTH * height // width)
    return [np.asarray(cv2.resize(frames[n], size, interpolation=cv2.INTER_AREA), np.uint8) for n in FRAMES]


def main(film: str, output: str) -> None:
    columns = [np.vstack(pictures(path)) for path in (DEMO / "actor.mp4", DEMO / "target.mp4", Path(film))]
    strip = cv2.cvtColor(np.hstack(columns), cv2.COLOR_RGB2BGR)
    cv2.imwrite(output, strip, [cv2.IMWRITE_JPEG_QUALITY, 88])


if __name__ == "__main__":
    main(*sys.argv[1:3])
