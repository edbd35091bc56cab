from pathlib import Path

import pytest

from doublecast.errors import InputError
from doublecast.video import Take, find_takes


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (
        "a.mp4",
        "b.mov",
        "pics/s10.png",
        "pics/s2.png",
        "pics/.s1.png",
        "pics/notes.txt",
        "more/a.mp4",
        "x.jpg",
    ):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(name.encode())
    (tmp_path / "empty").mkdir()
    (tmp_path / "nothing.mp4").write_bytes(b"")
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["a.mp4"], [("a", "video", ["a.mp4"])]),
        (["pics"], [("pics", "pictures", ["s2.png", "s10.png"])]),
        (["pics/*.png"], [("pics", "pictures", ["s2.png", "s10.png"])]),
        (["x.jpg"], [("x", "pictures", ["x.jpg"])]),
        (["pics/s10.png", "pics/s2.png"], [("pics", "pictures", ["s10.png", "s2.png"])]),
        (["a.mp4", "more"], [("a", "video", ["a.mp4"]), ("a-2", "video", ["a.mp4"])]),
        (["a.mp4", "*.mp4", "a.mp4"], [("a", "video", ["a.mp4"])]),
        (["pics/notes.txt"], [("notes", "video", ["notes.txt"])]),
        (
            ["."],
            [("a", "video", ["a.mp4"]), ("b", "video", ["b.mov"]), ("x", "pictures", ["x.jpg"])],
        ),
    ],
)
def test_found(folder: Path, arguments: list[str], expected: list[tuple[str, str, list[str]]]) -> None:
    takes = find_takes([folder / argument for argument in arguments])
    assert [(take.name, take.kind, [path.name for path in take.files]) for take in takes] == expected


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["c.mp4"], "c.mp4: there is no such file or folder"),
        (["a.mov"], "Did you mean a.mp4"),
        (["empty"], "no video and no picture in this folder"),
        (["*.avi"], "matches this pattern"),
        (["nothing.mp4"], "the file is empty"),
        ([], "no take was given"),
    ],
)
def test_refused(folder: Path, arguments: list[str], words: str) -> None:
    with pytest.raises(InputError, match=words):
        find_takes([folder / argument for argument in arguments])


def test_folder_of_folders_is_named(tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    with pytest.raises(InputError, match="Name one of its folders: clips"):
        find_takes([tmp_path])


def test_key_follows_content(folder: Path) -> None:
    (one,) = find_takes([folder / "a.mp4"])
    (other,) = find_takes([folder / "more"])
    key = one.key()
    assert len(key) == 32
    assert key != other.key()
    (folder / "more/a.mp4").write_bytes((folder / "a.mp4").read_bytes())
    assert other.key() == key
    pictures = find_takes([folder / "pics"])[0]
    assert pictures.key() != Take("pics", pictures.files[::-1], "pictures").key()
    (folder / "a.mp4").unlink()
    with pytest.raises(InputError, match="cannot be read"):
        one.key()
