"""The preview sheet: a few faces of each side as they are, reconstructed, and with the other side's decoder."""

from dataclasses import dataclass

import cv2
import numpy as np
import torch

from doublecast.faceset import FaceStore
from doublecast.model.exposure import unwrap_developed
from doublecast.model.networks import Network, pack
from doublecast.model.space import draw, fade, sample
from doublecast.types import F32, I64, U8

SIDE = 160  #: pixels per picture


@dataclass(frozen=True, slots=True, eq=False)
class Sitter:
    """A face for the sheet. picture: uint8 (SIDE, SIDE, 3); points: float32 (478, 3) in it; crop: uint8 RGB, larger."""

    picture: U8
    points: F32
    crop: U8
    crop_points: F32


def sitters(store: FaceStore, rows: I64, ids: I64) -> list[Sitter]:
    """The faces ``ids[rows]`` made ready for the sheet."""
    made = []
    for face in store.load(ids[rows].tolist(), crops=True):
        if face.crop is None:
            raise ValueError(f"face {face.id} was loaded without its crop")
        points = face.crop.alignment.apply(face.face.points)
        scale = SIDE / face.crop.alignment.size
        small = np.asarray(cv2.resize(face.crop.pixels, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)
        made.append(Sitter(small, (points * scale).astype(np.float32), face.crop.pixels, points))
    return made


def paint(picture: U8, points: F32, texture: F32) -> U8:
    """Draw a texture, float32 (S, S, 3) in 0-1, into a picture through a mesh, fading out at the oval."""
    drawing = draw(points, picture.shape[:2])
    result = picture.copy()
    if drawing is None:
        return result
    alpha = (sample(fade(texture.shape[0]), drawing.uv) * drawing.cover)[..., None]
    h, w = alpha.shape[:2]
    part = result[drawing.y : drawing.y + h, drawing.x : drawing.x + w]
    part[:] = np.clip(part * (1 - alpha) + sample(texture, drawing.uv) * 255 * alpha, 0, 255).astype(np.uint8)
    return result


@torch.inference_mode()
def sheet(network: Network, people: list[list[Sitter]], device: torch.device) -> U8:
    """uint8 (H, W, 3) RGB: per identity three rows, the face | reconstructed | with the next identity's decoder."""
    size, rows = network.config.size, []
    for number, faces in enumerate(people):
        found = (unwrap_developed(face.crop, face.crop_points, size) for face in faces)
        bright, seen, factors = (np.stack(part) for part in zip(*found, strict=True))
        textures = torch.from_numpy(bright).permute(0, 3, 1, 2).to(device)
        visible = torch.from_numpy(seen)[:, None].to(device)
        rows.append([face.picture for face in faces])
        for decoder in (number, (number + 1) % len(people)):
            out = network.swap(pack(textures, visible), decoder).permute(0, 2, 3, 1).cpu().numpy()
            out /= factors.astype(np.float32)[:, None, None, None]
            rows.append([paint(f.picture, f.points, t) for f, t in zip(faces, out, strict=True)])
    width = max(len(row) for row in rows)
    blank = np.zeros((SIDE, SIDE, 3), np.uint8)
    return np.vstack([np.hstack(row + [blank] * (width - len(row))) for row in rows])
