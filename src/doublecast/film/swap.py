"""The actor's film with the target's face: checkpoint + face -> pixels back in the frame."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from doublecast.faceset import FaceStore
from doublecast.film import detail, openings, person, shape
from doublecast.film.colour import Tone, colour_gain, desaturate, feature_gain, saturation, tone_apart
from doublecast.film.composite import blend, covered, lying_before, sharpen, sharpness_difference
from doublecast.film.look import PLAIN, Look
from doublecast.model import occlusion
from doublecast.model.checkpoint import load_network
from doublecast.model.device import choose_device, precise
from doublecast.model.material import spread
from doublecast.model.networks import pack
from doublecast.model.space import Drawing, draw, fade, unwrap
from doublecast.types import F32, U8, Face, Frame, Patch

SAMPLES = 800  #: faces that a resting shape is learned from
STEADY = 0.12  #: seconds over which the match of colour and sharpness is averaged
QUICK = 0.03  #: the same for what lies before the face, as hands are quick
REACH = 1 / 110  #: of the sharpness that a look adds or takes, as part of the texture's side


@dataclass(frozen=True, slots=True, eq=False)
class _Match:
    """What brings a decoded texture into the shot at one moment: colour, a gain float32 (S, S, 3), then saturation,
    then features, a gain float32 (S, S, 3) for eyes, teeth and lips, then sharpness, then a share of detail; covered:
    float32 (S, S) 0-1, where something lies before the face."""

    seconds: float
    colour: F32
    saturation: float
    features: F32
    sharpness: float
    detail: float
    covered: F32


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """A face of a frame with all that does not depend on the look. texture: float32 (S, S, 3) 0-1 as decoded, points:
    the actor's mesh, openings: what of the actor stays."""

    drawing: Drawing
    points: F32
    openings: openings.Openings
    texture: F32
    match: _Match


def _shape_of(store: FaceStore) -> shape.Shape:
    table = store.table()
    ids = table.id[(table.person == 0) & table.kept]
    return shape.learn(face.face for face in store.load(ids[spread(len(ids), SAMPLES)], crops=False))


def _tone_of(store: FaceStore) -> Tone:
    table = store.table()
    ids = table.id[(table.person == 0) & table.kept]
    return Tone.of(store.tones(ids[spread(len(ids), SAMPLES)]))


@dataclass(frozen=True, slots=True, eq=False)
class People:
    """What is learned of both people from their faces alone, whichever checkpoint draws them.

    shapes: the actor's at rest, and the target's settled in the actor's head. tones: usual
    colours of both. samples: of the actor and the target.
    """

    shapes: tuple[shape.Shape, shape.Shape]
    tones: tuple[Tone, Tone]
    detail: detail.Detail | None
    samples: tuple[person.Samples, person.Samples]
    size: int


def learn(actor: FaceStore, target: FaceStore, size: int) -> People:
    """Get to know both people, for a network of this size: seconds. Raises NoFaceError for an empty faceset."""
    own = _shape_of(actor)
    return People(
        (own, shape.settle(_shape_of(target), own)),
        (_tone_of(actor), _tone_of(target)),
        detail.learn(target, size),
        (person.samples(actor, size), person.samples(target, size)),
        size,
    )


