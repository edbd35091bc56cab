"""Who is who, what is set aside and why, coverage and contact sheets."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from faceset_faces import FakeTake, fill, make, vector
from people import head, picture, skin

from doublecast.errors import AmbiguousFaceError, InputError, NoFaceError, OutputError
from doublecast.events import Event, Note
from doublecast.faceset import (
    Coverage,
    FaceStore,
    Limits,
    StoredFace,
    contact_sheet,
    coverage,
    curate,
    gaps,
    missing,
    person_sheet,
    save_sheet,
)
from doublecast.faceset.identity import SAME
from doublecast.faceset.screening import reasons
from doublecast.types import F32, U8

TAKE = FakeTake("a")
SKIN = {person: skin(person) for person in (1, 2)}


def posed(i: int, *, turn: float = 1.0, centre: tuple[float, float] = (128, 128), scale: float = 60) -> F32:
    """A head that moves a little, as people do when they talk."""
    return head(yaw=turn * 8 * np.sin(i / 7), pitch=turn * 5 * np.cos(i / 5), centre=centre, scale=scale)


def talk(
    frames: Sequence[int],
    *,
    person: int = 1,
    track: int = 0,
    take: FakeTake = TAKE,
    number: int = 0,
    n: int = 0,
    centre: tuple[float, float] = (128, 128),
    scale: float = 60,
    turn: float = 1.0,
    spoil: Callable[[int, U8, F32], U8] | None = None,
    vectors: bool = True,
    sharpness: float = 0.2,
) -> list[StoredFace]:
    """A talking head; its vectors are made every fifth frame."""
    found = []
    for i in frames:
        points = posed(i, turn=turn, centre=centre, scale=scale)
        pixels = picture(points, SKIN[person])
        if spoil is not None:
            pixels = spoil(i, pixels, points)
        known = person if vectors and i % 5 == 0 else None
        mouth = 0.15 + turn * 0.1 * np.sin(i / 2)
        found.append(make(points, i, pixels, take=take, number=number, n=n, track=track, person=known, mouth=mouth,
                          sharpness=sharpness))  # fmt: skip
    return found


def by_frame(store: FaceStore) -> dict[int, str]:
    """Reason by frame of a store with one take and one face a frame."""
    table = store.table()
    return {int(i): str(r) for i, r in zip(table.index, table.reason, strict=True)}


def merged(*tracks: list[StoredFace]) -> list[StoredFace]:
    return sorted((face for track in tracks for face in track), key=lambda face: (face.index, face.id))


# -- persons --------------------------------------------------------------------------------------------------------


def test_a_talking_head_is_kept(tmp_path: Path) -> None:
    store = FaceStore(tmp_path)
    fill(store, talk(range(100)), TAKE)
    done = curate(store)
    assert done.faces == 100 and done.kept >= 90 and set(done.reasons) <= {"near-duplicate"}
    (person,) = done.persons
    assert person.number == 0 and person.seconds == pytest.approx(4.0) and person.faces == 100
    assert len(set(person.portraits)) == 6
    assert store.versions()[-1].number == done.version
    assert curate(store).kept == done.kept, "doing it again changes nothing"


def test_main_person_of_many_takes_and_two_people(tmp_path: Path) -> None:
    store, events = FaceStore(tmp_path), list[Event]()
    for number in range(3):
        take = FakeTake(f"t{number}")
        one = talk(range(20), take=take, number=number, centre=(80, 128), scale=40, track=4)
        two = talk(range(10), take=take, number=number, n=1, person=2, centre=(190, 128), scale=40, track=7)
        fill(store, merged(one, two), take)
    done = curate(store, on_event=events.append)
    assert [p.faces for p in done.persons] == [60, 30] and done.persons[0].seconds == pytest.approx(2.4)
    table = store.table()
    assert set(zip(table.track.tolist(), table.person.tolist(), strict=True)) == {(4, 0), (7, 1)}
    assert set(table.reason[table.person == 1]) == {"other person"}
    assert any(isinstance(event, Note) and "also seen: person 1 1.2 s" in event.text for event in events)
    chosen = curate(store, person=1)
    assert [p.faces for p in chosen.persons] == [30, 60]
    assert set(store.table().track[store.table().person == 0]) == {7}
    with pytest.raises(InputError, match=r"--actor-face 2: there are 2 persons in the actor, 0 to 1"):
        curate(store, person=2, side="the actor")


def test_two_equally_present_people(tmp_path: Path) -> None:
    store = FaceStore(tmp_path / "store")
    one = talk(range(20), centre=(80, 128), scale=40)
    two = talk(range(16), n=1, person=2, centre=(190, 128), scale=40, track=1)
    fill(store, merged(one, two), TAKE)
    sheet = tmp_path / "new" / "people.png"
    with pytest.raises(AmbiguousFaceError, match=r"the target.*people\.png shows them.*--target-face 0 or") as caught:
        curate(store, sheet=sheet, option="--target-face", side="the target")
    assert caught.value.exit_code == 2
    drawn = cv2.imread(str(sheet))
    assert drawn is not None and drawn.shape[1] == 6 * 128
    with pytest.raises(AmbiguousFaceError):
        curate(store)
    assert len(store.versions()) == 1, "nothing was written"
    assert curate(store, person=0).kept > 0


def test_tracks_without_vectors(tmp_path: Path) -> None:
    """A short track belongs to the one it continues in the same place, otherwise to nobody."""
    store = FaceStore(tmp_path)
    main = talk([*range(1, 40)])
    continued = talk(range(42, 45), track=1, vectors=False)
    elsewhere = talk(range(42, 45), n=1, track=2, vectors=False, centre=(40, 60), scale=20)
    late = talk(range(80, 83), track=3, vectors=False)
    before = talk([0], track=9, vectors=False)
    fill(store, merged(main, continued, elsewhere, late, before), TAKE)
    done = curate(store)
    table = store.table()
    of_track = dict(zip(table.track.tolist(), table.person.tolist(), strict=True))
    assert of_track == {0: 0, 1: 0, 2: -1, 3: -1, 9: 0}
    assert done.reasons["unknown person"] == 6


def test_a_spoiled_vector_does_not_split_a_person(tmp_path: Path) -> None:
    store = FaceStore(tmp_path)
    faces = talk(range(40))
    other = [make(f.face.points, f.index, np.full((256, 256, 3), 9, np.uint8), person=5) for f in faces[25:26]]
    fill(store, faces[:25] + other + faces[26:], TAKE)
    fill(store, talk(range(30), take=FakeTake("b"), number=1), FakeTake("b"))
    assert len(curate(store).persons) == 1


def test_no_face_at_all(tmp_path: Path) -> None:
    store = FaceStore(tmp_path)
    with pytest.raises(NoFaceError, match=r"in clip\.mp4.*0 faces in 0 takes"):
        curate(store, side="clip.mp4")
    fill(store, talk(range(3), vectors=False), TAKE)
    with pytest.raises(NoFaceError, match="3 faces in 1 takes"):
        curate(store)


def test_vectors_of_the_tests_are_like_real_ones() -> None:
    same = [float(np.linalg.norm(vector(1, i) - vector(1, i + 50))) for i in range(50)]
    other = [float(np.linalg.norm(vector(1, i) - vector(2, i))) for i in range(50)]
    assert max(same) < SAME < min(other)


# -- quality --------------------------------------------------------------------------------------------------------


def hand(i: int, pixels: U8, points: F32) -> U8:
    """A hand over the mouth in frames 50-69."""
    if 50 <= i < 70:
        x, y = (int(v) for v in points[13, :2])
        cv2.rectangle(pixels, (x - 45, y - 22), (x + 10, y + 40), (236, 214, 200), -1)
    return pixels


def test_a_hand_over_the_face(tmp_path: Path) -> None:
    store = FaceStore(tmp_path)
    fill(store, talk(range(120), spoil=hand), TAKE)
    curate(store)
    found = {i for i, reason in by_frame(store).items() if reason == "occluded"}
    assert found == set(range(50, 70))


def test_light_that_moves_is_no_occlusion(tmp_path: Path) -> None:
    def light(i: int, pixels: U8, points: F32) -> U8:
        ramp = np.linspace(1, 0.55 + 0.4 * np.sin(i / 9), 256)[None, :, None]
        return np.asarray(pixels * ramp, np.uint8)

    store = FaceStore(tmp_path)
    fill(store, talk(range(100), spoil=light), TAKE)
    assert "occluded" not in curate(store).reasons


@pytest.mark.parametrize(
    ("reason", "bad"),
    [
        ("blurred", {"sharpness": 0.05}),
        ("tiny", {"scale": 9}),
        ("cut off", {"centre": (20, 128)}),
    ],
)
def test_bad_faces(tmp_path: Path, reason: str, bad: dict[str, float]) -> None:
    store = FaceStore(tmp_path)
    faces = talk(range(70)) + talk(range(70, 80), **bad)  # type: ignore[arg-type]
    fill(store, faces, TAKE)
    curate(store)
    found = by_frame(store)
    assert {i for i, text in found.items() if text == reason} == set(range(70, 80))
    assert sum(text == "" for text in found.values()) >= 60


def test_wrong_landmarks_and_an_unsure_mesh(tmp_path: Path) -> None:
    store = FaceStore(tmp_path)
    faces = talk(range(90))
    for i in (80, 81):
        points = faces[i].face.points.copy()
        points[:, 0] += 0.6 * (points[:, 1] - points[:, 1].mean())
        points[:, 1] *= 1 + 0.0001
        faces[i] = make(points, i, picture(points, SKIN[1]), sharpness=0.2)
    for i in (84, 85):
        faces[i] = make(faces[i].face.points, i, picture(faces[i].face.points, SKIN[1]), presence=0.5)
    fill(store, faces, TAKE)
    curate(store)
    found = by_frame(store)
    assert [found[i] for i in (80, 81, 84, 85)] == ["misaligned", "misaligned", "occluded", "occluded"]
    assert sum(text == "" for text in found.values()) >= 75


def test_blur_is_relative_to_the_take(tmp_path: Path) -> None:
    store = FaceStore(tmp_path)
    fill(store, talk(range(40)), TAKE)
    soft = FakeTake("soft")
    fill(store, talk(range(40), take=soft, number=1, sharpness=0.05), soft)
    assert "blurred" not in curate(store).reasons


def test_never_too_few_remain() -> None:
    rng = np.random.default_rng(0)
    tests = {"blurred": rng.uniform(1.5, 9, 300), "tiny": rng.uniform(1.5, 9, 300)}
    worst = np.maximum(tests["blurred"], tests["tiny"])
    found = reasons(tests, Limits())
    assert set(np.flatnonzero(found == "")) == set(np.argsort(worst)[:90])
    assert (found[worst == tests["tiny"]] != "blurred").all()
    few = reasons({"blurred": np.full(40, 7.0)}, Limits())
    assert (few == "").all()


def test_near_duplicates(tmp_path: Path) -> None:
    """A still head: one face of each still stretch is enough, but some always remain."""
    store = FaceStore(tmp_path)
    still = [posed(0)] * 60 + [posed(i) for i in range(70)]
    pixels = {i: picture(still[i], SKIN[1]) for i in (0, *range(60, 130))}
    faces = [make(p, i, pixels[i if i >= 60 else 0], person=1 if i % 5 == 0 else None) for i, p in enumerate(still)]
    fill(store, faces, TAKE)
    done = curate(store)
    found = by_frame(store)
    assert found[0] == "" and {found[i] for i in range(1, 60)} == {"near-duplicate"}
    assert done.kept >= 60 and done.reasons["near-duplicate"] < 75

    motionless = FaceStore(tmp_path / "motionless")
    fill(motionless, [make(still[0], i, pixels[0], person=1 if i % 5 == 0 else None) for i in range(150)], TAKE)
    assert curate(motionless).kept == 60


def test_the_users_decisions_survive(tmp_path: Path) -> None:
    store = FaceStore(tmp_path)
    fill(store, talk(range(100), spoil=hand), TAKE)
    curate(store)
    ids = store.table().id
    store.set_aside(ids[[3, 4]])
    store.bring_back(ids[[55]])
    done = curate(store)
    found = by_frame(store)
    assert (found[3], found[4], found[55], found[56]) == ("dropped", "dropped", "", "occluded")
    assert done.reasons["dropped"] == 2
    assert Counter(store.table().manual.tolist()) == {0: 97, 1: 2, 2: 1}


# -- coverage and sheets --------------------------------------------------------------------------------------------


def test_coverage(tmp_path: Path) -> None:
    store = FaceStore(tmp_path)
    pixels = np.full((256, 256, 3), 90, np.uint8)
    turned = [head(yaw=yaw, pitch=pitch) for yaw in (-70, -25, 0, 33) for pitch in (-15, 5) for _ in range(4)]
    fill(store, [make(points, i, pixels) for i, points in enumerate(turned)], TAKE)
    table = store.table()
    store.assign(table.id, np.zeros(len(table), np.int32), [""] * len(table), "all")
    store.set_aside(table.id[-4:])
    found = coverage(store.table())
    assert found.faces == len(turned) - 4 and found.counts.shape == (8, 12)
    columns = {int(c) for c in np.flatnonzero(found.counts.sum(0))}
    assert columns == {0, 3, 9} | (columns & {5, 6}) and len(columns) == 4
    assert found.counts[4, 9] == 0 and found.counts[2, 9] == 4
    assert gaps(found) == [f"only {found.faces} faces", "no face looking more than 20 degrees up",
                           "no face looking more than 20 degrees down"]  # fmt: skip
    assert coverage(store.table(), person=3).faces == 0


def test_what_the_target_lacks() -> None:
    actor, target = np.zeros((8, 12), np.int64), np.zeros((8, 12), np.int64)
    target[4, 6] = 50
    actor[4, 6], actor[3, 7], actor[4, 11], actor[0, 6], actor[7, 0] = 90, 9, 5, 8, 2
    assert missing(Coverage(target), Coverage(actor)) == [
        "yaw 0 to 10, pitch -40 to -30: 8 faces of the actor, none of the target",
        "yaw 50 to 60, pitch 0 to 10: 5 faces of the actor, none of the target",
    ]


def test_contact_sheets(tmp_path: Path) -> None:
    faces = talk(range(7))
    sheet = contact_sheet(faces, columns=3, tile=64, title="All faces")
    assert sheet.dtype == np.uint8 and sheet.shape == (28 + 3 * (64 + 32), 192, 3)
    assert sheet[40:80, 10:50].std() > 5 and sheet[-40:, 80:].std() == 0, "the last row has one face"
    assert contact_sheet([], columns=2, tile=64).shape[1] == 128
    assert person_sheet([("Zoë, person 0", faces), ("person 1", faces[:2])], tile=64).shape[1] == 6 * 64
    path = save_sheet(tmp_path / "x" / "sheet.png", sheet)
    drawn = cv2.imread(str(path))
    assert drawn is not None
    np.testing.assert_array_equal(drawn[..., ::-1], sheet)
    assert [p.name for p in path.parent.iterdir()] == ["sheet.png"]
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"cannot be written as \.pdf"):
        save_sheet(tmp_path / "sheet.pdf", sheet)
    with pytest.raises(OutputError, match=r"sheet\.png"):
        save_sheet(tmp_path / "file" / "sheet.png", sheet)
    bare = StoredFace(1, "a", 1, 1, faces[0].time_base, faces[0].face)
    with pytest.raises(ValueError, match="without its crop"):
        contact_sheet([bare])
