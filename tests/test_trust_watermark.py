from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from trust_films import claim
from video_clips import make_clip

from doublecast.errors import InputError
from doublecast.trust import FilmWriter, Label, Signer, Statement
from doublecast.trust.watermark import Detector, FilmId, Found, Marker, detect, detect_film, detect_picture, reading
from doublecast.trust.watermark.carriers import carriers, gather, period, spread, tile
from doublecast.trust.watermark.code import RATE, decode, encode
from doublecast.trust.watermark.evidence import CHANCE, MOST_DECODED, PAYLOADS, THRESHOLD, Count
from doublecast.trust.watermark.payload import BITS, pack, unpack
from doublecast.types import F32, U8
from doublecast.video import Reader, Take, find_takes

FILM = FilmId("0123456789")
SIZE = (640, 360)


def scene(number: int = 0, size: tuple[int, int] = SIZE, seed: int = 0) -> U8:
    """Luma of a soft landscape of blobs and fine grain that moves with ``number``."""
    width, height = size
    random = np.random.default_rng(seed)
    wide = random.normal(0, 1, (height + 64, width + 64)).astype(np.float32)
    picture = 110 + 400 * cv2.GaussianBlur(wide, (0, 0), 12) + 40 * cv2.GaussianBlur(wide, (0, 0), 3) + 2 * wide
    shift = number % 64
    return np.asarray(np.clip(picture[shift : shift + height, shift : shift + width], 0, 255), np.uint8)


def marked(size: tuple[int, int] = SIZE, number: int = 0, film: FilmId = FILM) -> U8:
    return Marker(film, *size).mark_luma(scene(number, size))


def decibels(old: U8, new: U8) -> float:
    return float(10 * np.log10(255**2 / np.mean((old.astype(np.float64) - new) ** 2)))


def jpeg(picture: U8, quality: int) -> U8:
    data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), np.uint8)


def resized(picture: U8, width: float, height: float) -> U8:
    return np.asarray(cv2.resize(picture, None, fx=width, fy=height, interpolation=cv2.INTER_AREA), np.uint8)


def turned(picture: U8, degrees: float) -> U8:
    height, width = picture.shape
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
    return np.asarray(cv2.warpAffine(picture, matrix, (width, height), flags=cv2.INTER_CUBIC), np.uint8)


def curve(picture: U8, change: Callable[[np.ndarray[tuple[int, ...], np.dtype[np.float64]]], object]) -> U8:
    return np.asarray(np.clip(np.asarray(change(picture / 255.0)) * 255, 0, 255), np.uint8)


@pytest.mark.parametrize("text", ["", "012345678", "01234567890", "012345678G", "0123456ABC", "0123456789\n"])
def test_a_film_id_is_checked(text: str) -> None:
    with pytest.raises(ValueError, match="10 lowercase hex digits"):
        FilmId(text)


def test_film_ids_are_random() -> None:
    assert len({FilmId.random().text for _ in range(50)}) == 50


def test_payload_comes_back_and_every_flipped_bit_is_noticed() -> None:
    for film in (FILM, FilmId("0000000000"), FilmId("ffffffffff"), FilmId.random()):
        bits = pack(film)
        assert unpack(bits) == (film, 1)
        for k in range(BITS):
            assert unpack(bits ^ (np.arange(BITS) == k)) is None
    assert unpack(pack(FILM, 7)) == (FILM, 7)


def test_code_corrects_what_noise_does() -> None:
    random = np.random.default_rng(3)
    bits = random.integers(0, 2, (40, BITS)).astype(np.uint8)
    signs = encode(bits)
    weak = 14 / np.sqrt(BITS * RATE)  # a third of the signs of some payloads is wrong
    noisy = (signs * weak + random.normal(0, 1, signs.shape)).astype(np.float32)
    assert ((noisy > 0) != (signs > 0)).mean() > 0.25
    assert (decode(noisy) != bits).any(1).sum() <= 1
    assert (decode(signs) == bits).all()


