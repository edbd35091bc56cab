"""Landmarks smoothed over time, so that a still head does not shimmer and a moving one does not lag."""

from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from doublecast.faceset import StoredFace
from doublecast.types import F32, MESH

NOISE = 0.009  #: movement, as part of the face's size, below which a point counts as still


def smooth(faces: Iterator[StoredFace], *, window: int = 3) -> Iterator[StoredFace]:
    """The same faces of one take, in the same order, their points averaged over ``window`` frames to either side.

    Bilateral in time, point by point (Tomasi and Manduchi 1998): neighbours count less the further away in time and
    the further the point has moved, so noise goes, blinks and speech stay, and, the window being symmetric, nothing
    lags. Only faces of the same track are averaged. Streams: holds 2 * window + 1 frames of each track.
    """
    history: dict[int, deque[StoredFace]] = defaultdict(lambda: deque(maxlen=4 * window + 2))
    waiting: deque[StoredFace] = deque()
    for face in faces:
        waiting.append(face)
        history[face.face.track].append(face)
        while waiting and waiting[0].index + window < face.index:
            done = waiting.popleft()
            yield _smoothed(done, history[done.face.track], window)
        for track in [t for t, seen in history.items() if seen[-1].index + 4 * window < face.index]:
            del history[track]
    while waiting:
        done = waiting.popleft()
        yield _smoothed(done, history[done.face.track], window)


def _smoothed(face: StoredFace, track: deque[StoredFace], window: int) -> StoredFace:
    near = [other for other in track if abs(other.index - face.index) <= window]
    if len(near) < 2:
        return face
    points: F32 = np.stack([other.face.points for other in near])
    moved = points - face.face.points
    # the head's own movement is no noise: judge each point's travel after the mean travel of the mesh is taken out,
    # and let the whole mesh move only within the noise
    common = moved[:, :MESH].mean(1, keepdims=True)
    size = face.face.size
    own = np.square(moved - common)[..., :2].sum(2) / (NOISE * size) ** 2
    head = np.square(common)[..., :2].sum(2) / (2 * NOISE * size) ** 2
    steps = np.array([other.index - face.index for other in near], np.float32)[:, None]
    weight = np.exp(-0.5 * (own + head + (steps / (0.6 * window)) ** 2))[..., None].astype(np.float32)
    result = face.face.points + (weight * moved).sum(0) / weight.sum(0)
    return replace(face, face=replace(face.face, points=result.astype(np.float32)))
