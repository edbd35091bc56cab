"""The actor's film with the target's face: checkpoint + face -> pixels back in the frame."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from doublecast.faceset import FaceStore
from doublecast.film import detail, person, shape
from doublecast.film.composite import blend, colour_gain, sharpen, sharpness_difference, unoccluded
from doublecast.model.checkpoint import load_network
from doublecast.model.material import spread
from doublecast.model.networks import pack
from doublecast.model.space import draw, fade, unwrap
from doublecast.model.train import choose_device
from doublecast.types import F32, U8, Face, Frame, Patch

SAMPLES = 800  #: faces that a resting shape is learned from
STEADY = 0.12  #: seconds over which the match of colour and sharpness is averaged


@dataclass(frozen=True, slots=True, eq=False)
class _Match:
    """What brings a decoded texture into the shot at one moment: gain float32 (S, S, 3), sharpness, share of detail."""

    seconds: float
    colour: F32
    sharpness: float
    detail: float


def _shape_of(store: FaceStore) -> shape.Shape:
    table = store.table()
    ids = table.id[(table.person == 0) & table.kept]
    return shape.learn(face.face for face in store.load(ids[spread(len(ids), SAMPLES)], crops=False))


class Swapper:
    """Replaces the actor's face. Call `swap` for the frames of one take in order, and `begin` before another take.

    Raises ModelError for a damaged checkpoint, NoFaceError for an empty faceset, InputError for an absent device.
    """

    def __init__(self, checkpoint: Path, actor: FaceStore, target: FaceStore, *, device: str = "auto") -> None:
        self._device = choose_device(device)
        self._network = load_network(checkpoint, self._device)
        self._sides = [self._network.config.identities.index(name) for name in ("target", "actor")]
        own = _shape_of(actor)
        self._shapes = own, shape.settle(_shape_of(target), own)
        size = self._network.config.size
        self._person = person.difference(self._network.encoder, actor, target, size, self._device)
        self._detail = detail.learn(target, size)
        self._matches: dict[int, _Match] = {}

    def begin(self) -> None:
        """Forget the shot before: what comes next is another take."""
        self._matches = {}

    def swap(self, frame: Frame, faces: Sequence[Face]) -> list[Patch]:
        """The pixels to change in a frame (upright), one patch per face that can be drawn."""
        patches = (self._one(frame, face) for face in faces)
        return [patch for patch in patches if patch is not None]

    def _one(self, frame: Frame, face: Face) -> Patch | None:
        size = self._network.config.size
        drawing = draw(shape.reshape(face, *self._shapes), frame.pixels.shape[:2])
        if drawing is None:
            return None
        seen, visible = unwrap(frame.pixels, face.points, size)
        texture, own = self._decode(seen, visible)
        wanted = _Match(
            frame.seconds,
            colour_gain(texture, seen, visible),
            sharpness_difference(texture, seen, visible),
            0.0 if self._detail is None else detail.amount(self._detail, frame, face),
        )
        match = self._steady(face.track, wanted)
        texture = sharpen(np.clip(texture * match.colour, 0, 1).astype(np.float32), match.sharpness)
        if self._detail is not None and match.detail > 0:
            texture = detail.apply(texture, self._detail, match.detail)
        return blend(frame.pixels, drawing, texture, fade(size) * unoccluded(own, seen, visible))

    @torch.inference_mode()
    def _decode(self, seen: U8, visible: U8) -> list[F32]:
        """The face by the target's decoder and by the actor's own, float32 (S, S, 3) each."""
        pixels = torch.from_numpy(seen).permute(2, 0, 1)[None].to(self._device)
        mask = torch.from_numpy(visible)[None, None].to(self._device)
        code = self._network.encoder(pack(pixels, mask).contiguous(memory_format=torch.channels_last))
        target, actor = (self._network.decoders[k] for k in self._sides)
        decoded = (target(code + self._person)[0], actor(code)[0])
        return [np.ascontiguousarray(x.permute(1, 2, 0).float().cpu().numpy()) for x in decoded]

    def _steady(self, track: int, now: _Match) -> _Match:
        """The match averaged over the last moments of the track, so that it does not flicker."""
        before = self._matches.get(track)
        if before is not None and 0 <= now.seconds - before.seconds < 5 * STEADY:
            share = max(1 - float(np.exp(-(now.seconds - before.seconds) / STEADY)), 1e-3)
            colour = before.colour + share * (now.colour - before.colour)
            sharpness = before.sharpness + share * (now.sharpness - before.sharpness)
            now = _Match(now.seconds, colour, sharpness, before.detail + share * (now.detail - before.detail))
        self._matches = {t: m for t, m in self._matches.items() if abs(now.seconds - m.seconds) < 5 * STEADY}
        self._matches[track] = now
        return now
