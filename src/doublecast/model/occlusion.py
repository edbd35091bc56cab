"""What lies before a face: hair, hands, spectacles, microphones, found in texture space.

In texture space every face has its eyes, nose and mouth in the same places, so a small network tells what does not
belong there. Its weights (`assets/occlusion.safetensors`, model card beside them) are made by tools/occlusion. Texels
that something covers are treated as those that the head itself hides: they neither train nor are painted.
"""

import itertools
from functools import cache
from importlib.resources import as_file, files
from typing import cast

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from doublecast.model.device import precise
from doublecast.model.networks import Down, Residual, Up, pack
from doublecast.model.prior import read
from doublecast.model.space import BROW_RINGS, EYE_RINGS, MOUTH_RING, depth, filled, importance, inside, layout
from doublecast.types import F32, U8, Bool

SIDE = 128  #: of the textures that the network sees
PATCH = 4  #: side of the patch of texels that one place of the largest grid stands for
WIDTHS = (32, 64, 96)  #: channels of the grids with sides 32, 16 and 8
FILE = "occlusion.safetensors"
SURE, SHARP = 1.0, 2.0  #: how sure and how sharply texels count as covered, of the network's logits
ALWAYS = (0.35, 0.65)  #: share of a person's faces from which a texel counts as covered in all, and as surely covered
FRINGE = (0.1, 0.3)  #: the same above the brows, where what covers is hair and comes back, and thin ends are missed
RIM = 0.03  #: width of the rim around what is covered that does not count as seen, as part of the texture's side
ODD = 3.0  #: logits added where a face's rim is darker than its light explains, as soft hair looks much like skin
DARKER = (0.12, 0.4)  #: log of how much darker than the light on the skin within explains, from which, and surely
OTHER = (0.35, 0.6)  #: difference of its tint from the skin's, in log, from which it is something else, and surely
EVEN = (0.085, 0.077)  #: usual deviations of brightness and tint within, in log, from which on those limits grow
GREY = 0.15  #: difference of a tint from none, in log, up to which it may be a white beard's
BESIDE = (0.2, 0.3)  #: depth up to which that rim counts in full, and where it ends
WITHIN = 0.16  #: depth from which on there is the skin that it is compared with
SEEN = (0.3, 0.6)  #: visibility from which a texel of that rim is judged, and in full: what is hidden is unknown
BEARD = (0.65, 0.8)  #: height in the texture from which dark rims count less, and not at all: there beards are
SHADE = 0.06  #: width of the rim about what is covered in which dark skin is its shadow, or hair missed
SHADED = (0.05, 0.2)  #: log of how much darker than the skin beyond a texel of that rim is, at least, and surely
REDDER = (0.02, 0.05)  #: the same of how much more than the mean its darkest channel is
LASHES = (0.04, 0.09)  #: distance from the eyes up to which dark texels are lashes, and from which they may be hair
BROW = 0.04  #: reach of a brow beyond its ring, as part of the texture's side
OWN = (0.3, 0.6)  #: share of a brow that must be uncovered for the rest not to be the other one's, and surely not
MANY = 300  #: of a person's faces that are asked what they show, at most
OFTEN = 0.97  #: quantile of how well a person's faces show a texel, by which it is seen or not
LITTLE = (0.35, 0.6)  #: that quantile up to which it is not, and from which it is
MUCH = (0.5, 0.8)  #: the same of its mirror image
CORNERS = 0.06  #: reach of lips that move, as part of the texture's side: the other half of a mouth does something else
FILLED = 0.4  #: how much a covered texel that was filled counts in training
BATCH = 32  #: textures that are looked at together


