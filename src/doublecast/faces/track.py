"""Faces through time: detect now and then, follow the mesh from frame to frame, and notice when it goes wrong."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from doublecast.faces import quality
from doublecast.faces.cuts import CutDetector
from doublecast.faces.detect import Detection, Detector, overlap
from doublecast.faces.embed import Embedder, distance
from doublecast.faces.geometry import pose
from doublecast.faces.landmarks import Landmarker, Mesh, Roi
from doublecast.types import F32, F64, MESH, U8, Face, Frame

NEW_SCORE = 0.6  #: a new track needs at least this detector score
NEW_PRESENCE = 0.9  #: and this presence
LOST_PRESENCE = 0.5  #: below this a track ends
DOUBTS = 2  #: a track that the detector does not see this often in a row, while presence is low, ends
DOUBTS_AT_MOST = 6  #: and this often in a row it ends whatever the presence says
SAME_FACE = 0.35  #: boxes of one face overlap at least this much
JUMP = 0.3  #: a face that moves by this part of its size within a frame is looked at again
CHANGE = 0.45  #: correlation of the face's picture with the frame before, below which it is looked at again
OTHER_PERSON = 0.6  #: a vector this far from the track's mean belongs to someone else
SEARCH_EVERY = 3  #: frames between detections after somebody in the shot was lost
SMALL_FACE = 1 / 8  #: when the largest face is below this part of the longer side, smaller ones may be missed
TILES_SELDOM = 4  #: with a large face in the picture, every so many regular detections look in tiles too
PATCH = 24  #: side of the small grey picture of a face


@dataclass(slots=True)
class _Track:
    """A face that is being followed."""

    number: int
    roi: Roi
    mesh: Mesh
    patch: U8
    age: int = 0
    doubts: int = 0
    vectors: F32 | None = None
    seen: int = 0

    @property
    def box(self) -> F64:
        return _box(self.mesh.points)


class FaceTracker:
    """Follows every face of a take, frame by frame.

    The detector runs every ``redetect_every`` frames, at cuts, whenever a face behaves strangely, and on every frame
    while there is none; between them the mesh network follows each face by its own landmarks. Track numbers are
    unique within the take and count up from ``first_track``. A cut ends all tracks; so does, for one track, a vector
    of another person. Identity vectors are made on the 1st and 3rd frame of a track and then every ``embed_every``
    frames (0: never). ``small_faces``: look in tiles where there are no large faces. ``pictures``: the frames are
    unrelated pictures, so each is detected on its own. ``folder``: cache folder of the weights.
    """

    def __init__(
        self,
        *,
        redetect_every: int = 15,
        small_faces: bool = True,
        embed_every: int = 15,
        first_track: int = 0,
        pictures: bool = False,
        threads: int = 1,
        folder: Path | None = None,
    ) -> None:
        if redetect_every < 1 or embed_every < 0:
            raise ValueError(
                f"redetect_every must be at least 1 and embed_every at least 0, got {redetect_every} and {embed_every}"
            )
        self._every, self._embed_every, self._pictures = redetect_every, embed_every, pictures
        self._detector = Detector("back", threads=threads, folder=folder)
        self._tiles = Detector("full", threads=threads, folder=folder) if small_faces else None
        self._landmarker = Landmarker(threads=threads, folder=folder)
        self._embedder = Embedder(folder=folder) if embed_every else None
        self._cuts = CutDetector()
        self._tracks: list[_Track] = []
        self._next = first_track
        self._since = 0  # frames since the last detection
        self._since_tiles = 0  # frames since the last look at tiles
        self._most = 0  # faces there were at once in this shot
        self.cuts: list[int] = []  #: indices of the frames that began a shot

    def step(self, frame: Frame) -> list[Face]:
        """The faces of the next frame, oldest track first. Frames must come in order."""
        pixels = frame.pixels
        cut = self._cuts.step(pixels) or self._pictures
        if cut:
            self.cuts.append(frame.index)
            self._tracks.clear()
            self._most, self._since_tiles = 0, self._every * TILES_SELDOM
        alarm = self._follow(pixels)
        self._since += 1
        self._since_tiles += 1
        missing = len(self._tracks) < self._most and self._since >= SEARCH_EVERY
        if cut or alarm or missing or not self._tracks or self._since >= self._every:
            self._detect(pixels)
        self._most = max(self._most, len(self._tracks))
        vectors = self._vectors(pixels)
        faces = [_face(pixels, track, vector) for track, vector in zip(self._tracks, vectors, strict=True)]
        for track in self._tracks:
            track.age += 1
        return faces

    def _follow(self, pixels: U8) -> bool:
        """Move every track to this frame; True if one of them was lost or behaves strangely."""
        alarm, kept = False, []
        height, width = pixels.shape[:2]
        for track in self._tracks:
            before = track.box
            mesh = self._landmarker(pixels, track.roi)
            after = _box(mesh.points)
            centre = (after[:2] + after[2:]) / 2
            inside = 0 <= centre[0] < width and 0 <= centre[1] < height
            if mesh.presence < LOST_PRESENCE or not inside:
                alarm = True
                continue
            patch = _patch(mesh.crop)
            alarm |= _jumped(before, after) or _correlation(patch, track.patch) < CHANGE
            track.mesh, track.patch = mesh, patch
            track.roi = track.roi.follow(Roi.of_points(mesh.points))
            kept.append(track)
        self._tracks = _without_doubles(kept)
        return alarm

    def _detect(self, pixels: U8) -> None:
        """Hold the tracks against the detector, and begin tracks for faces that have none."""
        self._since = 0
        found = [d for d in self._detector(pixels) if d.score > NEW_SCORE]
        longer = max(pixels.shape[:2])
        largest = max((d.box[3] - d.box[1] for d in found), default=0.0)
        wait = self._every if largest < SMALL_FACE * longer else self._every * TILES_SELDOM
        if self._tiles is not None and self._since_tiles >= wait:
            self._since_tiles = 0
            found += [d for d in self._tiles.tiles(pixels) if d.score > NEW_SCORE]
        free = self._confirm(found)
        for detection in free:
            self._begin(pixels, detection)

    def _confirm(self, found: list[Detection]) -> list[Detection]:
        """Drop tracks that the detector disowns; returns the detections that belong to no track."""
        boxes = np.array([d.box for d in found], np.float64).reshape(-1, 4)
        free, kept = np.ones(len(found), bool), []
        for track in self._tracks:
            same = overlap(track.box, boxes) > SAME_FACE
            free &= ~same
            track.doubts = 0 if same.any() else track.doubts + 1
            doubtful = track.doubts >= DOUBTS and track.mesh.presence < NEW_PRESENCE
            if not doubtful and track.doubts < DOUBTS_AT_MOST:
                kept.append(track)
        self._tracks = kept
        return [d for d, is_free in zip(found, free, strict=True) if is_free]

    def _begin(self, pixels: U8, detection: Detection) -> None:
        """Begin a track if the mesh agrees that this is a face, and nobody follows it yet."""
        roi = Roi.of_detection(detection.points)
        mesh = self._landmarker(pixels, roi)
        if mesh.presence <= NEW_PRESENCE:
            return
        roi = Roi.of_points(mesh.points)  # a second look from the mesh's own region is as good as a tracked one
        mesh = self._landmarker(pixels, roi)
        if mesh.presence <= NEW_PRESENCE:
            return
        others = np.array([track.box for track in self._tracks]).reshape(-1, 4)
        if (overlap(_box(mesh.points), others) > SAME_FACE).any():
            return
        self._tracks.append(_Track(self._next, roi, mesh, _patch(mesh.crop)))
        self._next += 1

    def _vectors(self, pixels: U8) -> list[F32 | None]:
        """Identity vectors of the tracks whose turn it is; a track that shows another person gets a new number."""
        vectors: list[F32 | None] = [None] * len(self._tracks)
        if self._embedder is None:
            return vectors
        due = [k for k, t in enumerate(self._tracks) if t.age in (0, 2) or t.age % self._embed_every == 0]
        if not due:
            return vectors
        made = self._embedder.embed([(pixels, self._tracks[k].mesh.points) for k in due])
        for k, vector in zip(due, made, strict=True):
            vectors[k] = vector
            track = self._tracks[k]
            if track.vectors is not None and distance(track.vectors / np.float32(track.seen), vector) > OTHER_PERSON:
                track.number, track.age, track.vectors, track.seen = self._next, 0, None, 0
                self._next += 1
            track.vectors = vector if track.vectors is None else track.vectors + vector
            track.seen += 1
        return vectors


def _face(pixels: U8, track: _Track, vector: F32 | None) -> Face:
    points = track.mesh.points
    return Face(
        points=points,
        track=track.number,
        presence=track.mesh.presence,
        pose=pose(points),
        eyes=quality.eyes(points),
        mouth=quality.mouth(points),
        sharpness=quality.sharpness(pixels, points),
        vector=vector,
    )


def _box(points: F32) -> F64:
    """Left, top, right, bottom of the mesh points: float64 (4,)."""
    xy = points[:MESH, :2]
    return np.concatenate([xy.min(0), xy.max(0)]).astype(np.float64)


def _patch(crop: U8) -> U8:
    """A small grey picture of the middle of the crop, where the face is: uint8 (24, 24)."""
    edge = crop.shape[0] // 6
    grey = cv2.cvtColor(crop[edge:-edge, edge:-edge], cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.resize(grey, (PATCH, PATCH), interpolation=cv2.INTER_AREA), np.uint8)


def _correlation(a: U8, b: U8) -> float:
    """Correlation coefficient of two pictures, -1 to 1."""
    return float(cv2.matchTemplate(a, b, cv2.TM_CCOEFF_NORMED)[0, 0])


def _jumped(before: F64, after: F64) -> bool:
    """Whether a box moved or changed its size more than a face does within a frame."""
    size = float((before[2:] - before[:2]).max())
    new_size = float((after[2:] - after[:2]).max())
    shift = float(np.abs(after[:2] + after[2:] - before[:2] - before[2:]).max() / 2)
    return shift > JUMP * size or not 0.7 < new_size / max(size, 1e-6) < 1.4


def _without_doubles(tracks: list[_Track]) -> list[_Track]:
    """Of tracks that have run onto the same face only the oldest stays."""
    kept: list[_Track] = []
    for track in tracks:
        others = np.array([other.box for other in kept]).reshape(-1, 4)
        if not (overlap(track.box, others) > 0.5).any():
            kept.append(track)
    return kept
