from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from video_clips import ORANGE, box, make_clip, sound

from doublecast.types import U8, Frame
from doublecast.video import FilmEncoder, Reader, Take, find_takes
from doublecast.video.colour import plane

VFR = [0, 3, 4, 9, 10, 20, 23, 24, 40, 41, 42, 60]


def film(path: Path, out: Path, **options: Any) -> tuple[list[Frame], list[Frame], FilmEncoder]:
    """A take and the film of it in which a box of every frame is replaced."""
    take, size = find_takes([path])[0], 0
    with Reader(take) as reader:
        encoder = FilmEncoder(out, take, reader.info, **options)
        before = list(reader)
        size = min(reader.info.width, reader.info.height)
        for frame in before:
            encoder.write(frame, [box(size // 2, size // 2, 20, 14)])
        encoder.close()
    with Reader(find_takes([out])[0]) as reader:
        return before, list(reader), encoder


def seconds(frames: list[Frame]) -> list[Fraction]:
    return [frame.pts * frame.time_base for frame in frames]


def inside(frame: Frame) -> U8:
    half = min(frame.pixels.shape[:2]) // 2
    return frame.pixels[half + 3 : half + 11, half + 3 : half + 17]


CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "vfr": {"pts": VFR, "time_base": Fraction(1, 90)},
    "29.97": {"time_base": Fraction(1001, 30000), "rate": Fraction(30000, 1001)},
    "late start": {"pts": [5, 6, 7, 9]},
    "odd late start": {"pts": [7007, 8008, 9009], "time_base": Fraction(1, 30000), "rate": Fraction(30000, 1001)},
    "one frame": {"count": 1},
    "64 px": {"size": (64, 64)},
    "portrait": {"size": (64, 96)},
    "turned 90": {"rotation": 90},
    "turned 180": {"rotation": 180},
    "turned -90": {"rotation": -90},
    "mirrored": {"mirror": True},
    "mirrored and turned": {"mirror": True, "rotation": 90},
    "bt709": {"matrix": 1, "tags": (1, 1), "full": 1},
    "bt601": {"matrix": 6, "tags": (6, 6), "full": 1},
    "full range": {"matrix": 1, "tags": (1, 1), "full": 2},
    "full range, untagged matrix": {"full": 2},
    "bt2020": {"matrix": 9, "tags": (9, 16), "full": 1, "pix_fmt": "yuv420p10le"},
    "10 bit": {"pix_fmt": "yuv420p10le", "matrix": 1, "tags": (1, 1), "full": 1},
    "10 bit full range": {"pix_fmt": "yuv420p10le", "matrix": 1, "tags": (1, 1), "full": 2},
    "4:2:2": {"pix_fmt": "yuv422p"},
    "4:4:4": {"pix_fmt": "yuv444p"},
    "wide pixels": {"aspect": Fraction(4, 3)},
    "reordered": {"options": {"preset": "medium", "bf": "3"}, "count": 30},
}


@pytest.mark.parametrize("container", ["mp4", "mkv", "mov"])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_film_shows_the_same(tmp_path: Path, case: dict[str, Any], container: str) -> None:
    before, after, encoder = film(make_clip(tmp_path / "in.mp4", **case), tmp_path / f"out.{container}")
    with Reader(find_takes([tmp_path / f"out.{container}"])[0]) as reader:
        info = reader.info
    expected = encoder.info
    assert len(after) == len(before) == len(case.get("pts", range(case.get("count", 12))))
    slack = 0.0006 if container == "mkv" else 0
    assert [float(t) for t in seconds(after)] == pytest.approx([float(t) for t in seconds(before)], abs=slack)
    assert (info.width, info.height, info.aspect) == (expected.width, expected.height, expected.aspect)
    assert (info.rotation, info.orientation.mirror) == (expected.rotation, expected.orientation.mirror)
    assert (info.colour.matrix, info.colour.full) == (expected.colour.matrix, expected.colour.full)
    assert (info.colour.primaries, info.colour.transfer) == (expected.colour.primaries, expected.colour.transfer)
    assert (info.codec, info.bit_depth) == ("h264", 8)
    for old, new in zip(before, after, strict=True):
        difference = np.abs(old.pixels.astype(int) - new.pixels)
        half = min(old.pixels.shape[:2]) // 2
        difference[half - 2 : half + 16, half - 2 : half + 22] = 0
        assert difference.mean() < 2.5
        assert np.abs(inside(new).astype(int).mean((0, 1)) - ORANGE).max() < 5


@pytest.mark.parametrize(
    ("suffix", "codec", "pix_fmt"),
    [
        ("mkv", "ffv1", "gray"),
        ("mkv", "ffv1", "gray10le"),
        ("mkv", "ffv1", "bgr0"),
        ("mkv", "ffv1", "yuva420p"),
        ("mkv", "ffv1", "yuv420p16le"),
        ("mov", "prores_ks", "yuva444p10le"),
        ("mov", "qtrle", "rgb24"),
        ("avi", "mjpeg", "yuvj422p"),
        ("mpg", "mpeg1video", "yuv420p"),
        ("ts", "libx264", "yuv420p"),
        ("webm", "libvpx-vp9", "yuv420p"),
    ],
)
def test_formats(tmp_path: Path, suffix: str, codec: str, pix_fmt: str) -> None:
    before, after, encoder = film(
        make_clip(tmp_path / f"in.{suffix}", codec=codec, pix_fmt=pix_fmt), tmp_path / "out.mp4"
    )
    assert len(before) == len(after) == 12
    first = seconds(before)[0] - seconds(after)[0]
    assert first == encoder.info.start
    assert [float(t) for t in seconds(after)] == pytest.approx([float(t - first) for t in seconds(before)], abs=1e-6)
    for old, new in zip(before, after, strict=True):
        assert np.abs(old.pixels[:24].astype(int) - new.pixels[:24]).mean() < 3
        wanted = np.array(ORANGE) if "gray" not in pix_fmt else inside(new).mean((0, 1))
        assert np.abs(inside(new).astype(int).mean((0, 1)) - wanted).max() < 5


def test_odd_sizes_are_padded(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "in.mkv", size=(95, 63), codec="ffv1")
    before, after, _ = film(path, tmp_path / "out.mp4")
    assert before[0].pixels.shape == (63, 95, 3)
    assert after[0].pixels.shape == (64, 96, 3)
    assert np.abs(before[0].pixels[:20].astype(int) - after[0].pixels[:20, :95]).mean() < 2.5


@pytest.mark.parametrize(
    ("audio", "source", "target", "codec", "start"),
    [
        ("aac", "mp4", "mp4", "aac", 0.0),
        ("aac", "mp4", "mkv", "aac", 0.0),
        ("aac", "mp4", "mov", "aac", 0.25),
        ("aac", "mkv", "mp4", "aac", 0.25),
        ("mp2", "mpg", "mp4", "mp3float", 0.0),
        ("pcm_s16le", "mkv", "mp4", "aac", 0.25),
        ("pcm_s16le", "mov", "mov", "pcm_s16le", 0.0),
        ("pcm_s16le", "mkv", "mkv", "pcm_s16le", 0.25),
        ("libopus", "webm", "mp4", "opus", 0.0),
        ("flac", "mkv", "mov", "aac", 0.0),
        ("ac3", "mkv", "mov", "ac3", 0.25),
        ("libmp3lame", "mkv", "mp4", "mp3float", 0.25),
    ],
)
def test_sound(tmp_path: Path, audio: str, source: str, target: str, codec: str, start: float) -> None:
    video = {"mpg": "mpeg1video", "webm": "libvpx-vp9"}.get(source, "libx264")
    path = make_clip(tmp_path / f"in.{source}", codec=video, audio=audio, audio_start=start, count=25)
    before, after, encoder = film(path, tmp_path / f"out.{target}")
    shift = float(seconds(before)[0] - seconds(after)[0])
    kind, first, last, samples = sound(path)
    new_kind, new_first, new_last, new_samples = sound(tmp_path / f"out.{target}")
    assert encoder.problems == []
    assert new_kind == codec, (kind, new_kind)
    assert new_first == pytest.approx(first - shift, abs=0.045)
    assert new_last == pytest.approx(last - shift, abs=0.045)
    assert new_samples == pytest.approx(samples, abs=2200)


def test_pictures_in_and_out(tmp_path: Path) -> None:
    import cv2
    from video_clips import picture

    folder = tmp_path / "shots"
    folder.mkdir()
    for number in (1, 2, 10):
        cv2.imwrite(str(folder / f"shot{number}.png"), picture(number)[:, :, ::-1])
    before, after, _ = film(folder, tmp_path / "out")
    assert [path.name for path in sorted((tmp_path / "out").iterdir())] == ["shot1.png", "shot10.png", "shot2.png"]
    assert [frame.index for frame in after] == [0, 1, 2]
    for old, new in zip(before, after, strict=True):
        assert (old.pixels[:30] == new.pixels[:30]).all()
        assert (inside(new) == ORANGE).all()
    before, after, _ = film(folder, tmp_path / "out.mp4")
    assert len(after) == 3
    assert np.abs(before[1].pixels[:30].astype(int) - after[1].pixels[:30]).mean() < 2.5
    assert not list(tmp_path.glob(".*"))


def test_eight_k(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "in.mkv"), "w") as out:
        stream: Any = out.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 7680, 4320, "yuvj420p"
        frame = av.VideoFrame(7680, 4320, "yuvj420p")
        for index in range(3):
            plane(frame, index)[:] = 100
        frame.pts, frame.time_base = 0, Fraction(1, 25)
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    before, after, _ = film(tmp_path / "in.mkv", tmp_path / "out.mp4", preset="ultrafast")
    assert after[0].pixels.shape == (4320, 7680, 3)
    assert np.abs(before[0].pixels[::64, :2000:64].astype(int) - after[0].pixels[::64, :2000:64]).max() <= 3
    assert np.abs(inside(after[0]).astype(int).mean((0, 1)) - ORANGE).max() < 5


def test_shared_clips(tmp_path: Path, shared: Path) -> None:
    before, after, _ = film(shared / "footage/grid/other/brbk7n.mpg", tmp_path / "out.mp4")
    assert len(before) == len(after) == 75
    assert seconds(before) == seconds(after)
    assert sound(tmp_path / "out.mp4")[3] == pytest.approx(sound(shared / "footage/grid/other/brbk7n.mpg")[3], abs=2400)


def test_take_type() -> None:
    with pytest.raises(ValueError, match="0 files"):
        Take("x", (), "video")
