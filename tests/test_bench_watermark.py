from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from doublecast.bench.attacks import ATTACKS, Clip, cropped, faster, times, toned, turned
from doublecast.bench.watermark import Outcome, Row, watermark
from doublecast.errors import InputError


def clip(count: int = 5) -> Clip:
    random = np.random.default_rng(0)
    luma = [random.integers(16, 236, (96, 128)).astype(np.uint8) for _ in range(count)]
    return [(y, np.full((48, 64), 110, np.uint8), np.full((48, 64), 140, np.uint8)) for y in luma]


@pytest.mark.parametrize(
    ("attack", "count", "shape"),
    [
        (lambda c: times(c, 0.5, 1.5), 5, (144, 64)),
        (lambda c: cropped(c, 0.1), 5, (76, 104)),
        (lambda c: faster(c, 25, 30), 6, (96, 128)),
        (lambda c: turned(c, 2), 5, (96, 128)),
        (lambda c: toned(c, brightness=0.1, saturation=0), 5, (96, 128)),
        (ATTACKS["H.264 CRF 32"], 5, (96, 128)),
        (ATTACKS["HEVC CRF 28"], 5, (96, 128)),
        (ATTACKS["half size and back"], 5, (96, 128)),
        (ATTACKS["messenger"], 5, (480, 640)),
    ],
)
def test_attacks_change_pictures_and_keep_planes_together(
    attack: Callable[[Clip], Clip], count: int, shape: tuple[int, int]
) -> None:
    before = clip()
    after = attack(before)
    assert len(after) == count
    assert {y.shape for y, _, _ in after} == {shape}
    assert {p.shape for _, *chroma in after for p in chroma} == {(shape[0] // 2, shape[1] // 2)}
    assert count == 6 or shape != (96, 128) or (after[0][0] != before[0][0]).any()


def test_what_is_missed() -> None:
    rows = [Row("a", "x", "absent", False, 9.0, True), Row("a", "y", "absent", False, 9.0, False),
            Row("a", "z", "found", True, 20.0, True)]  # fmt: skip
    assert Outcome(rows, {"a": 44.0}, 3.9, 5, {}).missed == ["a, x: absent"]
    assert len(Outcome(rows, {"a": 42.0}, 4.1, 5, {"b.mp4": "damaged"}).missed) == 4
    assert Outcome([], {}, None, 0, {}).missed == []


@pytest.mark.parametrize(
    ("clips", "words"), [(["nobody"], "no clip is called nobody"), (["grid"], "is missing.*--data")]
)
def test_missing_footage_is_named(tmp_path: Path, clips: list[str], words: str) -> None:
    with pytest.raises(InputError, match=words):
        watermark(tmp_path, clips=clips)
