"""Whether somebody of the training data comes out of the prior: swaps with the prior alone, nothing trained.

    python tools/prior/leaks.py WORK PRODUCTION...

WORK: the prior's material. PRODUCTION: jobs whose faces are extracted. Prints, of 24 faces per production, the median
distance of identity vectors to the target, to the actor and to the nearest person of the prior's data; and, to judge
the last one by, how near the target's own footage comes to that nearest person.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import torch
from material import frame  # beside this file
from train import Material

from doublecast.faces.embed import Embedder
from doublecast.faceset import FaceStore
from doublecast.film.swap import Swapper
from doublecast.model.material import gather, spread
from doublecast.model.train import TrainConfig, Trainer
from doublecast.types import Frame
from doublecast.video import composite


def nearest(vectors: np.ndarray, known: np.ndarray) -> float:
    """Median distance to the nearest of ``known``."""
    return float(np.median(np.linalg.norm(vectors[:, None] - known[None], axis=2).min(1)))


def mean(vectors: np.ndarray, gallery: np.ndarray) -> float:
    return float(np.median(np.linalg.norm(vectors[:, None] - gallery[None], axis=2).mean(1)))


def swapped(production: Path) -> np.ndarray:
    """Vectors of faces of the actor, replaced by the prior alone."""
    stores = [FaceStore(production / side) for side in ("actor", "target")]
    sides = [gather(store, 128, "side") for store in stores]
    trainer = Trainer(TrainConfig(), sides, torch.device("cpu"))
    found = []
    with tempfile.TemporaryDirectory() as folder:
        swapper = Swapper(trainer.save(Path(folder), {}), *stores)
        for k, face in enumerate(stores[0].load(sides[0].ids[spread(len(sides[0].ids), 24)])):
            assert face.crop is not None
            moved = type(face.face)(
                **{f: getattr(face.face, f) for f in face.face.__slots__}
                | {"points": face.crop.alignment.apply(face.face.points)}
            )
            shown: Frame = frame(face.crop.pixels, 100 * k)
            found.append((composite(shown.pixels, swapper.swap(shown, [moved])), moved.points))
    return Embedder().embed(found)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("work", type=Path)
    options.add_argument("productions", type=Path, nargs="+")
    given = options.parse_args()
    known = Material(given.work).vectors().numpy()
    for production in given.productions:
        made = swapped(production)
        actor, target = (FaceStore(production / side).vectors()[1] for side in ("actor", "target"))
        print(
            f"{production.name}: to the target {mean(made, target):.3f}, to the actor {mean(made, actor):.3f}, "
            f"to the nearest of the data {nearest(made, known):.3f} "
            f"(the target's own footage {nearest(target, known):.3f})"
        )


if __name__ == "__main__":
    main()
