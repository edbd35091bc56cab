from pathlib import Path

import av
import numpy as np
import pytest
from trust_films import claim
from video_clips import ORANGE, box, make_clip, picture

from doublecast.disk import atomic_write
from doublecast.errors import OutputError
from doublecast.trust import (
    PREFIX,
    FilmId,
    FilmWriter,
    Label,
    Signer,
    Statement,
    check_output,
    labelled,
    save_picture,
)
from doublecast.video import Reader, Take, encode_png, find_takes, read_picture, read_png_text

LABEL = Label()
SAID = Statement("faces replaced")
FILM = FilmId("0123456789")


@pytest.fixture
def take(tmp_path: Path) -> Take:
    return find_takes([make_clip(tmp_path / "in.mp4", size=(320, 240), audio="aac")])[0]


def write(take: Take, path: Path, parts: Path, *, label: Label = LABEL, overwrite: bool = False, fail: int = -1) -> int:
    with Reader(take) as reader:
        writer = FilmWriter(
            path, take, reader.info, label=label, statement=SAID, claim=claim(), signer=Signer.own(),
            film=FILM, parts=parts, overwrite=overwrite, job="a",
        )  # fmt: skip
        begin = writer.resume_index
        with writer:
            for frame in reader:
                if frame.index == fail:
                    raise RuntimeError("stop")
                if frame.index >= begin:
                    writer.write(frame, [box(100, 100, 20, 20)])
    return begin


def has_label(
    pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], plain: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]
) -> bool:
    """White letters on a darker box than the plain picture, in the lower left corner."""
    corner, bare = pixels[-24:-4, 4:60].astype(int), plain[-24:-4, 4:60].astype(int)
    return bool(corner.max() > 220 and np.median(corner) < 0.7 * np.median(bare))


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_every_frame_is_labelled(tmp_path: Path, take: Take, suffix: str) -> None:
    out = tmp_path / f"out{suffix}"
    write(take, out, tmp_path / "parts")
    with Reader(take) as plain, Reader(find_takes([out])[0]) as film:
        count = 0
        for old, new in zip(plain, film, strict=True):
            count += 1
            assert has_label(new.pixels, old.pixels)
            assert np.abs(new.pixels[105:115, 105:115].astype(int).mean((0, 1)) - ORANGE).max() < 5
    assert count == 12
    with av.open(str(out)) as source:
        metadata = {key.lower(): value for key, value in source.metadata.items()}
        stream = {key.lower(): value for key, value in source.streams.video[0].metadata.items()}
        assert metadata["comment"].startswith("AI-altered: faces replaced")
        assert stream["encoder"].startswith("doublecast")
        assert len(source.streams.audio) == 1
    beside = [f"{out.name}.c2pa"] if suffix == ".mkv" else []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mp4", out.name, *beside]


def test_pictures_are_labelled(tmp_path: Path, take: Take) -> None:
    write(take, tmp_path / "out", tmp_path / "parts")
    files = sorted((tmp_path / "out").iterdir())
    assert [path.name for path in files][:2] == ["frame_000000.png", "frame_000001.png"]
    with Reader(take) as plain:
        for old, path in zip(plain, files, strict=True):
            new = read_picture(path)
            assert new is not None
            assert has_label(new, old.pixels)
            assert read_png_text(path)["Comment"].startswith(PREFIX)


