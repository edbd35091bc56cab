"""Prints what the occlusion network of the package finds before the faces in WORK.

    python tools/occlusion/measure.py WORK --hair hair-003.safetensors

Of the rendered people in one file: intersection over union, recall and precision of their hair; training on the other
files alone makes them strangers. Of the real faces (faces.safetensors, see tools/prior/material.py): the share of what
is seen of a face that counts as covered, a number for each fifth of them from the darkest skin in its picture to the
brightest. Little is before most faces, so a large share is skin taken for something else.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor
from train import developed_all

from doublecast.model.occlusion import coverage
from doublecast.model.space import depth

INNER = 0.12  #: depth from which a texel lies well within the face


def found(textures: Tensor, visible: Tensor) -> np.ndarray:
    """Coverage float32 (N, S, S) 0-1 of uint8 (N, S, S, 3) as a film would find it."""
    pictures = torch.from_numpy(developed_all(textures.numpy(), visible.numpy()))
    return coverage(pictures.permute(0, 3, 1, 2).contiguous(), visible[:, None])[:, 0].numpy() / np.float32(255)


def hair(path: Path) -> None:
    """Hair of rendered people."""
    part = load_file(path)
    seen = part["visible"].numpy() > 128
    there = (part["hair"].numpy() > 127) & seen
    taken = (found(part["textures"], part["visible"]) > 0.5) & seen
    both = (taken & there).sum()
    print(
        f"hair of {len(there)} rendered faces: IoU {both / (taken | there).sum():.3f}, "
        f"recall {both / there.sum():.3f}, precision {both / max(taken.sum(), 1):.3f}"
    )


def skin(path: Path) -> None:
    """Real faces by the brightness of their skin."""
    faces = load_file(path)
    textures, visible = faces["textures"], faces["visible"]
    seen = visible.numpy() > 128
    brightness = [float(np.median(t[v])) for t, v in zip(textures.numpy(), seen, strict=True)]
    fifth = np.digitize(brightness, np.quantile(brightness, [0.2, 0.4, 0.6, 0.8]))
    share, inner = found(textures, visible), depth(textures.shape[1]) > INNER
    for name, where in (("within", inner), ("at the edge", ~inner)):
        parts = [(share * (seen & where))[fifth == k].sum() / (seen & where)[fifth == k].sum() for k in range(5)]
        shares = ", ".join(f"{part:.3f}" for part in parts)
        print(f"covered of {len(share)} real faces, {name}, from dark to bright: {shares}")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("work", type=Path)
    options.add_argument("--hair", default="hair-003.safetensors")
    given = options.parse_args()
    torch.set_num_threads(1)
    hair(given.work / given.hair)
    skin(given.work / "faces.safetensors")


if __name__ == "__main__":
    main()