def test_code_tells_payloads_apart() -> None:
    bits = np.random.default_rng(4).integers(0, 2, BITS).astype(np.uint8)
    every = np.stack([bits ^ np.isin(np.arange(BITS), [k, (k + gap) % BITS])
                      for k in range(BITS) for gap in range(11)])  # fmt: skip
    apart = (encode(every) != encode(bits)).sum((1, 2))
    assert apart.min() > 30


def test_carriers_are_the_same_for_ever() -> None:
    plan = carriers()
    assert len(np.unique(np.concatenate([plan.pilots, plan.data]), axis=0)) == len(plan.pilots) + len(plan.data)
    assert (plan.pilots[:3].tolist(), plan.data[:3].tolist(), plan.order[:4].tolist()) == FIXED
    assert (gather(spread(FILM)[None]) * encode(pack(FILM)) > 0).all()


FIXED: tuple[list[list[int]], list[list[int]], list[int]] = (
    [[-5, 9], [-13, 7], [18, 7]],
    [[-16, 8], [6, 15], [9, 2]],
    [324, 269, 137, 438],
)


def test_a_tile_repeats_without_a_seam() -> None:
    side = 120
    pattern = tile(FILM, side)
    assert pattern.shape == (side, side)
    assert abs(pattern.mean()) < 1e-3
    assert pattern.std() == pytest.approx(1, abs=1e-3)
    inside, across = np.abs(np.diff(pattern, axis=0)).max(), np.abs(pattern[0] - pattern[-1]).max()
    assert across <= inside * 1.2


@pytest.mark.parametrize(
    ("picture", "least"),
    [
        (scene(), 43.0),
        (np.random.default_rng(0).integers(0, 256, (240, 320)).astype(np.uint8), 43.0),
        (np.full((240, 320), 128, np.uint8), 48.0),
        (np.full((240, 320), 20, np.uint8), 54.0),
        (np.zeros((240, 320), np.uint8), 54.0),
        (np.full((9, 7), 128, np.uint8), 43.0),
        (np.full((1, 1), 128, np.uint8), 40.0),
    ],
)
def test_the_mark_is_faint_everywhere(picture: U8, least: float) -> None:
    height, width = picture.shape
    assert decibels(picture, Marker(FILM, width, height).mark_luma(picture)) >= least


def test_the_mark_is_fainter_in_the_dark_and_in_flat_areas() -> None:
    grain = np.random.default_rng(0).normal(0, 12, (240, 320))
    marker = Marker(FILM, 320, 240)
    busy, flat = (np.abs(marker.delta(p.astype(np.uint8))).mean() for p in (128 + grain, np.full((240, 320), 128)))
    dark = np.abs(marker.delta(np.full((240, 320), 24, np.uint8))).mean()
    assert busy > 2 * flat > 4 * dark > 0


def test_stills_change_in_luma_only() -> None:
    colours = cv2.merge([scene(0), scene(9), scene(20)])
    new = Marker(FILM, *SIZE).mark_rgb(np.asarray(colours, np.uint8))
    change = new.astype(int) - colours
    inside = ((colours > 9) & (colours < 246)).all(2)
    assert np.ptp(change[inside], axis=1).max() <= 1
    assert detect_picture(new).film == FILM
    assert (Marker(FILM, 100, 100).mark(new) == Marker(FILM, *SIZE).mark_rgb(new)).all()


@pytest.mark.parametrize(
    ("shape", "dtype"), [((360, 641), np.uint8), ((360, 640), np.float32), ((360, 640, 3), np.uint8)]
)
def test_a_marker_refuses_other_pictures(shape: tuple[int, ...], dtype: type) -> None:
    with pytest.raises(ValueError, match="luma must be uint8 360x640"):
        Marker(FILM, *SIZE).delta(np.zeros(shape, dtype))