class Occlusion(nn.Module):
    """U-shaped network (Ronneberger et al. 2015) on grids of 32, 16 and 8 places.

    It sees a texture beside its mirror image, as a face is nearly symmetric and a fringe or a hand is not.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(8 * PATCH**2, WIDTHS[0], 3, padding=1)
        self.first = Residual(WIDTHS[0])
        self.down = nn.ModuleList(
            nn.Sequential(Down(narrow, wide), Residual(wide)) for narrow, wide in itertools.pairwise(WIDTHS)
        )
        self.up = nn.ModuleList(
            nn.Sequential(Up(wide, narrow), Residual(narrow)) for narrow, wide in itertools.pairwise(WIDTHS)
        )
        self.head = Up(WIDTHS[0], 1, factor=PATCH)

    def forward(self, x: Tensor) -> Tensor:
        """Packed textures (N, 4, `SIDE`, `SIDE`) to logits (N, 1, `SIDE`, `SIDE`): positive where something covers."""
        both = torch.cat([x, x.flip(3)], 1)
        levels = [self.first(self.stem(F.pixel_unshuffle(both, PATCH)))]
        for down in self.down:
            levels.append(down(levels[-1]))
        y = levels.pop()
        for up in reversed(cast(list[nn.Module], list(self.up))):
            y = up(y) + levels.pop()
        return cast(Tensor, self.head(y).float())


@cache
def load() -> Occlusion:
    """The network that comes with the package. Raises ModelError where its file is damaged."""
    network = Occlusion()
    with as_file(files("doublecast.assets") / FILE) as path:
        network.load_state_dict({name: value.float() for name, value in read(path).items()})
    return network.eval().requires_grad_(False).to(precise(torch.device("cpu")), memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


@torch.inference_mode()
def coverage(textures: Tensor, visible: Tensor) -> Tensor:
    """What something covers, uint8 (N, 1, S, S): 255 where it surely does.

    textures: uint8 (N, 3, S, S); visible: uint8 (N, 1, S, S), as `space.unwrap` gives them. 0 where nothing is visible.
    """
    network, size, found = load(), textures.shape[-1], []
    for x, v in zip(torch.split(textures, BATCH), torch.split(visible, BATCH), strict=True):
        seen = pack(x, v)
        if size != SIDE:
            seen = F.interpolate(seen, (SIDE, SIDE), mode="bilinear", align_corners=False, antialias=size > SIDE)
        logits = network(seen.to(precise(seen.device)).contiguous(memory_format=torch.channels_last))
        logits = logits + ODD * F.interpolate(_odd_rim(seen), (SIDE, SIDE), mode="bilinear", align_corners=False)
        sure = torch.sigmoid(SHARP * logits - SURE)
        if size != SIDE:
            sure = F.interpolate(sure, (size, size), mode="bilinear", align_corners=False)
        found.append((255 * sure * (v > 0)).round().to(torch.uint8))
    return torch.cat(found)


def _beside_eyes(size: int) -> Bool:
    """What lies further out than eyes and brows, bool (size, size)."""
    across = layout().uv[[*itertools.chain(*BROW_RINGS, *EYE_RINGS)], 0]
    column = np.arange(size) / size
    outside = (column < across.min()) | (column > across.max())
    return np.broadcast_to(outside, (size, size))


@cache
def from_eyes(size: int) -> F32:
    """Distance from the eyes as part of the texture's side, float32 (size, size), 0 within."""
    away = cv2.distanceTransform((filled(EYE_RINGS, size) == 0).astype(np.uint8), cv2.DIST_L2, 5)
    return np.asarray(away / size, np.float32)


@cache
def _lashless(size: int) -> F32:
    """Where what is dark is no lash, float32 (size, size) 0-1."""
    return np.asarray(np.clip((from_eyes(size) - LASHES[0]) / (LASHES[1] - LASHES[0]), 0, 1), np.float32)


@cache
def _rim() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """On a grid of half `SIDE`, a row each: a plane's terms (P, 3), skin well within the face (P,) 0-1, how much a
    texel may be beside the face (P,) 0-1, and how surely it is no beard (P,) 0-1."""
    size = SIDE // 2
    deep, plain = depth(size), (importance(size) < 1.05) & (inside(size) > 0)
    near = np.clip((BESIDE[1] - deep) / (BESIDE[1] - BESIDE[0]), 0, 1) * (plain | ((deep > 0) & _beside_eyes(size)))
    y, x = np.mgrid[:size, :size].astype(np.float32) / size
    above = np.clip((BEARD[1] - y) / (BEARD[1] - BEARD[0]), 0, 1)
    rows = np.stack([np.ones_like(x), x, y], -1), plain & (deep > WITHIN), near * _lashless(size), above
    terms, within, beside, beardless = (torch.from_numpy(np.asarray(row, np.float32)) for row in rows)
    return terms.flatten(0, 1), within.flatten(), beside.flatten(), beardless.flatten()


