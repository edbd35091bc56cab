import random
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from av.video.frame import VideoFrame
from video_clips import make_clip, picture

from doublecast.errors import InputError
from doublecast.types import U8
from doublecast.video import Reader, find_takes, probe
from doublecast.video.colour import WEIGHTS, Colour, Converter, Matrix, plane


def read(path: Path, **options: Any) -> tuple[list[U8], Reader]:
    with Reader(find_takes([path])[0], **options) as reader:
        return [frame.pixels for frame in reader], reader


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("matrix", WEIGHTS)
def test_rgb_is_exact(matrix: Matrix, full: bool) -> None:
    rng, frame = np.random.default_rng(1), VideoFrame(64, 48, "yuv420p")
    for index, (low, high) in enumerate([(60, 180), (100, 150), (100, 150)]):
        plane(frame, index)[:] = rng.integers(low, high, plane(frame, index).shape)
    y, u, v = (plane(frame, index).astype(float) for index in range(3))
    ycc = np.stack([y, u.repeat(2, 0).repeat(2, 1), v.repeat(2, 0).repeat(2, 1)], -1)
    colour = Colour(matrix, full)
    to_ycc = colour.to_ycc().astype(float)
    wanted = np.clip((ycc - to_ycc[:, 3]) @ np.linalg.inv(to_ycc[:, :3]).T, 0, 255)
    assert np.abs(Converter(colour, 64, 48).rgb(frame) - wanted).max() < 0.7
    assert np.abs(Converter(colour, 64, 48, exact=False).rgb(frame) - wanted).max() < 4


@pytest.mark.parametrize(("matrix", "full"), [("bt601", False), ("bt709", False), ("bt709", True)])
def test_rgb_goes_into_planes_and_back(matrix: Matrix, full: bool) -> None:
    converter = Converter(Colour(matrix, full), 64, 64)
    pixels = np.full((64, 64, 3), (200, 60, 40), np.uint8)
    assert np.abs(converter.rgb(converter.from_rgb(pixels)).astype(int) - pixels).max() <= 2


@pytest.mark.parametrize(
    ("size", "options", "matrix", "full"),
    [
        ((96, 64), {}, "bt601", False),
        ((64, 720), {}, "bt709", False),
        ((96, 64), {"matrix": 1, "full": 1}, "bt709", False),
        ((64, 720), {"matrix": 6, "full": 1}, "bt601", False),
        ((96, 64), {"matrix": 1, "full": 2}, "bt709", True),
        ((96, 64), {"matrix": 9, "full": 1, "pix_fmt": "yuv420p10le"}, "bt2020", False),
    ],
)
def test_tags_are_read(tmp_path: Path, size: tuple[int, int], options: Any, matrix: str, full: bool) -> None:
    path = make_clip(tmp_path / "in.mp4", size=size, count=2, **options)
    frames, reader = read(path)
    assert (reader.info.colour.matrix, reader.info.colour.full) == (matrix, full)
    assert np.abs(frames[0].astype(int) - picture(0, *size)).mean() < 2.5


@pytest.mark.parametrize(
    ("rotation", "mirror", "turn"),
    [
        (0, False, lambda a: a),
        (90, False, lambda a: np.rot90(a, -1)),
        (-90, False, lambda a: np.rot90(a, 1)),
        (180, False, lambda a: np.rot90(a, 2)),
        (0, True, lambda a: a[:, ::-1]),
    ],
)
def test_rotation(tmp_path: Path, rotation: int, mirror: bool, turn: Any) -> None:
    path = make_clip(tmp_path / "in.mp4", rotation=rotation, mirror=mirror, count=2)
    with av.open(str(path)) as source:
        raw = next(source.decode(video=0))
        angle = raw.rotation
    frames, reader = read(path)
    wanted = np.rot90(picture(0), round(angle / 90) % 4) if not mirror else turn(picture(0))
    assert frames[0].shape == wanted.shape
    assert np.abs(frames[0].astype(int) - wanted).mean() < 2.5
    assert reader.info.rotation == (-angle % 360 if not mirror else 0)
    assert (reader.info.height, reader.info.width) == wanted.shape[:2]


def test_start_and_times(tmp_path: Path) -> None:
    times = [0, 3, 7, 8, 20, 21, 40]
    path = make_clip(tmp_path / "in.mp4", pts=times, time_base=Fraction(1, 90000))
    with Reader(find_takes([path])[0], start=4) as reader:
        frames = list(reader)
    assert [frame.index for frame in frames] == [4, 5, 6]
    assert [frame.pts * frame.time_base for frame in frames] == [Fraction(t, 90000) for t in times[4:]]
    assert reader.decoded == 7
    assert reader.problems == []


def test_a_reader_is_read_once(tmp_path: Path) -> None:
    with Reader(find_takes([make_clip(tmp_path / "in.mp4")])[0]) as reader:
        list(reader)
        with pytest.raises(ValueError, match="once"):
            list(reader)


@pytest.mark.parametrize(("suffix", "count"), [("mp4", 12), ("mkv", 12), ("ts", 12), ("h264", None)])
def test_number_of_frames(tmp_path: Path, suffix: str, count: int | None) -> None:
    info = probe(find_takes([make_clip(tmp_path / f"in.{suffix}", audio="aac" if suffix != "h264" else None)])[0])
    assert info.frames == count
    assert info.audio == (suffix != "h264")
    assert len(read(tmp_path / f"in.{suffix}")[0]) == 12


