"""Draw the README's strip, actor | target | film: ``python tools/strip.py demo.mp4 docs/strip.png``.

The film is what `doublecast demo` made. The strip carries the label of the film.
"""

import sys
from pathlib import Path

import cv2
import numpy as np

from doublecast.trust import Label, Statement, save_picture
from doublecast.types import U8
from doublecast.video import Reader, find_takes

DEMO = Path(__file__).parents[1] / "src/doublecast/assets/demo"
FRAMES = (20, 150)  #: of every clip; the target plays another performance, so nothing matches
SIDE = 280


def pictures(path: Path) -> list[U8]:
    """The middle of some frames, uint8 (SIDE, SIDE, 3)."""
    with Reader(find_takes([path])[0]) as reader:
        frames = {frame.index: frame.pixels for frame in reader if frame.index in FRAMES}
    made = []
    for number in FRAMES:
        height, width = frames[number].shape[:2]
        side = round(height * 0.75)
        left = (width - side) // 2
        part = frames[number][height // 25 :, left : left + side][:side]
        made.append(np.asarray(cv2.resize(part, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8))
    return made


def main(film: str, output: str) -> None:
    columns = [np.vstack(pictures(path)) for path in (DEMO / "actor.mp4", DEMO / "target.mp4", Path(film))]
    statement = Statement("the right column shows one synthetic performer with another's face")
    save_picture(Path(output), np.hstack(columns), label=Label(corner="bottom-right", height=0.03), statement=statement)


if __name__ == "__main__":
    main(*sys.argv[1:3])
