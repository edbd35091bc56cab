"""The mark's pattern: a tile of waves that repeats over the picture, each wave a carrier of one bit twice or a pilot.

A carrier is a pair of whole numbers (x, y): how many cycles the wave makes along the tile's sides. All lie in a band of
SLOWEST to FASTEST cycles: slower ones drown in what pictures show, faster ones do not survive strong compression
(measured: bench). PILOTS of them have phases that are always the same: they tell where the tile lies and how the
picture was scaled, stretched and turned. Every other one carries two signs of the code, as cosine and as sine.

Which carrier does what, and the random signs that hide the payload, come from SHAKE-256 of a fixed text: equal on every
machine and for ever. They are public, so the mark can be forged: it points to credentials and is no proof by itself.
"""

import hashlib
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from doublecast.trust.watermark.code import RATE, encode
from doublecast.trust.watermark.payload import BITS, VERSION, FilmId, pack
from doublecast.types import C128, F32, F64, I64

SLOWEST, FASTEST = 9.0, 20.0  #: cycles per tile
OFF_AXIS = 2  #: least cycles along either side; edges of blocks and pictures make strong level and upright waves
PILOTS = 48
PILOT_SHARE = 0.3  #: of the pattern's energy
PER_SHORT_SIDE = 256 / 720  #: side of a tile as a share of the picture's shorter side
SMALLEST = 208  #: pixels: smaller tiles have waves that compression does not keep
WHOLE = 0.62  #: at most this share of the shorter side, so that a cropped picture still holds a whole tile
LEAST = 48  #: pixels: fewer cannot hold the fastest waves


@dataclass(frozen=True, eq=False)
class Carriers:
    """pilots: int64 (PILOTS, 2); phases: complex (PILOTS,), length 1; data: int64 (N, 2), cycles along x and y.

    signs: float64 (2 N,) of -1 and 1. order: int64 (2 N,), where the code's signs go: N cosines, then N sines.
    """

    pilots: I64
    phases: C128
    data: I64
    signs: F64
    order: I64


def _random(what: str, count: int) -> F64:
    """float64 (count,) in 0-1."""
    data = hashlib.shake_256(f"doublecast watermark {VERSION} {what}".encode()).digest(4 * count)
    return np.frombuffer(data, "<u4").astype(np.float64) / 2**32


@lru_cache(maxsize=1)
def carriers() -> Carriers:
    """The carriers of this version."""
    reach = int(FASTEST)
    x, y = (axis.ravel() for axis in np.meshgrid(np.arange(-reach, reach + 1), np.arange(OFF_AXIS, reach + 1)))
    inside = (np.abs(x) >= OFF_AXIS) & (np.hypot(x, y) >= SLOWEST) & (np.hypot(x, y) <= FASTEST)
    every = np.stack([x, y], 1)[inside].astype(np.int64)
    every = every[np.argsort(_random("carriers", len(every)), kind="stable")]
    count = BITS * RATE // 2
    assert len(every) >= PILOTS + count, f"{len(every)} carriers cannot hold {PILOTS} pilots and {count} of data"
    return Carriers(
        pilots=every[:PILOTS],
        phases=np.exp(2j * np.pi * _random("phases", PILOTS)),
        data=every[PILOTS : PILOTS + count],
        signs=np.where(_random("signs", 2 * count) < 0.5, -1.0, 1.0),
        order=np.argsort(_random("order", 2 * count), kind="stable").astype(np.int64),
    )


def spread(film: FilmId) -> C128:
    """Amplitudes of the data carriers, complex (N,), length 1, for a film."""
    plan = carriers()
    values = encode(pack(film)).ravel()[plan.order] * plan.signs
    cosines, sines = np.split(values, 2)
    out: C128 = (cosines + 1j * sines) / np.sqrt(2)
    return out


def gather(amplitudes: C128) -> F32:
    """Soft values of the code, float32 (M, 64, RATE), of amplitudes (M, N) as `spread` makes them."""
    plan = carriers()
    values = np.concatenate([amplitudes.real, amplitudes.imag], 1) * plan.signs
    soft = np.empty(values.shape, np.float32)
    soft[:, plan.order] = values
    return soft.reshape(len(values), BITS, RATE)


def period(width: int, height: int) -> int:
    """Side of the tile in pixels for a picture of this size."""
    short = min(width, height)
    return round(max(min(max(PER_SHORT_SIDE * short, SMALLEST), WHOLE * short), LEAST))


def tile(film: FilmId, side: int) -> F32:
    """The pattern: float32 (side, side), mean 0, mean square 1, repeating seamlessly."""
    plan = carriers()
    spectrum = np.zeros((side, side), np.complex128)
    pilots, data = np.sqrt(PILOT_SHARE / PILOTS), np.sqrt((1 - PILOT_SHARE) / len(plan.data))
    spectrum[plan.pilots[:, 1] % side, plan.pilots[:, 0] % side] = pilots * plan.phases
    spectrum[plan.data[:, 1] % side, plan.data[:, 0] % side] = data * spread(film)
    pattern = np.fft.ifft2(spectrum).real
    out: F32 = (pattern / pattern.std()).astype(np.float32)
    return out