def _cut(data: bytes) -> bytes:
    return data[: len(data) * 6 // 10]


def _hurt(data: bytes) -> bytes:
    rng, hurt = random.Random(3), bytearray(data)
    for _ in range(12):
        at = rng.randrange(len(hurt) // 3, len(hurt) - 3000)
        hurt[at : at + 200] = bytes(200)
    return bytes(hurt)


@pytest.mark.parametrize(
    ("suffix", "damage", "least", "words"),
    [
        ("mp4", _cut, 30, r"only \d+ of 75 frames \(\d+%\)"),
        ("mkv", _cut, 30, r"ends after \d\.\d of 3\.0 seconds"),
        ("ts", _cut, 30, None),
        ("mp4", _hurt, 40, r"damaged (areas|places)"),
        ("mkv", _hurt, 20, r"damaged|ends after"),
        ("ts", _hurt, 40, r"damaged (areas|places)"),
    ],
)
def test_damaged(tmp_path: Path, shared: Path, suffix: str, damage: Any, least: int, words: str | None) -> None:
    path = tmp_path / f"in.{suffix}"
    source, options = shared / "footage/grid/s1/bbaf2n.mpg", {"movflags": "faststart"} if suffix == "mp4" else {}
    with av.open(str(source)) as into, av.open(str(path), "w", container_options=options) as out:
        stream: Any = out.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.options = 360, 288, {"preset": "ultrafast"}
        for number, frame in enumerate(into.decode(video=0)):
            frame.pts, frame.time_base = number, Fraction(1, 25)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    path.write_bytes(damage(path.read_bytes()))
    frames, reader = read(path)
    assert least <= len(frames) <= 75
    assert reader.decoded == len(frames)
    problems = " ".join(reader.problems)
    if words is not None:
        import re

        assert re.search(words, problems), problems


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("a.mp4", b"not a film at all " * 50, "cannot be opened as a video"),
        ("a.mkv", bytes(5000), "cannot be opened as a video"),
        ("a.png", b"not a picture" * 50, "none of 1 pictures can be read"),
    ],
)
def test_unreadable(tmp_path: Path, name: str, data: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match=f"{name}.*{words}"):
        probe(find_takes([tmp_path / name])[0])


def test_no_picture_in_it(tmp_path: Path) -> None:
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream("aac", rate=48000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.int16), format="s16", layout="mono")
        frame.sample_rate = 48000
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    with pytest.raises(InputError, match="no picture in this file"):
        probe(find_takes([path])[0])


def test_size_changes_within_a_video(tmp_path: Path) -> None:
    parts = [make_clip(tmp_path / f"{n}.ts", size=size, count=4) for n, size in enumerate([(96, 64), (128, 96)])]
    path = tmp_path / "both.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    frames, _ = read(path)
    assert len(frames) >= 7
    assert {frame.shape for frame in frames} == {(64, 96, 3)}


def test_pictures(tmp_path: Path) -> None:
    for number in range(3):
        cv2.imwrite(str(tmp_path / f"p{number}.png"), picture(number)[:, :, ::-1])
    (tmp_path / "p1.png").write_bytes(b"broken")
    with Reader(find_takes([tmp_path])[0]) as reader:
        frames = list(reader)
    assert [(frame.index, frame.pts, frame.time_base) for frame in frames] == [
        (0, 0, Fraction(1, 25)),
        (2, 2, Fraction(1, 25)),
    ]
    assert (frames[1].pixels == picture(2)).all()
    assert reader.problems == ["p1.png: cannot be read as a picture; left out."]


def test_pictures_of_every_kind(tmp_path: Path) -> None:
    rgb = picture(0)
    bgr = np.ascontiguousarray(rgb[:, :, ::-1])
    kinds = {
        "grey.png": cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY),
        "deep.png": bgr.astype(np.uint16) * 257,
        "alpha.png": np.dstack([bgr, np.full(bgr.shape[:2], 99, np.uint8)]),
        "lossy.jpg": bgr,
    }
    for name, data in kinds.items():
        cv2.imwrite(str(tmp_path / name), data)
        frames, _ = read(tmp_path / name)
        assert frames[0].shape == rgb.shape
        if name != "grey.png":
            assert np.abs(frames[0].astype(int) - rgb).mean() < 3, name


def test_exif_rotation(tmp_path: Path) -> None:
    _, data = cv2.imencode(".jpg", picture(0)[:, :, ::-1])
    body = data.tobytes()
    tiff = b"II*\0\x08\0\0\0" + b"\x01\0" + b"\x12\x01\x03\0\x01\0\0\0\x06\0\0\0" + b"\0\0\0\0"
    exif = b"Exif\0\0" + tiff
    segment = b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif
    (tmp_path / "turned.jpg").write_bytes(body[:2] + segment + body[2:])
    frames, reader = read(tmp_path / "turned.jpg")
    assert frames[0].shape == (96, 64, 3)
    assert (reader.info.width, reader.info.height) == (64, 96)
    assert np.abs(frames[0].astype(int) - np.rot90(picture(0), -1)).mean() < 4


def test_a_playlist_is_no_take(tmp_path: Path) -> None:
    """What it shows lies in another file, which nobody named, and which the take's key does not cover."""
    other = make_clip(tmp_path / "other.ts")
    assert probe(find_takes([other])[0]).width == 96
    playlist = tmp_path / "take.m3u8"
    playlist.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://{other}\n#EXT-X-ENDLIST\n")
    script = tmp_path / "take.mp4"
    script.write_text("ffconcat version 1.0\nfile other.ts\n")
    for path in (playlist, script):
        with pytest.raises(InputError, match=r"take\.m.*: cannot be opened as a video"):
            probe(find_takes([path])[0])
