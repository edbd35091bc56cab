"""The actor's film with the target's face: checkpoint + face -> pixels back in the frame."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import cast

import numpy as np
import torch

from doublecast.faceset import FaceStore
from doublecast.film import detail, eyes, features, openings, outline, person, rims, shape, spectacles
from doublecast.film.colour import (
    Apart,
    Tone,
    colour_gain,
    desaturate,
    feature_gain,
    greys,
    in_light,
    matte,
    saturation,
)
from doublecast.film.composite import blend, covered, lying_before, sharpen, sharpness_difference
from doublecast.film.look import PLAIN, Look
from doublecast.model import occlusion
from doublecast.model.checkpoint import load_network
from doublecast.model.device import choose_device, precise
from doublecast.model.exposure import unwrap_developed
from doublecast.model.material import spread
from doublecast.model.networks import pack
from doublecast.model.space import Drawing, draw, fade
from doublecast.types import F32, U8, Face, Frame, Patch

SAMPLES = 800  #: faces that a resting shape is learned from
STEADY = 0.12  #: seconds over which the match of colour and sharpness is averaged
SELDOM = 4  #: the detail of the actor's skin is measured in one of so many frames, as it changes with the shot alone
QUICK = 0.03  #: the same for what lies before the face, as hands are quick
SHARPENED = 0.5  #: times as much as a face is sharpened, so much less is added to its features
REACH = 1 / 110  #: of the sharpness that a look adds or takes, as part of the texture's side


@dataclass(frozen=True, slots=True, eq=False)
class _Match:
    """What brings a decoded texture into the shot at one moment: colour, a gain float32 (S, S, 3), then saturation,
    then marks, a gain float32 (S, S, 3) for eyes, teeth and lips, then sharpness, then a share of detail; slid:
    float32 (3,), see `spectacles.slid`; covered: float32 (S, S) 0-1, where something lies before the face. All as
    of a shot as bright as its developed texture."""

    seconds: float
    colour: F32
    saturation: float
    marks: F32
    sharpness: float
    detail: float
    slid: F32
    covered: F32
    measured: float  #: share of detail when it was measured last, not averaged


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """A face of a frame as the network gets it. texture: uint8 (S, S, 3) and exposure, see `unwrap_developed`; bare and
    foreign: uint8 (S, S), see `occlusion.look`."""

    frame: Frame
    face: Face
    drawing: Drawing
    texture: U8
    exposure: float
    bare: U8
    foreign: U8


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """A face of a frame with all that does not depend on the look. face: the actor's; openings: what of it stays;
    jaw: how far the frame is moved, see `outline.steps`; texture: float32 (S, S, 3) 0-1 as decoded; lines: its
    spectacles, see `rims.seen`; exposure: how many times as bright as the shot the texture is, see `developed`."""

    drawing: Drawing
    face: Face
    openings: openings.Openings
    jaw: F32
    texture: F32
    match: _Match
    exposure: float
    lines: tuple[slice, slice, F32] | None = None


def _shape_of(store: FaceStore) -> shape.Shape:
    table = store.table()
    ids = table.id[(table.person == 0) & table.kept]
    return shape.learn(face.face for face in store.load(ids[spread(len(ids), SAMPLES)], crops=False))


def _pictures(textures: torch.Tensor) -> list[F32]:
    """(N, 3, S, S) as float32 (S, S, 3) each."""
    return list(np.ascontiguousarray(textures.permute(0, 2, 3, 1).float().cpu().numpy()))


def _tone_of(faces: person.Samples) -> Tone:
    return Tone.of(faces.textures.permute(0, 2, 3, 1).numpy(), faces.visible[:, 0].numpy())


@dataclass(frozen=True, slots=True, eq=False)
class People:
    """What is learned of both people from their faces alone, whichever checkpoint draws them.

    shapes: the actor's at rest, and the target's settled in the actor's head. tones: usual colours of both. sharpest:
    faces of the target, whose features are drawn. spectacles: the actor's, which stay on; rims: the target's, and then
    the actor's are off. irises: how the actor's become the target's, None where their colours are not seen. samples: of
    the actor and the target.
    """

    shapes: tuple[shape.Shape, shape.Shape]
    tones: tuple[Tone, Tone]
    detail: detail.Detail | None
    sharpest: features.Sources | None
    spectacles: spectacles.Spectacles | None
    rims: rims.Rims | None
    irises: eyes.Irises | None
    samples: tuple[person.Samples, person.Samples]
    size: int


def learn(actor: FaceStore, target: FaceStore, size: int) -> People:
    """Get to know both people, for a network of this size: seconds. Raises NoFaceError for an empty faceset."""
    own, other = _shape_of(actor), _shape_of(target)
    looked_at = spectacles.looked_at(actor), spectacles.looked_at(target)
    worn, brought = rims.whose(*looked_at)
    samples = person.samples(actor, size), person.samples(target, size)
    return People(
        (own, shape.settle(other, own)),
        (_tone_of(samples[0]), _tone_of(samples[1])),
        detail.learn(target, size),
        features.sources(target, size),
        worn,
        brought,
        eyes.learn(*looked_at),
        samples,
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
        self._apart = Apart.of(*self.people.tones)
        self._greys = greys(*self.people.tones)
        self._detail = self.people.detail
        sharpest = self.people.sharpest
        band = None if self.people.rims is None else self.people.rims.band
        self._missed = None if sharpest is None else features.learn(sharpest, self._redrawn(sharpest), band)
        self._matches: dict[int, _Match] = {}

    def begin(self) -> None:
        """Forget the shot before: what comes next is another take."""
        self._matches = {}

    def swap(self, frame: Frame, faces: Sequence[Face], look: Look = PLAIN) -> list[Patch]:
        """The pixels to change in a frame (upright), one patch over another: each face that can be drawn and is seen,
        and what is moved about it."""
        return self.compose(frame, self.decode(frame, faces), look)

    def decode(self, frame: Frame, faces: Sequence[Face]) -> list[Decoded]:
        """The costly part of `swap`: the faces of a frame that can be drawn, before any look. Frames in order."""
        return self.decode_all([(frame, faces)])[0]

    def decode_all(self, frames: Sequence[tuple[Frame, Sequence[Face]]]) -> list[list[Decoded]]:
        """`decode` of several frames, whose faces the networks see together, which is faster."""
        seen = self._see([(frame, face) for frame, faces in frames for face in faces])
        decoded = iter([self._matched(*row) for row in zip(seen, *self._decode(seen), strict=True)])
        counts = [sum(face.frame is frame for face in seen) for frame, _ in frames]
        return [list(islice(decoded, count)) for count in counts]

    def compose(self, frame: Frame, faces: Sequence[Decoded], look: Look = PLAIN) -> list[Patch]:
        """The cheap part of `swap`: the pixels to change in the frame that was given to `decode`."""
        drawn = [(face, patch) for face in faces if (patch := self._drawn(frame, face, look)) is not None]
        patches = [patch for _, patch in drawn]
        for face, _ in drawn:  # over all of them, as what is moved about a face may be another's
            jaw = np.float32(look.jaw * look.blend) * face.jaw
            moved = outline.moved(frame.pixels, patches, face.drawing.points, jaw, face.face.size)
            patches += [] if moved is None else [moved]
        return patches

    def _see(self, faces: Sequence[tuple[Frame, Face]]) -> list[_Seen]:
        """Those faces that can be drawn, unwrapped."""
        found = [(f, x, draw(shape.reshape(x, *self.people.shapes), f.pixels.shape[:2])) for f, x in faces]
        there = [(frame, face, drawing) for frame, face, drawing in found if drawing is not None]
        if not there:
            return []
        size = self._network.config.size
        unwrapped = (unwrap_developed(frame.pixels, face.points, size) for frame, face, _ in there)
        bright, visible, factors = zip(*unwrapped, strict=True)
        bare, foreign = occlusion.look(np.stack(bright), np.stack(visible))
        return [_Seen(*known, *found) for known, *found in zip(there, bright, factors, bare, foreign, strict=True)]

    def _matched(self, face: _Seen, texture: F32, own: F32) -> Decoded:
        """texture, own: the face by the target's decoder and by the actor's own, float32 (S, S, 3) each."""
        frame, seen, bare = face.frame, face.texture, face.bare
        gain = colour_gain(texture, seen, bare)
        colourful = min(saturation(seen, bare, *self.people.tones), self._apart.trusted)
        coloured = desaturate(in_light(texture, gain, self._greys), colourful)
        fine = self._fine(frame, face.face)
        wanted = _Match(
            frame.seconds,
            gain,
            colourful,
            feature_gain(coloured, seen, bare, self._apart),
            self._sharpness(texture, seen, bare),
            fine,
            self._slid(frame, face.face),
            covered(own, seen, bare, face.foreign),
            fine,
        )
        open_now = openings.openings(face.face, self.people.shapes[0])
        match = self._steady(face.face.track, wanted)
        worn = self.people.spectacles
        lines = (
            None if worn is None else rims.seen(worn, frame.pixels, face.drawing, face.face, match.slid, face.exposure)
        )
        jaw = outline.steps(face.face, *self.people.shapes)
        return Decoded(face.drawing, face.face, open_now, jaw, texture, match, face.exposure, lines)

    def _sharpness(self, texture: F32, seen: U8, bare: U8) -> float:
        """See `sharpness_difference`. Sharp features leave less to sharpen, but skin is not blurred for them."""
        alone = sharpness_difference(texture, seen, bare)
        if self._missed is None:
            return alone
        return max(sharpness_difference(self._whole(texture, 1), seen, bare), min(alone, 0.0))

    def _whole(self, texture: F32, share: float) -> F32:
        """A texture with what the network misses of features, see `features.drawn`."""
        return texture if self._missed is None else features.drawn(texture, self._missed, share)

    def _slid(self, frame: Frame, face: Face) -> F32:
        """Where spectacles have slid to, see `spectacles.slid`, float32 (3,)."""
        if self.people.spectacles is None:
            return np.zeros(3, np.float32)
        texture, visible, _ = unwrap_developed(frame.pixels, face.points, spectacles.SIDE)
        return spectacles.slid(self.people.spectacles, texture, visible)

    def _fine(self, frame: Frame, face: Face) -> float:
        """The share of detail that the shot can carry."""
        if self._detail is None:
            return 0.0
        before = self._before(face.track, frame.seconds)
        if before is not None and frame.index % SELDOM:
            return before.measured
        return detail.amount(self._detail, frame, face)

    def _texture(self, face: Decoded, look: Look) -> F32:
        """A face's texture in the shot's colours and as sharp, with the target's pores, features and spectacles."""
        match = face.match
        colour, marks = (
            gain if look.colour == 1 else gain ** np.float32(look.colour) for gain in (match.colour, match.marks)
        )
        colourful = match.saturation**look.colour
        coloured = desaturate(in_light(face.texture, colour, look.colour * self._greys), colourful)
        texture = sharpen(np.clip(coloured * marks, 0, 1).astype(np.float32), match.sharpness)
        if self._detail is not None and match.detail > 0:
            texture = detail.apply(texture, self._detail, match.detail)
        texture = matte(texture, -look.colour * self._apart.paler)
        texture = self._whole(texture, 1 + min(match.sharpness, 0) - SHARPENED * max(match.sharpness, 0))
        if self.people.rims is not None:
            shot = rims.Shot(
                colourful=colourful,
                softer=-min(match.sharpness, 0),
                large=face.face.size >= detail.SHARP * self._network.config.size,
            )
            texture = rims.drawn(texture, self.people.rims, face.face.pose, look.spectacles, shot)
        if look.sharpness:
            texture = sharpen(texture, look.sharpness, REACH * texture.shape[0])
        return texture if face.exposure == 1 else texture / np.float32(face.exposure)

    def _drawn(self, frame: Frame, face: Decoded, look: Look) -> Patch | None:
        match, texture = face.match, self._texture(face, look)
        opacity = fade(self._network.config.size, look.grow, look.feather)
        kept = lying_before(face.drawing, face.face.points, frame.pixels.shape[:2], match.covered, opacity)
        if look.blend != 1:
            opacity = opacity * np.float32(look.blend)
        left, right = (look.eyes * share for share in face.openings.eyes)
        shares = replace(face.openings, mouth=face.openings.mouth * look.mouth, eyes=(left, right))
        irises = self.people.irises
        if irises is not None:
            irises = irises.tinted(match.saturation**look.colour)
        own = openings.actors_pixels(
            frame.pixels, face.drawing, texture, face.face.points, shares, match.covered, irises
        )
        lines = face.lines
        if lines is not None:
            lines = (*lines[:2], lines[2] ** np.float32(look.spectacles))
        return blend(frame.pixels, face.drawing, texture, opacity, kept=kept, own=own, lines=lines)

    @torch.inference_mode()
    def _decode(self, faces: Sequence[_Seen]) -> tuple[list[F32], list[F32]]:
        """Each face by the target's decoder, and each by the actor's own, float32 (S, S, 3)."""
        if not faces:
            return [], []
        code = self._code(np.stack([x.texture for x in faces]), np.stack([x.bare for x in faces]))
        target, actor = (self._network.decoders[k] for k in self._sides)
        return _pictures(target(self._exchange(code))), _pictures(actor(code))

    @torch.inference_mode()
    def _redrawn(self, faces: features.Sources) -> list[F32]:
        """The target's faces by the target's own decoder, float32 (S, S, 3) each."""
        target = self._network.decoders[self._sides[0]]
        return _pictures(target(self._code(faces.textures, faces.bare)))

    def _code(self, textures: U8, bare: U8) -> torch.Tensor:
        """What the encoder makes of faces, uint8 (N, S, S, 3) and (N, S, S)."""
        pixels = torch.from_numpy(textures).permute(0, 3, 1, 2).to(self._device)
        mask = torch.from_numpy(bare)[:, None].to(self._device)
        seen = pack(pixels, mask).to(self._type).contiguous(memory_format=torch.channels_last)
        return cast(torch.Tensor, self._network.encoder(seen))

    def _before(self, track: int, seconds: float) -> _Match | None:
        """The match of this track a moment ago."""
        before = self._matches.get(track)
        return before if before is not None and 0 <= seconds - before.seconds < 5 * STEADY else None

    def _steady(self, track: int, now: _Match) -> _Match:
        """The match averaged over the last moments of the track, so that it does not flicker."""
        before = self._before(track, now.seconds)
        if before is not None:
            share = max(1 - float(np.exp(-(now.seconds - before.seconds) / STEADY)), 1e-3)
            colour = before.colour + share * (now.colour - before.colour)
            marks = before.marks + share * (now.marks - before.marks)
            colourful = before.saturation + share * (now.saturation - before.saturation)
            sharpness = before.sharpness + share * (now.sharpness - before.sharpness)
            fine = before.detail + share * (now.detail - before.detail)
            slid = before.slid + share * (now.slid - before.slid)
            soon = max(1 - float(np.exp(-(now.seconds - before.seconds) / QUICK)), 1e-3)
            hidden = before.covered + soon * (now.covered - before.covered)
            now = _Match(now.seconds, colour, colourful, marks, sharpness, fine, slid, hidden, now.measured)
        self._matches = {t: m for t, m in self._matches.items() if abs(now.seconds - m.seconds) < 5 * STEADY}
        self._matches[track] = now
        return now
