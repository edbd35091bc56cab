import errno
import os
import signal
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from av.video.frame import VideoFrame
from video_clips import ORANGE, box, make_clip, picture

from doublecast.disk import atomic_write
from doublecast.errors import OutputError, ProductionError
from doublecast.production import Production
from doublecast.types import Frame, Patch
from doublecast.video import FilmEncoder, Reader, Take, composite, find_takes
from doublecast.video.colour import Colour, Converter, plane
from doublecast.video.mux import assemble
from doublecast.video.orient import Orientation
from doublecast.video.planes import padded_copy, put
from doublecast.video.segments import SegmentStore, SegmentWriter

SMOOTH = Colour("bt709", False)


def planes(frame: VideoFrame) -> list[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]:
    return [plane(frame, index).copy() for index in range(3)]


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("turns", [0, 1, 2, 3])
@pytest.mark.parametrize(
    ("x", "y", "width", "height"), [(10, 8, 20, 14), (11, 7, 21, 13), (-5, -3, 20, 20), (50, 50, 60, 60)]
)
def test_patch_lands_where_it_is_shown(x: int, y: int, width: int, height: int, turns: int, mirror: bool) -> None:
    orientation = Orientation(turns, mirror, (0,) * 9)
    converter, upright = Converter(SMOOTH, 96, 64), (64, 96) if turns % 2 else (96, 64)
    frame = padded_copy(converter.from_rgb(picture(0)))
    before, shown = planes(frame), orientation.upright(converter.rgb(frame))
    patch = box(x, y, width, height)
    put(frame, patch, SMOOTH, orientation, upright)
    wanted = composite(shown, [patch])
    after = orientation.upright(converter.rgb(frame))
    whole = np.zeros(shown.shape[:2], np.uint8)
    inner = (
        composite(np.repeat(whole[:, :, None], 3, 2), [box(x + 1, y + 1, width - 2, height - 2, (1, 1, 1))])[:, :, 0]
        > 0
    )
    outer = (
        composite(np.repeat(whole[:, :, None], 3, 2), [box(x - 1, y - 1, width + 2, height + 2, (1, 1, 1))])[:, :, 0]
        > 0
    )
    assert inner.any()
    assert np.abs(after[inner].astype(int) - wanted[inner]).max() <= 2
    assert (after[~outer] == shown[~outer]).all()
    mask = orientation.stored(
        composite(np.repeat(whole[:, :, None], 3, 2), [box(x, y, width, height, (1, 1, 1))])[:, :, 0] > 0
    )
    assert (plane(frame, 0)[~mask] == before[0][~mask]).all()


def test_own_pixels_change_nothing() -> None:
    converter = Converter(SMOOTH, 96, 64)
    frame = padded_copy(converter.from_rgb(picture(0)))
    before, shown = planes(frame), converter.rgb(frame)
    mask = np.random.default_rng(0).random((41, 53)) > 0.5
    put(frame, Patch(9, 7, shown[7:48, 9:62], mask), SMOOTH, Orientation(), (96, 64))
    for old, new in zip(before, planes(frame), strict=True):
        assert np.abs(old.astype(int) - new).max() <= 1


def test_frames_are_not_changed(tmp_path: Path) -> None:
    (take,) = find_takes([make_clip(tmp_path / "in.mp4")])
    with Reader(take) as reader:
        encoder = FilmEncoder(tmp_path / "out.mp4", take, reader.info)
        for frame in reader:
            assert frame.native is not None
            before, pixels = planes(frame.native), frame.pixels.copy()
            encoder.write(frame, [box(5, 5, 30, 30)])
            assert (frame.pixels == pixels).all()
            assert all((a == b).all() for a, b in zip(before, planes(frame.native), strict=True))
        encoder.abort()


@pytest.fixture
def long(tmp_path: Path) -> Take:
    path = make_clip(tmp_path / "long.mp4", count=560, size=(64, 48), audio="aac")
    return find_takes([path])[0]