ATTACKS: dict[str, Callable[[U8], U8]] = {
    "none": lambda p: p,
    "JPEG 40": lambda p: jpeg(p, 40),
    "smaller": lambda p: resized(p, 0.75, 0.75),
    "larger": lambda p: np.asarray(cv2.resize(p, None, fx=1.5, fy=1.5), np.uint8),
    "cropped": lambda p: p[36:-36, 64:-64],
    "cut to a square, off centre": lambda p: p[:, 11:371],
    "stretched": lambda p: resized(p, 0.75, 1),
    "turned by 2 degrees": lambda p: turned(p, 2),
    "turned by 3 and stretched": lambda p: resized(turned(p, -3), 1, 0.85),
    "turned by 8 degrees": lambda p: turned(p, 8),
    "mirrored": lambda p: np.ascontiguousarray(p[:, ::-1]),
    "upside down": lambda p: np.ascontiguousarray(p[::-1, ::-1]),
    "laid on its side": lambda p: np.ascontiguousarray(np.rot90(p)),
    "on its other side, mirrored": lambda p: np.ascontiguousarray(np.rot90(p, 3)[:, ::-1]),
    "brighter": lambda p: curve(p, lambda x: x + 0.15),
    "less contrast": lambda p: curve(p, lambda x: 0.6 * x + 0.2),
    "gamma": lambda p: curve(p, lambda x: x**1.5),
    "negative": lambda p: 255 - p,
    "letterbox": lambda p: np.pad(p, ((60, 60), (0, 0))),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_one_picture_keeps_the_payload(name: str) -> None:
    found = detect_picture(ATTACKS[name](marked()))
    if name == "negative":  # the phases of all waves are opposite: an honest "not found"
        assert found.state != "found"
        return
    assert (found.film, found.state, found.version) == (FILM, "found", 1)
    assert found.z > THRESHOLD
    assert 1 - CHANCE <= found.confidence <= 1


@pytest.mark.parametrize("size", [(296, 400), (360, 288), (540, 960), (512, 512), (640, 360), (1920, 1080)])
def test_every_size_carries_the_mark(size: tuple[int, int]) -> None:
    assert detect_picture(jpeg(marked(size), 75)).film == FILM


@pytest.mark.parametrize("size", [(1, 1), (7, 9), (40, 1000), (120, 90), (3000, 30)])
def test_tiny_pictures_break_nothing(size: tuple[int, int]) -> None:
    film = detect_picture(marked(size)).film
    assert film in (None, FILM)


def plain(seed: int) -> U8:
    kinds = [
        scene(seed=seed),
        np.full((360, 640), 16 + seed, np.uint8),
        np.random.default_rng(seed).integers(0, 256, (360, 640)).astype(np.uint8),
        np.tile(np.kron([[0, 255], [255, 0]], np.ones((8 + seed, 8))), (50, 50))[:360, :640].astype(np.uint8),
        np.tile(128 + 90 * np.sin(np.arange(640) * (0.4 + seed / 50)), (360, 1)).astype(np.uint8),
    ]
    return np.asarray(kinds[seed % len(kinds)], np.uint8)


@pytest.mark.parametrize("seed", range(10))
def test_nothing_is_found_where_nothing_is(seed: int) -> None:
    found = detect_picture(plain(seed))
    assert (found.state, found.film, found.version, found.confidence) == ("absent", None, None, 0)


def test_another_version_is_told_but_not_guessed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("doublecast.trust.watermark.carriers.pack", lambda film: pack(film, 3))
    picture = marked(film=FilmId("00000000aa"))
    found = detect_picture(picture)
    assert (found.state, found.film, found.version) == ("damaged", None, 3)


def test_a_mark_without_a_readable_payload_is_damaged(monkeypatch: pytest.MonkeyPatch) -> None:
    noise = np.exp(2j * np.pi * np.random.default_rng(0).random(len(carriers().data)))
    monkeypatch.setattr("doublecast.trust.watermark.carriers.spread", lambda film: noise)
    found = detect_picture(marked(film=FilmId("00000000bb")))
    assert (found.state, found.film, found.version) == ("damaged", None, None)
    assert found.confidence >= 1 - CHANCE


def test_a_wrong_checksum_is_damaged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("doublecast.trust.watermark.carriers.pack", lambda film: pack(film) ^ (np.arange(BITS) == 5))
    assert detect_picture(marked(film=FilmId("00000000cc"))).state == "damaged"


def test_threshold_follows_from_the_count() -> None:
    assert PAYLOADS * MOST_DECODED * np.exp(-(THRESHOLD**2) / 2) == pytest.approx(CHANCE / 2)
    assert Count(1, MOST_DECODED - 5).allows(5) and not Count(1, MOST_DECODED - 5).allows(6)
    assert Count(10, 10).payload_chance(THRESHOLD) < CHANCE / 2
    assert Count(1000, 10).pilots_chance(8) > Count(1, 10).pilots_chance(8) > 0


def film_of(parts: list[tuple[FilmId | None, float]], rate: int = 5) -> Iterator[tuple[U8, float]]:
    """Parts of a film, each with its mark and its seconds."""
    number = 0
    for film, seconds in parts:
        for _ in range(round(seconds * rate)):
            luma = scene(number)
            yield (luma if film is None else Marker(film, *SIZE).mark_luma(luma)), number / rate
            number += 1


def brief(found: list[Found]) -> list[tuple[str, FilmId | None, int, int]]:
    return [(one.state, one.film, round(one.start), round(one.end)) for one in found]


OTHER = FilmId("fedcba9876")


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ([(FILM, 6)], [("found", FILM, 0, 6)]),
        ([(None, 4)], [("absent", None, 0, 4)]),
        ([(None, 4), (FILM, 4), (None, 4)],
         [("absent", None, 0, 4), ("found", FILM, 4, 8), ("absent", None, 8, 12)]),
        ([(FILM, 4), (OTHER, 4)], [("found", FILM, 0, 4), ("found", OTHER, 4, 8)]),
        ([], [("absent", None, 0, 0)]),
    ],
)  # fmt: skip
def test_where_in_time(
    parts: list[tuple[FilmId | None, float]], told: list[tuple[str, FilmId | None, int, int]]
) -> None:
    assert brief(detect(film_of(parts), per_window=4)) == told