class Swapper:
    """Replaces the actor's face. Call `swap` for the frames of one take in order, and `begin` before another take.

    people: of another checkpoint of the same two facesets, where that was of the same size. `people` has them.
    Raises ModelError for a damaged checkpoint, NoFaceError for an empty faceset, InputError for an absent device.
    """

    def __init__(
        self,
        checkpoint: Path,
        actor: FaceStore,
        target: FaceStore,
        *,
        device: str = "auto",
        people: People | None = None,
    ) -> None:
        self._device = choose_device(device)
        self._network = load_network(checkpoint, self._device)
        self._sides = [self._network.config.identities.index(name) for name in ("target", "actor")]
        size = self._network.config.size
        self.people = people if people is not None and people.size == size else learn(actor, target, size)
        self._type = precise(self._device)
        self._exchange = person.exchange(self._network.encoder, *self.people.samples, self._device)
        self._network.to(self._type)
        self._detail = self.people.detail
        self._matches: dict[int, _Match] = {}

    def begin(self) -> None:
        """Forget the shot before: what comes next is another take."""
        self._matches = {}

    def swap(self, frame: Frame, faces: Sequence[Face], look: Look = PLAIN) -> list[Patch]:
        """The pixels to change in a frame (upright), one patch per face that can be drawn and is seen."""
        return self.compose(frame, self.decode(frame, faces), look)

    def decode(self, frame: Frame, faces: Sequence[Face]) -> list[Decoded]:
        """The costly part of `swap`: the faces of a frame that can be drawn, before any look. Frames in order."""
        found = (self._one(frame, face) for face in faces)
        return [decoded for decoded in found if decoded is not None]

    def compose(self, frame: Frame, faces: Sequence[Decoded], look: Look = PLAIN) -> list[Patch]:
        """The cheap part of `swap`: the pixels to change in the frame that was given to `decode`."""
        patches = (self._drawn(frame, face, look) for face in faces)
        return [patch for patch in patches if patch is not None]

    def _one(self, frame: Frame, face: Face) -> Decoded | None:
        drawing = draw(shape.reshape(face, *self.people.shapes), frame.pixels.shape[:2])
        if drawing is None:
            return None
        seen, visible = unwrap(frame.pixels, face.points, self._network.config.size)
        bare, foreign = occlusion.look(seen, visible)
        texture, own = self._decode(seen, bare)
        gain = colour_gain(texture, seen, bare)
        colourful = saturation(seen, bare, *self.people.tones)
        lit = desaturate(np.clip(texture * gain, 0, 1).astype(np.float32), colourful)
        wanted = _Match(
            frame.seconds,
            gain,
            colourful,
            feature_gain(lit, seen, bare, tone_apart(*self.people.tones)),
            sharpness_difference(texture, seen, bare),
            0.0 if self._detail is None else detail.amount(self._detail, frame, face),
            covered(own, seen, bare, foreign),
        )
        open_now = openings.openings(face, self.people.shapes[0])
        return Decoded(drawing, face.points, open_now, texture, self._steady(face.track, wanted))

    def _drawn(self, frame: Frame, face: Decoded, look: Look) -> Patch | None:
        match = face.match
        colour, features = (
            gain if look.colour == 1 else gain ** np.float32(look.colour) for gain in (match.colour, match.features)
        )
        lit = np.clip(face.texture * colour, 0, 1).astype(np.float32)
        lit = np.clip(desaturate(lit, match.saturation**look.colour) * features, 0, 1).astype(np.float32)
        texture = sharpen(lit, match.sharpness)
        if self._detail is not None and match.detail > 0:
            texture = detail.apply(texture, self._detail, match.detail)
        if look.sharpness:
            texture = sharpen(texture, look.sharpness, REACH * texture.shape[0])
        opacity = fade(self._network.config.size, look.grow, look.feather)
        kept = lying_before(face.drawing, face.points, frame.pixels.shape[:2], match.covered, opacity)
        if look.blend != 1:
            opacity = opacity * np.float32(look.blend)
        shares = replace(face.openings, mouth=face.openings.mouth * look.mouth)
        own = openings.actors_pixels(frame.pixels, face.drawing, face.points, shares, match.covered)
        return blend(frame.pixels, face.drawing, texture, opacity, kept=kept, own=own)

    @torch.inference_mode()
    def _decode(self, picture: U8, visible: U8) -> list[F32]:
        """The face by the target's decoder and by the actor's own, float32 (S, S, 3) each."""
        pixels = torch.from_numpy(picture).permute(2, 0, 1)[None].to(self._device)
        mask = torch.from_numpy(visible)[None, None].to(self._device)
        target, actor = (self._network.decoders[k] for k in self._sides)
        seen = pack(pixels, mask).to(self._type).contiguous(memory_format=torch.channels_last)
        code = self._network.encoder(seen)
        decoded = (target(self._exchange(code))[0], actor(code)[0])
        return [np.ascontiguousarray(x.permute(1, 2, 0).float().cpu().numpy()) for x in decoded]

    def _steady(self, track: int, now: _Match) -> _Match:
        """The match averaged over the last moments of the track, so that it does not flicker."""
        before = self._matches.get(track)
        if before is not None and 0 <= now.seconds - before.seconds < 5 * STEADY:
            share = max(1 - float(np.exp(-(now.seconds - before.seconds) / STEADY)), 1e-3)
            colour = before.colour + share * (now.colour - before.colour)
            features = before.features + share * (now.features - before.features)
            colourful = before.saturation + share * (now.saturation - before.saturation)
            sharpness = before.sharpness + share * (now.sharpness - before.sharpness)
            fine = before.detail + share * (now.detail - before.detail)
            soon = max(1 - float(np.exp(-(now.seconds - before.seconds) / QUICK)), 1e-3)
            hidden = before.covered + soon * (now.covered - before.covered)
            now = _Match(now.seconds, colour, colourful, features, sharpness, fine, hidden)
        self._matches = {t: m for t, m in self._matches.items() if abs(now.seconds - m.seconds) < 5 * STEADY}
        self._matches[track] = now
        return now