def render(take: Take, out: Path, parts: Path, *, stop: int | None = None, crf: float = 16, job: str = "") -> int:
    """Write a film, or up to a frame; returns where it began."""
    with Reader(take) as reader:
        encoder = FilmEncoder(out, take, reader.info, parts=parts, crf=crf, job=job, preset="ultrafast")
        start = encoder.resume_index
    with Reader(take, start=start) as reader:
        for frame in reader:
            if frame.index == stop:
                encoder.abort()
                return start
            encoder.write(frame, [box(10, 10, 12, 12)])
    encoder.close()
    return start


def pixels(path: Path) -> list[tuple[Fraction, bytes]]:
    with Reader(find_takes([path])[0]) as reader:
        return [(frame.pts * frame.time_base, frame.pixels.tobytes()) for frame in reader]


def test_resume_gives_the_same_film(tmp_path: Path, long: Take) -> None:
    parts = tmp_path / "parts"
    assert render(long, tmp_path / "whole.mp4", tmp_path / "others") == 0
    assert render(long, tmp_path / "out.mp4", parts, stop=300) == 0
    assert not (tmp_path / "out.mp4").exists()
    assert render(long, tmp_path / "out.mp4", parts, stop=310) == 240
    assert render(long, tmp_path / "out.mp4", parts, stop=555) == 240
    assert render(long, tmp_path / "out.mp4", parts) == 480
    assert not parts.exists()
    one, other = pixels(tmp_path / "whole.mp4"), pixels(tmp_path / "out.mp4")
    assert [time for time, _ in one] == [Fraction(n, 25) for n in range(560)]
    assert one == other


@pytest.mark.parametrize("change", ["crf", "job", "damage", "take"])
def test_parts_of_another_render_are_not_used(tmp_path: Path, long: Take, change: str) -> None:
    parts, out = tmp_path / "parts", tmp_path / "out.mp4"
    render(long, out, parts, stop=300)
    if change == "damage":
        data = next(parts.glob("*.h264"))
        data.write_bytes(data.read_bytes()[:-1])
    if change == "take":
        long = find_takes([make_clip(tmp_path / "second.mp4", count=30, size=(64, 48), audio="aac", full=2)])[0]
    assert render(long, out, parts, crf=20 if change == "crf" else 16, job="b" if change == "job" else "", stop=10) == 0


