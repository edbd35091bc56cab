"""`verify`: what it says of whole, changed, stripped, foreign and hostile files."""

import json
import random
import shutil
import sys
import time
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import c2pa
import cv2
import numpy as np
import pytest
from trust_films import FILM, claim, film, mutated, remux, signed_film, signed_picture, textured
from video_clips import make_clip

from doublecast.errors import InputError
from doublecast.trust import Label, Signer, child, keys, offline
from doublecast.trust.credentials import SOURCE_TYPE, sidecar
from doublecast.trust.frames import Samples
from doublecast.trust.inspection import Certificate, Credentials, read_credentials
from doublecast.trust.looks import LabelCheck
from doublecast.trust.reading import Mark, Pictures, read_pictures
from doublecast.trust.sandbox import Sandbox
from doublecast.trust.verify import CHANGED, LONGEST, NOT_OURS, OURS, Report, judge, verify
from doublecast.video import encode_png


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a signed film, its remux, a picture, and a film with a sidecar; nothing in it is changed."""
    folder = tmp_path_factory.mktemp("whole")
    film(folder)
    film(folder, "film.mkv")
    signed_picture(folder)
    remux(folder / "film.mp4", folder / "remuxed.mp4")
    return folder


def code(path: Path) -> int:
    return judge(verify(path))[0]


# -- unchanged -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["film.mp4", "film.mkv", "film.mkv.c2pa", "film.png"])
def test_what_we_made_is_ours(whole: Path, name: str) -> None:
    report = verify(whole / name)
    number, words = judge(report)
    assert number == OURS, report
    assert "unchanged since it was signed" in words and "This machine signed it" in words
    assert report.claim is not None and report.claim.film == FILM
    assert list(report.films) == [FILM]
    assert report.pictures.label == "seen"
    assert report.problems == ()
    assert report.path.suffix != ".c2pa"


def test_another_machine_is_told_apart(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(keys.FOLDER, str(tmp_path / "other"))
    for own in (False, True):
        if own:
            Signer.own()
        number, words = judge(verify(whole / "film.png"))
        assert number == OURS
        assert "self-made: it shows that nothing was changed since, not who made it" in words
    assert not (tmp_path / "other" / "user.key").exists()


def test_a_folder_of_pictures(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "in.mp4", size=(96, 64), count=4)
    out = signed_film(source, tmp_path / "out")
    report = verify(out)
    assert judge(report)[0] == OURS
    assert report.folder["pictures"] == report.folder["valid"] == 4
    one = out / "frame_000002.png"
    data = one.read_bytes()
    one.write_bytes(data[:-100] + bytes([data[-100] ^ 1]) + data[-99:])
    number, words = judge(verify(out))
    assert number == CHANGED and words.startswith("1 of 4 pictures of this folder were changed")
    one.write_bytes(encode_png(textured(1)))
    number, words = judge(verify(out))
    assert number == CHANGED and "missing in some of the pictures" in words


# -- changed ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["film.mp4", "film.png"])
def test_one_flipped_bit_anywhere(whole: Path, tmp_path: Path, name: str) -> None:
    """Ten places spread over the file, the first ones in its head, and forty at random."""
    data = (whole / name).read_bytes()
    places = [8, 20, 60, 100, *np.linspace(200, len(data) - 1, 6).astype(int).tolist()]
    places += random.Random(1).sample(range(8, len(data)), 40)
    for place in places:
        changed = bytearray(data)
        changed[place] ^= 1 << place % 8
        path = tmp_path / name
        path.write_bytes(changed)
        assert read_credentials(path).state == "tampered", place


def test_one_flipped_byte_is_told_and_the_mark_stays(whole: Path, tmp_path: Path) -> None:
    data = bytearray((whole / "film.mp4").read_bytes())
    data[-1] ^= 0xFF
    (tmp_path / "film.mp4").write_bytes(data)
    report = verify(tmp_path / "film.mp4")
    number, words = judge(report)
    assert number == CHANGED
    assert words.startswith("This film was changed after doublecast signed it.") and FILM in words


@pytest.mark.parametrize("name", ["film.mp4", "film.png"])
@pytest.mark.parametrize(
    "change",
    [
        lambda data: data[: len(data) // 2],
        lambda data: data[:-1],
        lambda data: data + b"\0",
        lambda data: data + data,
        lambda data: data[:3000],
        lambda data: data[:300] + bytes(2000) + data[2300:],
    ],
    ids=["half", "one byte less", "one byte more", "twice", "only its head", "hole in the record"],
)
def test_cut_and_appended(whole: Path, tmp_path: Path, name: str, change: Callable[[bytes], bytes]) -> None:
    (tmp_path / name).write_bytes(change((whole / name).read_bytes()))
    assert code(tmp_path / name) == CHANGED


def test_a_remuxed_film_is_named_by_its_mark(whole: Path, tmp_path: Path) -> None:
    report = verify(whole / "remuxed.mp4")
    number, words = judge(report)
    assert number == CHANGED
    assert "its signed record is gone" in words and f"names the film {FILM}" in words
    picture = cv2.imread(str(whole / "film.png"))
    assert picture is not None
    cv2.imwrite(str(tmp_path / "shot.jpg"), picture, [cv2.IMWRITE_JPEG_QUALITY, 85])
    number, words = judge(verify(tmp_path / "shot.jpg"))
    assert number == CHANGED and FILM in words


def test_sidecars(whole: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(whole / "film.mkv", tmp_path))
    report = verify(path)
    assert judge(report)[0] == CHANGED and report.credentials is not None and report.credentials.state == "absent"
    film(tmp_path, "other.mkv", count=9)
    shutil.copy(sidecar(tmp_path / "other.mkv"), sidecar(path))
    number, words = judge(verify(path))
    assert number == CHANGED and "does not fit it" in words
    sidecar(path).write_bytes(b"no record")
    assert code(path) == CHANGED


# -- others' ---------------------------------------------------------------------------------------------------------


def edited(source: Path, path: Path, *, parent: Path | None) -> Path:
    """Signed by another tool, of a picture of ours if ``parent``."""
    action = "c2pa.created" if parent is None else "c2pa.opened"
    made: dict[str, Any] = {"action": action, "digitalSourceType": SOURCE_TYPE}
    if parent is not None:
        made["parameters"] = {"ingredientIds": ["parent"]}
    definition = {
        "claim_generator_info": [{"name": "Other Tool", "version": "7"}],
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [made]}}],
    }
    builder = c2pa.Builder(definition, offline.context())
    if parent is not None:
        with parent.open("rb") as file:
            builder.add_ingredient({"relationship": "parentOf", "label": "parent"}, "image/png", file)
    signer = Signer.own()
    native = offline.native_signer(signer.certificates, signer.key, signer.algorithm)
    with source.open("rb") as plain, path.open("w+b") as signed:
        builder.sign(native, "image/png", plain, signed)
    return path


def test_other_tools(whole: Path, tmp_path: Path) -> None:
    (tmp_path / "plain.png").write_bytes(encode_png(textured(3)))
    number, words = judge(verify(edited(tmp_path / "plain.png", tmp_path / "theirs.png", parent=None)))
    assert number == NOT_OURS and "another tool (Other Tool 7), which fits the file" in words
    path = edited(tmp_path / "plain.png", tmp_path / "of-ours.png", parent=whole / "film.png")
    number, words = judge(verify(path))
    assert number == CHANGED and words.startswith("Somebody edited a film made with doublecast (Other Tool 7)")
    path = edited(whole / "film.png", tmp_path / "silent.png", parent=None)
    number, words = judge(verify(path))
    assert number == CHANGED and "whose record does not say that doublecast made part of it" in words


def test_a_folder_with_pictures_of_others(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "plain").write_bytes(encode_png(textured(3)))
    folder = tmp_path / "mixed"
    folder.mkdir()
    shutil.copy(whole / "film.png", folder / "1.png")
    assert code(folder) == OURS
    edited(tmp_path / "plain", folder / "2.png", parent=None)
    number, words = judge(verify(folder))
    assert number == CHANGED and words.startswith("Only 1 of 2 pictures of this folder are signed by doublecast")
    monkeypatch.setattr(child, "FOLDER_TIME", -1.0)
    found = child.answer({"do": "credentials", "path": str(folder)})["folder"]
    assert (found["pictures"], found["looked"], found["ours"]) == (2, 0, 0)


def test_others_that_are_not_in_order(tmp_path: Path) -> None:
    (tmp_path / "plain.png").write_bytes(encode_png(textured(3)))
    path = edited(tmp_path / "plain.png", tmp_path / "theirs.png", parent=None)
    data = bytearray(path.read_bytes())
    for place in (-100, data.index(b"c2pa.signature"), data.index(b"c2pa.actions")):
        changed = bytearray(data)
        changed[place] ^= 1
        path.write_bytes(changed)
        number, words = judge(verify(path))
        assert number == NOT_OURS and "does not fit it" in words, words


def test_a_film_of_a_film(whole: Path, tmp_path: Path) -> None:
    """Whichever of two marks over each other is read, the film is in order."""
    path = signed_film(whole / "film.png", tmp_path / "second.png", film="f" * 10)
    report = verify(path)
    assert report.claim is not None and report.claim.film == "f" * 10 and report.films
    assert judge(report)[0] == OURS
    older = replace(report, pictures=replace(report.pictures, marks=SHOWN.marks))
    number, words = judge(older)
    assert number == OURS and f"An older mark of another film ({FILM}) is also in it" in words


def test_nothing_of_ours(tmp_path: Path) -> None:
    (tmp_path / "plain.png").write_bytes(encode_png(textured(3)))
    for path in (tmp_path / "plain.png", make_clip(tmp_path / "plain.mp4")):
        number, words = judge(verify(path))
        assert number == NOT_OURS
        assert (
            words.startswith("Nothing of doublecast was found in this") and "does not prove that it is genuine" in words
        )


GARBAGE = {
    "empty.mp4": b"", "noise.mp4": random.Random(2).randbytes(5000), "noise.png": b"\x89PNG\r\n\x1a\n" + bytes(99),
    "text.txt": b"hello\n" * 100, "list.m3u8": b"#EXTM3U\n#EXTINF:5,\nhttp://127.0.0.1:1/a.ts\n#EXT-X-ENDLIST\n",
    "list.ffconcat": b"ffconcat version 1.0\nfile '/etc/hostname'\n", "none": b"\0" * 100,
}  # fmt: skip


@pytest.mark.parametrize("name", GARBAGE)
def test_what_is_no_picture_or_film(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(GARBAGE[name])
    number, words = judge(verify(tmp_path / name))
    assert number == NOT_OURS and words.startswith("This is not a picture or film")


def test_time_for_reading_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[float] = []

    def ask(self: Sandbox, request: Any, *, seconds: float) -> dict[str, Any]:
        given.append(seconds)
        return {"error": "slow"}

    monkeypatch.setattr(Sandbox, "ask", ask)
    with (tmp_path / "huge.mp4").open("wb") as file:
        file.truncate(1 << 40)
    report = verify(tmp_path / "huge.mp4")
    assert max(given) == LONGEST == 600
    number, words = judge(report)
    assert number == NOT_OURS and "its signed record could not be read" in words


def test_what_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret.mp4").write_bytes(b"x")

    def refused(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refused)
    with pytest.raises(InputError, match=r"secret\.mp4: cannot be opened \(Permission denied\)"):
        verify(tmp_path / "secret.mp4")


def test_no_such_file(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    assert code(tmp_path / "folder") == NOT_OURS
    with pytest.raises(InputError, match=r"none\.mp4: cannot be opened"):
        verify(tmp_path / "none.mp4")


# -- the verdict -----------------------------------------------------------------------------------------------------

SELF = Certificate("doublecast film", "doublecast", "f" * 64, "2056-01-01", True, False)
NAMED = replace(SELF, subject="Ana, Studio", issuer="Press Authority", self_made=False)
VALID = Credentials("valid", "embedded", "doublecast 0.1.0", ours=True, claim={}, certificate=SELF)
SHOWN = Pictures("film", 320, 240, 10.0, "", (Mark("found", FILM, 1.0, 0.0, 10.0),), "seen")
BARE = replace(SHOWN, marks=(Mark("absent", "", 0.0, 0.0, 10.0),))
TOLD = replace(BARE, comment="AI-altered: x (doublecast 0.1.0)")
ABSENT, THEIRS = Credentials("absent"), Credentials("valid", "embedded", "Other 1", certificate=SELF)


@pytest.mark.parametrize(
    ("credentials", "pictures", "said", "number", "words"),
    [
        (VALID, SHOWN, claim(film=FILM), OURS, "self-made"),
        (replace(VALID, certificate=NAMED), SHOWN, claim(film=FILM), OURS, "signed as “Ana, Studio”, vouched for by"),
        (VALID, BARE, claim(film=FILM), OURS, "unchanged"),
        (VALID, SHOWN, claim(film="9" * 10), OURS, f"An older mark of another film ({FILM}) is also in it"),
        (VALID, SHOWN, claim(film=FILM), OURS, "who made it."),
        (VALID, SHOWN, None, CHANGED, "cannot be read"),
        (replace(VALID, state="expired"), SHOWN, claim(), CHANGED, "certificate it was signed with has expired"),
        (replace(VALID, state="tampered"), BARE, claim(), CHANGED, "changed after doublecast signed it"),
        (replace(VALID, state="expired", ours=False, within=True), BARE, claim(), CHANGED, "has expired"),
        (THEIRS, BARE, None, NOT_OURS, "another tool (Other 1), which fits the file"),
        (replace(THEIRS, state="tampered"), BARE, None, NOT_OURS, "or its signed record was damaged"),
        (replace(THEIRS, state="tampered", generator=""), BARE, None, NOT_OURS, "another tool (unnamed)"),
        (replace(THEIRS, state="tampered"), SHOWN, None, CHANGED, "changed after doublecast signed it"),
        (replace(THEIRS, state="tampered"), TOLD, None, CHANGED, "changed after doublecast signed it"),
        (replace(THEIRS, state="expired"), BARE, None, NOT_OURS, "certificate it was signed with has expired"),
        (replace(THEIRS, state="expired"), SHOWN, None, CHANGED, "certificate it was signed with has expired"),
        (ABSENT, SHOWN, None, CHANGED, "signed record is gone"),
        (ABSENT, TOLD, None, CHANGED, "says in its header"),
        (ABSENT, BARE, None, NOT_OURS, "no invisible mark and no signed record"),
        (None, BARE, None, NOT_OURS, "no invisible mark, but its signed record could not be read"),
        (None, Pictures(), None, NOT_OURS, "found in it, but its signed record could not be read"),
        (ABSENT, replace(BARE, comment="AI-altered: x"), None, NOT_OURS, "label like doublecast's is visible"),
        (ABSENT, replace(BARE, marks=(Mark("damaged", "", 1.0, 0, 1),)), None, NOT_OURS, "too damaged to be read"),
        (ABSENT, Pictures(), None, NOT_OURS, "not a picture or film"),
        (None, Pictures(), None, NOT_OURS, "not a picture or film"),
        (None, SHOWN, None, CHANGED, "could not be read"),
    ],
)  # fmt: skip
def test_the_verdict(credentials: Credentials | None, pictures: Pictures, said: Any, number: int, words: str) -> None:
    found = judge(Report(Path("film.mp4"), credentials, pictures, said))
    assert found[0] == number and words in found[1]
    assert not any(word in found[1].lower() for word in ("c2pa", "manifest", "hash", "assertion", "payload", "sha"))


@pytest.mark.parametrize(
    ("credentials", "counts", "number", "words"),
    [
        (VALID, {"ours": 4, "valid": 4}, OURS, "unchanged"),
        (VALID, {"ours": 3, "valid": 4}, CHANGED, "Only 3 of 4 pictures of this folder are signed by doublecast"),
        (VALID, {"ours": 3, "valid": 3, "looked": 3}, CHANGED, "1 of its 4 pictures were not looked at"),
        (VALID, {"ours": 4, "valid": 4, "films": 2}, CHANGED, "different films"),
        (THEIRS, {"valid": 4, "traces": 0}, NOT_OURS, "another tool"),
        (THEIRS, {"valid": 1, "looked": 1, "traces": 0}, NOT_OURS, "3 of its 4 pictures were not looked at"),
        (replace(THEIRS, state="tampered"), {"tampered": 1, "valid": 3, "ours": 3}, CHANGED, "1 of 4 pictures of this"),
        (replace(THEIRS, state="tampered"), {"tampered": 1, "traces": 0}, NOT_OURS, "does not fit it"),
        (ABSENT, {"valid": 1, "absent": 3, "traces": 0}, NOT_OURS, "Nothing of doublecast"),
        (ABSENT, {"valid": 1, "absent": 3, "ours": 1}, CHANGED, "missing in some of the pictures"),
    ],
)
def test_the_verdict_of_a_folder(credentials: Credentials, counts: Any, number: int, words: str) -> None:
    folder = {"pictures": 4, "looked": 4, "ours": 0, "traces": 4, "films": 1, "bad": [], **counts}
    found = judge(Report(Path("folder"), credentials, replace(BARE, kind="pictures"), claim(film=FILM), (), folder))
    assert found[0] == number and words in found[1], found


def test_labels_are_looked_for(whole: Path, tmp_path: Path) -> None:
    (tmp_path / "plain.png").write_bytes(encode_png(textured(3)))
    declared = Label(corner="bottom-left").declared()
    for path, said, state in [
        (whole / "film.png", declared, "seen"),
        (whole / "film.png", None, "seen"),
        (whole / "film.png", {**declared, "text": "Other words"}, "not seen"),
        (whole / "film.png", {"style": "none"}, "declared none"),
        (whole / "film.png", {"style": "something new"}, "unknown"),
        (whole / "film.png", {"text": "", "corner": "nowhere"}, "unknown"),
        (tmp_path / "plain.png", None, "not seen"),
    ]:
        assert read_pictures(path, said, marks=False).label == state, (path, said)
    assert LabelCheck(None).state == "unknown"


# -- hostile files ---------------------------------------------------------------------------------------------------


def test_what_dies_hangs_or_eats_is_told(tmp_path: Path, whole: Path) -> None:
    request = {"do": "pictures", "path": str(whole / "film.png"), "said": None, "marks": False}
    with Sandbox() as sandbox:
        assert sandbox.ask(request, seconds=60)["kind"] == "picture"
        process = sandbox._process
        assert process is not None
        process.kill()
        process.wait()
        assert sandbox.ask(request, seconds=60) == {"error": "reading it broke off"}
        assert sandbox.ask(request, seconds=60)["kind"] == "picture"
        begin = time.monotonic()
        assert sandbox.ask(request, seconds=0) == {"error": "it takes longer than 0 seconds"}
        assert time.monotonic() - begin < 5
        assert sandbox.ask(request, seconds=60)["kind"] == "picture"
        assert "error" in sandbox.ask({**request, "path": str(tmp_path / "none")}, seconds=60)


def test_no_code_of_the_current_folder_is_run(tmp_path: Path, whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Modules that lie beside the file, as in a folder of downloads."""
    for name in ("json", "cv2", "numpy", "os", "doublecast"):
        (tmp_path / f"{name}.py").write_text("open('poisoned', 'w').close(); raise SystemExit")
    monkeypatch.chdir(tmp_path)
    with Sandbox() as sandbox:
        request = {"do": "pictures", "path": str(whole / "film.png"), "said": None, "marks": False}
        assert sandbox.ask(request, seconds=60)["kind"] == "picture"
    assert not (tmp_path / "poisoned").exists()


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="memory cannot be limited there")
def test_a_picture_that_is_huge_when_unpacked(tmp_path: Path) -> None:
    """A small file that unpacks to 1,600 million pixels is refused, one of 67 million is not."""
    for side, kind in ((40_000, ""), (8192, "picture")):
        rows = bytes(1 + side // 8) * 64
        packer = zlib.compressobj()
        body = b"".join(packer.compress(rows) for _ in range(side // 64)) + packer.flush()
        header = side.to_bytes(4, "big") * 2 + bytes([1, 0, 0, 0, 0])
        data = chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
        (tmp_path / "huge.png").write_bytes(b"\x89PNG\r\n\x1a\n" + data)
        with Sandbox() as sandbox:
            request = {"do": "pictures", "path": str(tmp_path / "huge.png"), "said": None, "marks": False}
            assert sandbox.ask(request, seconds=60)["kind"] == kind


def chunk(kind: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")


def test_only_a_bounded_part_of_a_film_is_decoded(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "long.mp4", count=3000, size=(64, 48), options={"g": "25"})
    samples = Samples(path)
    times = [seconds for _, seconds in samples]
    samples.close()
    assert len(times) < 1200
    assert times == sorted(times) and times[0] == 0 and times[-1] > 117
    assert max(np.diff(times)) < 9


def test_mutated_files(whole: Path, tmp_path: Path) -> None:
    """Three hundred of them; ten thousand are in tools/fuzz_verify.py."""
    chance = random.Random(7)
    sources = [whole / name for name in ("film.mp4", "film.png", "remuxed.mp4", "film.mkv")]
    errors = []
    with Sandbox() as sandbox:
        for number in range(300):
            source = chance.choice(sources)
            path = tmp_path / source.name
            data = mutated(source.read_bytes(), chance)
            path.write_bytes(data)
            found = sandbox.ask({"do": "credentials", "path": str(path)}, seconds=20)
            request = {"do": "pictures", "path": str(path), "said": found.get("claim") and {}, "marks": False}
            shown = sandbox.ask(request, seconds=20)
            errors += [f"{number}: {answer['error']}" for answer in (found, shown) if "error" in answer]
            assert found.get("state") != "valid" or data == source.read_bytes(), number
            json.dumps(found)
    assert errors == []
