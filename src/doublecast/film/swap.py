"""The actor's film with the target's face: checkpoint + face -> pixels back in the frame."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from doublecast.faceset import FaceStore
from doublecast.film import detail, person, shape
from doublecast.film.colour import colour_gain, feature_gain, tone_apart
from doublecast.film.composite import blend, covered, lying_before, sharpen, sharpness_difference
from doublecast.model.checkpoint import load_network
from doublecast.model.device import choose_device, precise
from doublecast.model.material import spread
from doublecast.model.networks import pack
from doublecast.model.occlusion import look
from doublecast.model.space import draw, fade, unwrap
from doublecast.types import F32, U8, Face, Frame, Patch

SAMPLES = 800  #: faces that a resting shape is learned from
STEADY = 0.12  #: seconds over which the match of colour and sharpness is averaged
QUICK = 0.03  #: the same for what lies before the face, as hands are quick


@dataclass(frozen=True, slots=True, eq=False)
class _Match:
    """What brings a decoded texture into the shot at one moment: gain float32 (S, S, 3), sharpness, share of detail;
    covered: float32 (S, S) 0-1, where something lies before the face."""

    seconds: float
    colour: F32
    sharpness: float
    detail: float
    covered: F32


def _shape_of(store: FaceStore) -> shape.Shape:
    table = store.table()
    ids = table.id[(table.person == 0) & table.kept]
    return shape.learn(face.face for face in store.load(ids[spread(len(ids), SAMPLES)], crops=False))


def _skin_of(store: FaceStore) -> F32:
    """The usual colour of the main person's skin, float32 (3,) 0-1: the median over mesh and faces."""
    table = store.table()
    ids = table.id[(table.person == 0) & table.kept]
    usual = np.median(store.tones(ids[spread(len(ids), SAMPLES)]), axis=(0, 1))
    return np.asarray(usual / 255, np.float32)


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
        self._type = precise(self._device)
        self._person = person.difference(self._network.encoder, actor, target, size, self._device).to(self._type)
        self._network.to(self._type)
        self._detail = detail.learn(target, size)
        self._tone = tone_apart(_skin_of(actor), _skin_of(target))
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
        bare, foreign = look(seen, visible)
        texture, own = self._decode(seen, bare)
        gain = colour_gain(texture, seen, bare)
        gain *= feature_gain(np.clip(texture * gain, 0, 1).astype(np.float32), seen, bare, self._tone)
        wanted = _Match(
            frame.seconds,
            gain,
            sharpness_difference(texture, seen, bare),
            0.0 if self._detail is None else detail.amount(self._detail, frame, face),
            covered(own, seen, bare, foreign),
        )
        match = self._steady(face.track, wanted)
        texture = sharpen(np.clip(texture * match.colour, 0, 1).astype(np.float32), match.sharpness)
        if self._detail is not None and match.detail > 0:
            texture = detail.apply(texture, self._detail, match.detail)
        kept = lying_before(drawing, face.points, frame.pixels.shape[:2], match.covered)
        return blend(frame.pixels, drawing, texture, fade(size), kept=kept)

    @torch.inference_mode()
    def _decode(self, picture: U8, visible: U8) -> list[F32]:
        """The face by the target's decoder and by the actor's own, float32 (S, S, 3) each."""
        pixels = torch.from_numpy(picture).permute(2, 0, 1)[None].to(self._device)
        mask = torch.from_numpy(visible)[None, None].to(self._device)
        target, actor = (self._network.decoders[k] for k in self._sides)
        seen = pack(pixels, mask).to(self._type).contiguous(memory_format=torch.channels_last)
        code = self._network.encoder(seen)
        decoded = (target(code + self._person)[0], actor(code)[0])
        return [np.ascontiguousarray(x.permute(1, 2, 0).float().cpu().numpy()) for x in decoded]

    def _steady(self, track: int, now: _Match) -> _Match:
        """The match averaged over the last moments of the track, so that it does not flicker."""
        before = self._matches.get(track)
        if before is not None and 0 <= now.seconds - before.seconds < 5 * STEADY:
            share = max(1 - float(np.exp(-(now.seconds - before.seconds) / STEADY)), 1e-3)
            colour = before.colour + share * (now.colour - before.colour)
            sharpness = before.sharpness + share * (now.sharpness - before.sharpness)
            fine = before.detail + share * (now.detail - before.detail)
            soon = max(1 - float(np.exp(-(now.seconds - before.seconds) / QUICK)), 1e-3)
            now = _Match(now.seconds, colour, sharpness, fine, before.covered + soon * (now.covered - before.covered))
        self._matches = {t: m for t, m in self._matches.items() if abs(now.seconds - m.seconds) < 5 * STEADY}
        self._matches[track] = now
        return now