def _uneven(deviation: Tensor, within: Tensor, even: float) -> Tensor:
    """How many times as large as ``even`` a deviation (N, P) usually is where ``within``, bool (N, P): (N, 1), at least
    1. What covers less than half of it does not count."""
    usual = torch.where(within, deviation, torch.nan).nanmedian(1, keepdim=True).values
    return (usual / even).nan_to_num(1).clamp_min(1)


def _odd_rim(seen: Tensor) -> Tensor:
    """Where the rim of a face is darker than the light that falls on it explains, as hair is, or of another colour, as
    the background is beside a cheek that turns away, (N, 1, S / 2, S / 2) 0-1.

    seen: packed textures (N, 4, `SIDE`, `SIDE`). The light is a plane fitted to the log brightness of the skin within,
    skin that lies far off counting less (iteratively reweighted least squares), and one to its tint, as light of two
    colours may fall from both sides. Low in the face what is dark or grey may have any tint between none and the
    skin's, as beards have.
    """
    small = F.avg_pool2d(seen.float(), 2)
    terms, within, beside, beardless = _rim()
    share = small[:, 3].flatten(1)
    pixels = 0.5 + (small[:, :3].flatten(2) - 0.5) / share.clamp_min(SEEN[0])[:, None]  # without the grey of the hidden
    bright = (pixels.mean(1).clamp_min(0) + 0.03).log()
    weight = start = within * (share > 0.5) + 1e-6
    for _ in range(4):
        square = torch.einsum("np,pi,pj->nij", weight, terms, terms) + 1e-5 * torch.eye(3)
        plane = torch.linalg.solve(square, torch.einsum("np,pi,np->ni", weight, terms, bright))
        darker = plane @ terms.T - bright
        weight = start * torch.exp(-((darker / 0.25) ** 2))
    known = (start.sum(1, keepdim=True) > within.sum() / 4).float()  # else there is hardly any skin to compare with
    judged = known * ((share - SEEN[0]) / (SEEN[1] - SEEN[0])).clamp(0, 1)
    tint = (pixels.clamp_min(0) + 0.03).log()
    tint = tint - tint.mean(1, keepdim=True)
    planes = torch.linalg.solve(square, torch.einsum("np,pi,ncp->nic", weight, terms, tint))
    skin = (terms @ planes).mT
    along = ((tint * skin).sum(1, keepdim=True) / skin.square().sum(1, keepdim=True).clamp_min(1e-4)).clamp(0, 1)
    hairy = (darker > DARKER[0]) | (tint.square().sum(1).sqrt() < GREY)
    hair = torch.where(hairy[:, None], (beardless + (1 - beardless) * along) * skin, skin)
    apart, other = ((tint - colour).square().sum(1).sqrt() for colour in (skin, hair))
    uneven, motley = (_uneven(x, start > 0.5, even) for x, even in zip((darker.abs(), apart), EVEN, strict=True))
    dark = ((darker / uneven - DARKER[0]) / (DARKER[1] - DARKER[0])).clamp(0, 1) * judged
    other = ((other / motley - OTHER[0]) / (OTHER[1] - OTHER[0])).clamp(0, 1) * judged
    there = torch.stack([beside * beardless, beside])  # of a dark texel, and of one of another colour
    found = torch.stack([dark, other], 1) * there
    grown = F.max_pool2d(found.view(-1, 2, *small.shape[2:]), 9, 1, 4) * there.view(1, 2, *small.shape[2:])
    return F.avg_pool2d(grown.amax(1, keepdim=True), 3, 1, 1)  # hair ends softly


