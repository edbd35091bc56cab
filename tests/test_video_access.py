"""Single frames in any order are the frames that the reader gives."""

import random
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from video_clips import make_clip, picture

from doublecast.errors import InputError
from doublecast.types import Frame
from doublecast.video import FrameAccess, Reader, Take, find_takes

CLIPS: dict[str, dict[str, Any]] = {
    "plain": {"count": 80},
    "b-frames": {"count": 80, "options": {"preset": "medium", "bf": "3", "g": "24", "keyint_min": "24"}},
    "open groups": {"count": 80, "options": {"preset": "medium", "x264-params": "open-gop=1:bframes=3:keyint=20"}},
    "odd times": {"pts": [0, 1, 2, 5, 6, 11, 12, 13, 20, 21, 22, 30], "time_base": Fraction(1, 50)},
    "turned": {"count": 30, "rotation": 90},
    "10 bits": {"count": 30, "pix_fmt": "yuv420p10le"},
}


def same(a: Frame, b: Frame) -> bool:
    return (a.index, a.pts, a.time_base) == (b.index, b.pts, b.time_base) and np.array_equal(a.pixels, b.pixels)


def check(take: Take) -> bool:
    """Whether frames were found by their times; AssertionError where one is another."""
    with Reader(take) as reader:
        frames = list(reader)
    order = [*range(len(frames)), *range(len(frames) - 1, -1, -7)]
    random.Random(0).shuffle(order)
    with FrameAccess(take) as access:
        for number in [*order, 0, 1, 2]:
            assert same(access.frame(frames[number].index), frames[number]), number
        told = access.seconds(1) is not None
        for index in (-1, frames[-1].index + 1):
            with pytest.raises(InputError, match=f"frame {index} cannot be read"):
                access.frame(index)
        assert same(access.frame(frames[3].index), frames[3])
    return told


@pytest.mark.parametrize("name", CLIPS)
def test_every_frame_is_the_readers(tmp_path: Path, name: str) -> None:
    assert check(find_takes([make_clip(tmp_path / "a.mp4", **CLIPS[name])])[0])


@pytest.mark.parametrize("suffix", [".mkv", ".mov", ".ts", ".avi"])
def test_other_containers(tmp_path: Path, suffix: str) -> None:
    check(find_takes([make_clip(tmp_path / f"a{suffix}", count=40)])[0])


def test_damaged_files_are_counted_or_right(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "a.ts", count=60, options={"g": "10"})
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 3000] = bytes(3000)
    path.write_bytes(data)
    take = find_takes([path])[0]
    with Reader(take) as reader:
        frames = list(reader)
    with FrameAccess(take) as access:
        access.distrust()
        assert access.seconds(0) is None
        for frame in (frames[-1], frames[5], frames[6], frames[0]):
            assert same(access.frame(frame.index), frame)


def test_pictures(tmp_path: Path) -> None:
    for number in range(4):
        cv2.imwrite(str(tmp_path / f"{number}.png"), picture(number)[..., ::-1])
    (tmp_path / "2.png").write_bytes(b"no picture")
    take = find_takes([tmp_path])[0]
    with FrameAccess(take) as access:
        assert np.array_equal(access.frame(3).pixels, picture(3)) and access.frame(3).index == 3
        for index in (2, 4, -1):
            with pytest.raises(InputError, match="cannot be read"):
                access.frame(index)