def test_existing_output(tmp_path: Path, take: Take) -> None:
    out = tmp_path / "out.mp4"
    out.write_bytes(b"precious")
    with pytest.raises(OutputError, match=r"out\.mp4: exists already.*--overwrite"):
        write(take, out, tmp_path / "parts")
    with pytest.raises(RuntimeError):
        write(take, out, tmp_path / "parts", overwrite=True, fail=5)
    assert out.read_bytes() == b"precious"
    write(take, out, tmp_path / "parts", overwrite=True)
    assert out.read_bytes() != b"precious"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("in.mp4", "the input itself"),
        ("out.webm", r"cannot write \.webm"),
        ("in.mp4/out.mp4", "is not a folder"),
        ("folder.mp4", "is a folder"),
        ("file", "is a file"),
        ("full", "exists already"),
        ("new/out.mp4", None),
        ("empty", None),
    ],
)
def test_check_output(tmp_path: Path, take: Take, name: str, words: str | None) -> None:
    for folder in ("folder.mp4", "full", "empty"):
        (tmp_path / folder).mkdir()
    (tmp_path / "full/x").write_bytes(b"x")
    (tmp_path / "file").write_bytes(b"x")
    if words is None:
        check_output(tmp_path / name, take)
    else:
        with pytest.raises(OutputError, match=words):
            check_output(tmp_path / name, take)


def test_a_record_beside_the_output_is_an_output(tmp_path: Path, take: Take) -> None:
    out, beside = tmp_path / "out.mkv", tmp_path / "out.mkv.c2pa"
    beside.write_bytes(b"precious")
    with pytest.raises(OutputError, match=r"out\.mkv\.c2pa: exists already.*--overwrite"):
        write(take, out, tmp_path / "parts")
    assert beside.read_bytes() == b"precious"
    check_output(tmp_path / "out.mp4", take)
    check_output(out, take, overwrite=True)
    (tmp_path / ".out.part.mkv").write_bytes(b"")  # a killed render's: its film was about to get its name
    check_output(out, take)
    write(take, out, tmp_path / "parts")
    assert beside.read_bytes() != b"precious"


def test_pictures_never_replace_themselves(tmp_path: Path) -> None:
    atomic_write(tmp_path / "in.png", encode_png(picture(0)))
    (take,) = find_takes([tmp_path / "in.png"])
    with pytest.raises(OutputError, match="the input itself"):
        check_output(tmp_path, take, overwrite=True)
    with pytest.raises(OutputError, match="the input itself"):
        check_output(tmp_path / "in.png", take, overwrite=True)


def test_stopped_while_putting_in_place(tmp_path: Path, take: Take, monkeypatch: pytest.MonkeyPatch) -> None:
    out, parts, done = tmp_path / "out", tmp_path / "parts", 0

    def interrupted(path: Path, data: bytes) -> None:
        nonlocal done
        done += path.parent == out
        if done > 3:
            raise KeyboardInterrupt
        atomic_write(path, data)

    with monkeypatch.context() as patch:
        patch.setattr("doublecast.video.encode.atomic_write", interrupted)
        with pytest.raises(KeyboardInterrupt):
            write(take, out, parts)
    assert len(list(out.iterdir())) == 3
    assert write(take, out, parts) == 12
    assert len(list(out.iterdir())) == 12
    assert not parts.exists()


def test_another_label_is_another_render(tmp_path: Path, take: Take) -> None:
    with pytest.raises(RuntimeError):
        write(take, tmp_path / "out", tmp_path / "parts", fail=5)
    with pytest.raises(RuntimeError):
        write(take, tmp_path / "out", tmp_path / "parts", label=Label(corner="top-left"), fail=0)
    assert write(take, tmp_path / "out", tmp_path / "parts") == 5


def test_statement() -> None:
    assert Statement("AI-altered: x").comment == "AI-altered: x"
    assert Statement(" x ").comment == "AI-altered: x"
    with pytest.raises(ValueError, match="statement"):
        Statement(" ")


def test_save_picture(tmp_path: Path) -> None:
    path = tmp_path / "new" / "sheet.png"
    save_picture(path, picture(0, 320, 240), label=Label(), statement=SAID)
    save_picture(path, picture(1, 320, 240), label=Label(), statement=SAID)
    saved = read_picture(path)
    assert saved is not None
    plain = picture(1, 320, 240)
    assert (saved == labelled(plain, Label())).all()
    assert read_png_text(path)["Comment"].startswith("AI-altered: faces replaced")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="cannot be written"):
        save_picture(tmp_path / "file" / "x.png", plain, label=Label(), statement=SAID)