def test_killed_at_any_moment(tmp_path: Path, long: Take) -> None:
    script = (
        "import sys; from pathlib import Path; sys.path[:0] = sys.argv[1:3];"
        "from test_video_encode import render; from doublecast.video import find_takes;"
        "render(find_takes([sys.argv[3]])[0], Path(sys.argv[4]), Path(sys.argv[5]))"
    )
    here = Path(__file__).parent
    out, parts = tmp_path / "out.mp4", tmp_path / "parts"
    command = [
        sys.executable,
        "-c",
        script,
        str(here.parent / "src"),
        str(here),
        str(long.files[0]),
        str(out),
        str(parts),
    ]
    for kill_after in (1, 2):
        with subprocess.Popen(command) as process:
            while process.poll() is None and len(list(parts.glob("[0-9]*.json"))) < kill_after:
                pass
            os.kill(process.pid, signal.SIGKILL)
    render(long, out, parts)
    assert [time for time, _ in pixels(out)] == [Fraction(n, 25) for n in range(560)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["long.mp4", "out.mp4"]


def test_full_disk(tmp_path: Path, long: Take, monkeypatch: pytest.MonkeyPatch) -> None:
    parts, out = tmp_path / "parts", tmp_path / "out.mp4"
    render(long, out, parts, stop=300)

    def full(self: SegmentWriter, packets: list[object]) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(OutputError, match=r"out\.mp4: the disk is full; make room"):
        patch.setattr(SegmentWriter, "_append", full)
        render(long, out, parts)
    assert render(long, out, parts) == 240
    assert len(pixels(out)) == 560


def test_a_link_in_the_place_of_a_part_is_not_written_through(tmp_path: Path, long: Take) -> None:
    """A production from elsewhere may hold links to any file of the user."""
    parts, out, mine = tmp_path / "parts", tmp_path / "out.mp4", tmp_path / "mine.txt"
    mine.write_text("precious")
    render(long, out, parts, stop=300)
    (parts / "segment.part").unlink(missing_ok=True)
    (parts / "segment.part").symlink_to(mine)
    render(long, out, parts)
    assert mine.read_text() == "precious" and len(pixels(out)) == 560


@pytest.mark.parametrize("linked", ["job/renders", "job/renders/a.mp4-one"])
def test_a_link_in_the_place_of_a_renders_folder_is_refused(tmp_path: Path, long: Take, linked: str) -> None:
    """Or all that lies there would be deleted."""
    pictures = tmp_path / "Pictures"
    (pictures / "one").mkdir(parents=True)
    (pictures / "one" / "a.png").write_text("precious")
    job = Production(tmp_path / "job")
    place = tmp_path / linked
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(pictures if linked == "job/renders" else pictures / "one")
    with pytest.raises((OutputError, ProductionError), match="a link"):
        render(long, tmp_path / "out.mp4", job.renders(Path("a.mp4"), "one"))
    assert (pictures / "one" / "a.png").read_text() == "precious"
    job.close()


def test_an_output_in_a_folder_that_is_a_link_of_the_users_own(tmp_path: Path, long: Take) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "Videos").symlink_to(tmp_path / "disk")
    with Reader(long) as reader:
        FilmEncoder(tmp_path / "Videos" / "out.mp4", long, reader.info, preset="ultrafast").abort()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_full_disk_at_the_end(tmp_path: Path, long: Take) -> None:
    render(long, tmp_path / "out.mp4", tmp_path / "parts", stop=555)
    with Reader(long) as reader:
        encoder = FilmEncoder(tmp_path / "out.mp4", long, reader.info, parts=tmp_path / "parts", preset="ultrafast")
    with pytest.raises(OSError) as caught:
        assemble(
            Path("/dev/full"),
            "matroska",
            encoder._picture,
            encoder._store.segments,
            orientation=Orientation(),
            sound=long.files[0],
            start=Fraction(0),
            metadata={},
        )
    assert caught.value.errno == errno.ENOSPC
    assert SegmentStore(tmp_path / "parts", encoder._store.identity).resume_index == 480


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("out.avi", r"cannot write \.avi\. Use \.mp4"),
        ("out.png", "one picture cannot hold a series"),
        ("file/out.mp4", r"cannot be written"),
    ],
)
def test_bad_outputs(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "file").write_bytes(b"x")
    (take,) = find_takes([make_clip(tmp_path / "in.mp4")])
    with Reader(take) as reader, pytest.raises(OutputError, match=words):
        FilmEncoder(tmp_path / name, take, reader.info, parts=tmp_path / "parts")


def test_misuse(tmp_path: Path) -> None:
    (take,) = find_takes([make_clip(tmp_path / "in.mp4")])
    with Reader(take) as reader:
        encoder = FilmEncoder(tmp_path / "out.mp4", take, reader.info)
        frames = list(reader)
    encoder.write(frames[0], [])
    with pytest.raises(ValueError, match="frame 0 is written already"):
        encoder.write(frames[0], [])
    with pytest.raises(OutputError, match="picture 1 is 8x8"):
        encoder.write(Frame(np.zeros((8, 8, 3), np.uint8), 1, 1, Fraction(1, 25)), [])
    encoder.abort()
    with Reader(take) as reader, pytest.raises(OutputError, match="no frame to write"):
        FilmEncoder(tmp_path / "out.mp4", take, reader.info).close()


def test_single_picture(tmp_path: Path) -> None:
    from doublecast.video import encode_png, read_picture, read_png_text

    atomic_write(tmp_path / "in.png", encode_png(picture(0)))
    (take,) = find_takes([tmp_path / "in.png"])
    with Reader(take) as reader:
        encoder = FilmEncoder(tmp_path / "out.png", take, reader.info, metadata={"Comment": "gänz 例"})
        for frame in reader:
            encoder.write(frame, [box(0, 0, 4, 4)])
        encoder.close()
    out = read_picture(tmp_path / "out.png")
    assert out is not None
    assert (out == composite(picture(0), [box(0, 0, 4, 4)])).all()
    assert tuple(out[0, 0]) == ORANGE
    assert read_png_text(tmp_path / "out.png") == {"Comment": "gänz 例"}
