"""Material of the prior: faces unwrapped into texture space, as one small safetensors file per group.

    python tools/prior/material.py performers WORK --performers ../shared/performers/performers.py
    python tools/prior/material.py faces WORK --faces ../shared/faces/fairface-30plus.tar

`performers` renders synthetic people (identities that no test and no benchmark uses); the people of one group play the
same frames of the same performance in the same light, so that the exact face of one doing what another does is known.
`faces` takes the pictures of an archive that our own tools find frontal, sharp and whole enough. Both go on where they
were stopped. Needs the renderer's own requirements (scipy, moderngl with EGL) for `performers`.
"""

import argparse
import importlib.util
import tarfile
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import torch
from safetensors.torch import save_file

from doublecast.faces.embed import Embedder
from doublecast.faces.track import FaceTracker
from doublecast.model.space import inside, unwrap
from doublecast.types import Face, Frame

SIZE = 128  #: side of the textures
SIDE = 400  #: of the rendered pictures
FIRST_IDENTITY, FIRST_SCENE = 1000, 2000  #: seeds: far from those of tests, demo and benchmarks
PEOPLE, FRAMES, LONG = 4, 30, 240  #: people of a group, frames rendered of each, length of the performance
MOST_YAW, MOST_PITCH = 45.0, 30.0  #: degrees
LEAST_SEEN = 0.75  #: part of the texture that the camera must see
SHARPEST = 0.65  #: part of the archive's faces that is kept, by sharpness


def frame(pixels: np.ndarray, index: int = 0) -> Frame:
    return Frame(index=index, pts=index, time_base=Fraction(1, 25), pixels=pixels)


def write(path: Path, tensors: dict[str, np.ndarray]) -> None:
    """Complete or absent."""
    partial = path.with_suffix(".partial")
    save_file({name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in tensors.items()}, partial)
    partial.rename(path)


def only_face(tracker: FaceTracker, pixels: np.ndarray) -> Face | None:
    """The face of a picture that shows exactly one."""
    faces = tracker.step(frame(pixels))
    return faces[0] if len(faces) == 1 else None


def load(path: Path) -> ModuleType:
    """The renderer, from its file."""
    spec = importlib.util.spec_from_file_location("performers", path)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def performers(work: Path, renderer: Path, groups: int) -> None:
    """Render ``groups`` groups and unwrap them."""
    module = load(renderer)
    model = module.Model()
    stage = module.Renderer(model, SIDE, SIDE, 1.0)
    tracker, embedder = FaceTracker(pictures=True), Embedder()
    for group in range(groups):
        path = work / f"performers-{group:04d}.safetensors"
        if path.exists():
            continue
        rng = np.random.default_rng(group)
        play = module.Performance(FIRST_SCENE + group, LONG)
        scene = module.Scene(FIRST_SCENE + group, SIDE, SIDE, None)
        chosen = np.sort(rng.choice(LONG, FRAMES, replace=False))
        textures = np.zeros((PEOPLE, FRAMES, SIZE, SIZE, 3), np.uint8)
        visible = np.zeros((PEOPLE, FRAMES, SIZE, SIZE), np.uint8)
        vectors = np.zeros((PEOPLE, 128), np.float32)
        for person in range(PEOPLE):
            identity = module.Identity(model, FIRST_IDENTITY + group * PEOPLE + person)
            stage.setup(identity)
            seen = []
            for row, moment in enumerate(chosen):
                picture, _, _ = stage.frame(identity, play, int(moment), scene, False, rng)
                face = only_face(tracker, picture)
                if face is None:
                    continue
                textures[person, row], visible[person, row] = unwrap(picture, face.points, SIZE)
                if abs(face.pose.yaw) < 25:
                    seen.append((picture, face.points))
            if seen:
                vectors[person] = embedder.embed(seen[:8]).mean(0)
        write(path, {"textures": textures, "visible": visible, "vectors": vectors})
        print(f"{path.name}: {(visible.max((2, 3)) > 0).sum()} faces", flush=True)


def pictures(archive: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Names and RGB pixels of the pictures in an archive."""
    with tarfile.open(archive) as tar:
        for member in tar:
            file = tar.extractfile(member) if member.name.endswith(".jpg") else None
            if file is not None:
                data = np.frombuffer(file.read(), np.uint8)
                yield Path(member.name).name, cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def faces(work: Path, archive: Path) -> None:
    """Unwrap the usable pictures of the archive."""
    path = work / "faces.safetensors"
    if path.exists():
        return
    tracker, embedder = FaceTracker(pictures=True), Embedder()
    textures, visible, vectors, sharp = [], [], [], []
    looked_at = 0
    whole = inside(SIZE) > 0
    for _, picture in pictures(archive):
        looked_at += 1
        bordered = cv2.copyMakeBorder(picture, 40, 40, 40, 40, cv2.BORDER_REPLICATE)
        face = only_face(tracker, bordered)
        if face is None or abs(face.pose.yaw) > MOST_YAW or abs(face.pose.pitch) > MOST_PITCH or face.presence < 0.8:
            continue
        inner = face.points.copy()
        inner[:, :2] -= 40
        texture, seen = unwrap(picture, inner, SIZE)
        if (seen[whole] > 128).mean() < LEAST_SEEN:
            continue
        textures.append(texture)
        visible.append(seen)
        sharp.append(face.sharpness)
        vectors.append(embedder.embed([(bordered, face.points)])[0])
        if looked_at % 500 == 0:
            print(f"{looked_at} looked at, {len(textures)} usable", flush=True)
    keep = np.argsort(sharp)[::-1][: round(SHARPEST * len(sharp))]
    keep.sort()
    write(
        path,
        {"textures": np.stack(textures)[keep], "visible": np.stack(visible)[keep], "vectors": np.stack(vectors)[keep]},
    )
    print(f"{path.name}: {len(keep)} of {looked_at} pictures", flush=True)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("kind", choices=["performers", "faces"])
    options.add_argument("work", type=Path)
    options.add_argument("--performers", type=Path, default=Path("../shared/performers/performers.py"))
    options.add_argument("--faces", type=Path, default=Path("../shared/faces/fairface-30plus.tar"))
    options.add_argument("--groups", type=int, default=48)
    given = options.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    if given.kind == "performers":
        performers(given.work, given.performers, given.groups)
    else:
        faces(given.work, given.faces)


if __name__ == "__main__":
    main()