def test_result_may_be_asked_at_any_time() -> None:
    detector = Detector(frames=4)
    assert detector.result()[0].state == "absent"
    for luma, seconds in film_of([(FILM, 3)]):
        detector.add(luma, seconds)
    first = detector.result()
    assert (first, brief(first)) == (detector.result(), [("found", FILM, 0, 3)])


def test_weak_windows_are_read_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no window alone has a payload, their sum is tried."""
    lone = reading.read
    calls = []

    def deaf(total: F32, count: Count, **more: Any) -> reading.Reading:
        calls.append(1)
        found = lone(total, count, **more)
        return found if len(calls) > 3 else replace(found, film=None, version=None)

    monkeypatch.setattr("doublecast.trust.watermark.detector.read", deaf)
    assert brief(detect(film_of([(FILM, 6)]), per_window=2)) == [("found", FILM, 0, 6)]
    assert len(calls) == 4


def test_pictures_may_change_their_size() -> None:
    def frames() -> Iterator[tuple[U8, float]]:
        for k in range(6):
            yield marked(SIZE if k < 3 else (360, 480), k), k / 5

    assert {one.film for one in detect(frames())} == {FILM}


class Clock:
    """Stands in for `time`: every look at it takes ``step`` seconds."""

    def __init__(self, step: float) -> None:
        self.step, self.now = step, 0.0

    def perf_counter(self) -> float:
        self.now += self.step
        return self.now


def test_a_long_film_is_sampled_within_its_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("doublecast.trust.watermark.detector.time", Clock(0.01))
    luma = marked((320, 240))
    detector = Detector(frames=1, length=600, budget=3.0)
    for second in range(0, 600, 2):
        detector.add(luma, float(second))
    assert detector.spent < 4
    assert not detector.complete
    assert 5 < detector.count.lattices < 150
    (found,) = detector.result()
    assert (found.film, found.start) == (FILM, 0)
    assert found.end > 300


def test_nothing_is_read_after_the_budget() -> None:
    asked = 0

    def endless() -> Iterator[tuple[U8, float]]:
        nonlocal asked
        while True:
            yield scene(asked), asked / 5
            asked += 1

    assert brief(detect(endless(), budget=0.5))[0][0] == "absent"


@pytest.mark.parametrize("wrong", [{"window": 0}, {"frames": 0}, {"budget": -1}])
def test_a_detector_checks_its_options(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        Detector(**wrong)


@pytest.mark.parametrize(
    "picture", [np.zeros((4, 4), np.float32), np.zeros((4, 4, 4), np.uint8), np.zeros(4, np.uint8)]
)
def test_a_detector_refuses_other_pictures(picture: U8) -> None:
    with pytest.raises(ValueError, match="a picture must be uint8"):
        detect_picture(picture)


def made(tmp_path: Path, output: Path, size: tuple[int, int], rotation: int = 0) -> list[Found]:
    """A film as the writer makes it, read again."""
    codec, kind = ("libx264rgb", "rgb24") if size[0] % 2 else ("libx264", "yuv420p")
    clip = make_clip(tmp_path / "in.mp4", size=size, rotation=rotation, codec=codec, pix_fmt=kind)
    take: Take = find_takes([clip])[0]
    with Reader(take) as reader:
        writer = FilmWriter(output, take, reader.info, label=Label(), statement=Statement("x"), film=FILM,
                            claim=claim(), signer=Signer.own(), parts=tmp_path / "parts")  # fmt: skip
        with writer:
            for frame in reader:
                writer.write(frame, [])
    if output.suffix:
        return detect_film(output)
    with Reader(find_takes([output])[0]) as reader:
        return detect((frame.pixels, frame.seconds) for frame in reader)


@pytest.mark.parametrize(
    ("name", "size", "rotation"), [("out.mp4", (320, 240), 0), ("out.mov", (320, 240), 90), ("out", (320, 240), 0),
                                   ("out.mp4", (321, 241), 0)],
)  # fmt: skip
def test_the_writer_marks_films_and_pictures(tmp_path: Path, name: str, size: tuple[int, int], rotation: int) -> None:
    assert [one.film for one in made(tmp_path, tmp_path / name, size, rotation)] == [FILM]


def long_film(path: Path, seconds: int) -> Path:
    """One picture a second, each of them the same."""
    pixels = Marker(FILM, 320, 240).mark_rgb(np.repeat(scene(size=(320, 240))[:, :, None], 3, 2))
    with av.open(str(path), "w") as film:
        stream: Any = film.add_stream("libx264", rate=1, options={"g": "10", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for _ in range(seconds):
            film.mux(stream.encode(av.VideoFrame.from_ndarray(pixels)))
        film.mux(stream.encode())
    return path


def test_a_long_film_is_leapt_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(0.01)
    monkeypatch.setattr("doublecast.trust.watermark.detector.time", clock)
    (found,) = detect_film(long_film(tmp_path / "long.mp4", 900), budget=5.0)
    assert clock.now < 6
    assert (found.film, found.start) == (FILM, 0)
    assert found.end > 600


@pytest.mark.parametrize("damage", ["empty", "text", "cut", "holes"])
def test_damaged_films_say_so_or_are_read(tmp_path: Path, damage: str) -> None:
    whole = long_film(tmp_path / "in.mkv", 40).read_bytes()
    holes = bytearray(whole)
    for at in range(4000, len(holes), 9000):
        holes[at : at + 200] = bytes(200)
    path = tmp_path / f"{damage}.mkv"
    path.write_bytes({"empty": b"", "text": b"x" * 999, "cut": whole[: len(whole) // 2], "holes": bytes(holes)}[damage])
    if damage in ("empty", "text"):
        with pytest.raises(InputError, match="cannot be read as a video"):
            detect_film(path)
    else:
        assert detect_film(path)[0].film == FILM


def test_size_of_tiles() -> None:
    assert [period(*size) for size in ((1280, 720), (3840, 2160), (540, 960), (288, 360), (10, 10))] == [
        256, 768, 208, 179, 48,
    ]  # fmt: skip