def usual(covered: Tensor) -> Tensor:
    """The same coverage (N, 1, S, S) of one person's faces, with what covers most of them in all of them, and above the
    brows what covers some: a fringe is there even in the frame in which the network misses it."""
    size = covered.shape[-1]
    top = round(min(float(layout().uv[ring, 1].min()) for ring in BROW_RINGS) * size)
    low, high = (torch.full((size, 1), limit) for limit in ALWAYS)
    low[:top], high[:top] = FRINGE
    always = ((covered.float().mean(0, keepdim=True) / 255 - low) / (high - low)).clamp(0, 1)
    return torch.maximum(covered, (255 * always).round().to(torch.uint8))


def bare(visible: Tensor, covered: Tensor) -> Tensor:
    """Visibility uint8 (N, 1, S, S) without what is covered and a rim around it, where hair and its shadow end."""
    reach = 2 * round(RIM * visible.shape[-1]) + 1
    grown = F.max_pool2d(covered.float(), reach, stride=1, padding=reach // 2)
    return (visible.float() * (1 - grown / 255)).round().to(torch.uint8)


def other_side(seen: Tensor) -> Tensor:
    """Where all of one person's faces, visibility uint8 (N, 1, S, S), show little of the skin and of its mirror image
    much, float32 (1, 1, S, S) 0-1: at such an edge the mesh lies on the background as soon as on a cheek."""
    seen = seen[:: -(-len(seen) // MANY)]
    best = seen.kthvalue(round(OFTEN * (len(seen) - 1)) + 1, dim=0, keepdim=True).values / 255
    little, much = (((best - low) / (high - low)).clamp(0, 1) for low, high in (LITTLE, MUCH))
    size = seen.shape[-1]
    moving = filled([MOUTH_RING], size, round(CORNERS * size)) | (importance(size) > 2.5)  # eyes look elsewhere
    skin = (inside(size) > 0) & (moving == 0)
    return (1 - little) * much.flip(3) * torch.from_numpy(skin)


def fill(textures: Tensor, visible: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
    """Something to learn where something covers the face, so that a decoder never has to guess there.

    seen: the visibility uint8 (N, 1, S, S) that `bare` left. Covered texels get what their mirror image has, in the
    light of their own side, else a smooth continuation of the skin around; so do dark texels beside them, as ends and
    shadows of hair are. Not the eyes: mirrored ones look elsewhere; nor the end of a brow that is seen otherwise.
    Returns textures uint8 (N, 3, S, S), and how much each texel counts in training, uint8 (N, 1, S, S).
    """
    size = textures.shape[-1]
    share = 2 * (1 - seen.float() / visible.float().clamp_min(1)).clamp(0, 0.5) * (visible > 0)  # that is lost
    lost = share > 1 / 16
    open_eyes = torch.from_numpy(importance(size) > 2.5)
    plain = (importance(size) < 1.05).astype(np.float32)  # brows and lips are no skin to go on with
    made_up, taught = textures.clone(), seen.clone()
    for row in torch.nonzero(lost.flatten(1).any(1))[:, 0].tolist():
        sure = (1 - share[row, 0].numpy()) ** 2  # half-covered texels are no skin to go by
        weight: F32 = np.asarray(seen[row, 0].numpy() * sure, np.float32) / np.float32(255)
        if weight.sum() < size:  # hardly anything to go by
            continue
        picture: F32 = np.asarray(textures[row].permute(1, 2, 0).numpy(), np.float32)
        rim = _about(lost[row, 0].numpy()) * plain
        beyond = weight * (1 - rim)
        weight = beyond if (beyond * plain).sum() >= size else weight
        light = _around(picture, weight, 0.2 * size)
        skin = weight * plain if (weight * plain).sum() >= size else weight
        other, mirrored = (np.ascontiguousarray(x[:, ::-1], np.float32) for x in (picture, weight))
        gain = (light + np.float32(4)) / (_around(other, mirrored, 0.2 * size) + np.float32(4))
        near = _around(picture, skin, 0.06 * size)
        usable = mirrored * (1 - _own_brows(weight, visible[row, 0].numpy()))
        made = near + usable[..., None] * (other * gain - near)
        left: F32 = np.asarray(1 - share[row, 0].numpy(), np.float32)
        darker = np.log((near + np.float32(4)) / (picture + np.float32(4))) * left[..., None]  # without grain
        have, count = (cv2.GaussianBlur(x, (0, 0), size / 96) for x in (darker, left))
        darker = have / (count[..., None] + np.float32(1e-3))
        dark, red = darker.mean(2), darker.max(2) - darker.mean(2)  # skin's shadows are red
        shade = np.maximum(*(np.clip((x - a) / (b - a), 0, 1) for x, (a, b) in ((dark, SHADED), (red, REDDER))))
        shadow = rim * _lashless(size) * shade
        part = np.maximum(share[row, 0].numpy(), shadow)
        made = picture + part[..., None] * (made - picture)
        rows = torch.from_numpy(part > 1 / 32) & (visible[row, 0] > 0) & ~open_eyes
        made_up[row, :, rows] = torch.from_numpy(np.clip(made, 0, 255).astype(np.uint8)).permute(2, 0, 1)[:, rows]
        counts = taught[row, 0].numpy() * (1 - (1 - FILLED) * shadow)
        counts = np.maximum(counts, 255 * FILLED * share[row, 0].numpy()).round().astype(np.uint8)
        taught[row, 0, rows] = torch.from_numpy(counts)[rows]
    return made_up, taught


def _own_brows(seen: F32, visible: U8) -> F32:
    """Where brows are that are uncovered for the most part, float32 (S, S) 0-1: with a part of the other one, which
    hardly ever lies the same, they would have two ends. seen: float32 (S, S) 0-1, how much of a texel is; visible:
    uint8 (S, S), how much would be with nothing before the face."""
    own = np.zeros_like(seen)
    for area in _brows(seen.shape[0]):
        share = 255 * float((seen * area).sum()) / max(float((visible * area).sum()), 1)
        own += area * np.float32(np.clip((share - OWN[0]) / (OWN[1] - OWN[0]), 0, 1))
    return own


@cache
def _brows(size: int) -> list[F32]:
    """Either brow and what is around it, float32 (size, size) 0 or 1."""
    return [filled([ring], size, round(BROW * size)).astype(np.float32) for ring in BROW_RINGS]


def _about(lost: Bool) -> F32:
    """Texels that are lost, bool (S, S), and a rim about them: float32 (S, S) 0-1."""
    reach = 2 * round(SHADE * lost.shape[0]) + 1
    grown = cv2.dilate(lost.astype(np.float32), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach)))
    return np.asarray(cv2.GaussianBlur(grown, (0, 0), SHADE * lost.shape[0] / 4), np.float32)


def _around(picture: F32, weight: F32, reach: float) -> F32:
    """The weighted mean of a picture float32 (S, S, 3) around each place, at a fraction of the size: it is smooth."""
    size = picture.shape[0]
    small = (size // max(1, min(4, round(reach / 4))),) * 2
    parts = (cv2.resize(x, small, interpolation=cv2.INTER_AREA) for x in (picture * weight[..., None], weight))
    have, count = (cv2.GaussianBlur(x, (0, 0), reach * small[0] / size) for x in parts)
    usual = (picture * weight[..., None]).sum((0, 1)) / max(float(weight.sum()), 1e-3)
    mean = (have + 1e-4 * usual) / (count + 1e-4)[..., None]
    return np.asarray(cv2.resize(mean.astype(np.float32), (size, size), interpolation=cv2.INTER_LINEAR), np.float32)


def look(textures: U8, visible: U8) -> tuple[U8, U8]:
    """Of textures uint8 (N, S, S, 3) and visibility uint8 (N, S, S): `bare` visibility, and `coverage`."""
    v = torch.from_numpy(visible)[:, None]
    covered = coverage(torch.from_numpy(textures).permute(0, 3, 1, 2), v)
    return cast(U8, bare(v, covered)[:, 0].numpy()), cast(U8, covered[:, 0].numpy())
