"""One reading of a residual: lattice, place, payload."""

from dataclasses import dataclass

import numpy as np

from doublecast.trust.watermark.carriers import gather
from doublecast.trust.watermark.code import decode, encode
from doublecast.trust.watermark.evidence import THRESHOLD, Count
from doublecast.trust.watermark.geometry import Lattice, Place, data_seen, lattices, places
from doublecast.trust.watermark.payload import VERSION, FilmId, unpack
from doublecast.trust.watermark.spectrum import Spectrum
from doublecast.types import F32


@dataclass(frozen=True)
class Reading:
    """What was read. film: None where no payload counts (version: of another version's payload, else None).

    z: of the payload; pilots: best agreement of the pilots. lattice: where (None: nothing was looked at).
    """

    film: FilmId | None
    version: int | None
    z: float
    pilots: float
    lattice: Lattice | None = None
    opposite: bool = False


def read(residual: F32, count: Count, *, known: Reading | None = None, wide: bool = False) -> Reading:
    """Look for the mark in a residual or in a sum of residuals, float32 (h, w); what is tried is added to ``count``.

    known: an earlier reading of the same film, whose lattice is tried before all others are. wide: see `lattices`.
    """
    spectrum = Spectrum.of(residual)
    best = Reading(None, None, 0.0, 0.0)
    if known is not None and known.lattice is not None:
        best = _best(spectrum, [known.lattice], count, (known.opposite,))
        if best.film is not None:
            return best
    ways = (False, True) if wide else (False,)
    found = _best(spectrum, lattices(spectrum, wide=wide), count, ways)
    if found.film is None and best.pilots > found.pilots:
        return best
    return found


def _best(spectrum: Spectrum, tried: list[Lattice], count: Count, ways: tuple[bool, ...]) -> Reading:
    where: list[tuple[Lattice, bool, Place]] = []
    for lattice in tried:
        for opposite in ways:
            count.lattices += 1
            where += [(lattice, opposite, place) for place in places(spectrum, lattice, opposite=opposite)]
    if not where or not count.allows(len(where)):
        return Reading(None, None, 0.0, 0.0)
    count.decoded += len(where)
    soft = gather(np.stack([data_seen(spectrum, one, place, opposite=way) for one, way, place in where]))
    bits = decode(soft)
    z = (encode(bits) * soft).sum((1, 2)) / np.sqrt(np.square(soft).sum((1, 2)) + 1e-9)
    pilots = max(place.z for _, _, place in where)
    for at in np.argsort(-z):
        payload = unpack(bits[at]) if z[at] >= THRESHOLD else None
        if payload is not None:
            film, version = payload
            lattice, opposite, _ = where[at]
            return Reading(film if version == VERSION else None, version, float(z[at]), pilots, lattice, opposite)
    lattice, opposite, _ = max(where, key=lambda one: one[2].z)
    return Reading(None, None, float(z.max()), pilots, lattice, opposite)
