"""Faces with hair before them and exact masks of it, for training the occlusion network: rendered people.

    python tools/occlusion/material.py WORK --performers ../shared/performers/performers.py

Every face is rendered twice, with black and with bright hair: where the two differ there is hair. The real faces that
training lays other things before are made by tools/prior/material.py (`faces`) in the same folder. Needs the renderer's
own requirements (scipy, moderngl with EGL). Goes on where it was stopped.
"""

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "prior"))
from material import LONG, SIZE, load, only_face, write

from doublecast.model.space import unwrap

SIDE = 320  #: of the rendered pictures
FIRST_IDENTITY, FIRST_SCENE = 5000, 6000  #: seeds: far from those of tests, demo, benchmarks and the prior
FRAMES = 3  #: rendered of each person
PART = 40  #: people in a file
HAIR = ("bob02", "bob02", "long01", "braid01", "ponytail01", "short01", "short02", "short03", "short04")
DIFFERENT = 14  #: of 255, between black and bright hair


def render(work: Path, renderer: Path, parts: int) -> None:
    """Render ``parts`` files of people."""
    module = load(renderer)
    model = module.Model()
    from doublecast.faces.track import FaceTracker

    tracker = FaceTracker(pictures=True)
    for part in range(parts):
        path = work / f"hair-{part:03d}.safetensors"
        if path.exists():
            continue
        stage = module.Renderer(model, SIDE, SIDE, 1.0)
        rng = np.random.default_rng(part)
        rows: dict[str, list[np.ndarray]] = {"textures": [], "visible": [], "hair": []}
        for number in range(part * PART, (part + 1) * PART):
            identity = module.Identity(model, FIRST_IDENTITY + number)
            identity.hair = str(rng.choice(HAIR))
            identity.browcol = identity.haircol
            stage.setup(identity)
            play = module.Performance(FIRST_SCENE + number, LONG)
            scene = module.Scene(FIRST_SCENE + number, SIDE, SIDE, None)
            own = identity.haircol * rng.uniform(0.5, 1.6)
            for moment in rng.choice(LONG, FRAMES, replace=False):
                shots = []
                for colour in (own, np.zeros(3), np.full(3, 1.5)):
                    identity.haircol = colour
                    shots.append(stage.frame(identity, play, int(moment), scene, False, None)[0])
                identity.haircol = own
                face = only_face(tracker, shots[0])
                if face is None:
                    continue
                apart = cv2.absdiff(shots[1], shots[2]).max(2)
                mask = np.repeat(np.where(apart > DIFFERENT, 255, 0).astype(np.uint8)[..., None], 3, 2)
                texture, visible = unwrap(shots[0], face.points, SIZE)
                rows["textures"].append(texture)
                rows["visible"].append(visible)
                rows["hair"].append(unwrap(mask, face.points, SIZE)[0][..., 0])
        write(path, {name: np.stack(values) for name, values in rows.items()})
        print(f"{path.name}: {len(rows['hair'])} faces", flush=True)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("work", type=Path)
    options.add_argument("--performers", type=Path, default=Path("../shared/performers/performers.py"))
    options.add_argument("--parts", type=int, default=10)
    given = options.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    render(given.work, given.performers, given.parts)


if __name__ == "__main__":
    main()
