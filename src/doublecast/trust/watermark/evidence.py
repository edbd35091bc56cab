"""How likely chance is, for all that was tried, and what counts as found.

For pictures that have nothing to do with the mark's public random signs and phases, over the choice of those:

- A sum of values with independent random signs, over the root of the sum of their squares, is at least z with a
  probability of at most exp(-z**2 / 2) (Hoeffding 1963), whatever the values are. That holds for every payload, place
  and picture on its own. A reading takes the best of 2**44 payloads (film ids and versions; each has one right
  checksum) at as many places as were decoded: chance finds a payload with at most 2**44 * decoded * exp(-z**2 / 2).
- A sum of amplitudes with independent random phases, over the root of half the sum of their squares, obeys the same
  bound (the moment generating function I0(t) <= exp(t**2 / 4)). The pilots are tried at FINE**2 beginnings of the tile,
  for every lattice and for both directions.

The search over scale, stretch and angle looks at powers only, which do not depend on signs and phases: it adds lattices
to these counts, not the hundreds of thousands that it passes over. All windows of a film count, and
repeats, too: reading the same pictures again cannot add chance, but it is counted as if it could.
"""

import math
from dataclasses import dataclass

from doublecast.trust.watermark.geometry import FINE
from doublecast.trust.watermark.payload import ID_BITS, VERSION_BITS

PAYLOADS = 2.0 ** (ID_BITS + VERSION_BITS)
CHANCE = 1e-6  #: most that chance may do in a film, half for finding a payload, half for finding a damaged mark
MOST_DECODED = 1 << 20  #: places that are decoded in one film at most
THRESHOLD = math.sqrt(2 * math.log(PAYLOADS * MOST_DECODED / (CHANCE / 2)))  #: z from which a payload counts: 10.9


@dataclass
class Count:
    """What was tried so far. lattices: the pilots' phases were looked at; decoded: payloads were read."""

    lattices: int = 0
    decoded: int = 0

    def allows(self, more: int) -> bool:
        """Whether so many places may still be decoded; what THRESHOLD promises holds for MOST_DECODED of them."""
        return self.decoded + more <= MOST_DECODED

    def payload_chance(self, z: float) -> float:
        """Bound of the probability that chance reaches this z somewhere among all that was decoded."""
        return min(1.0, PAYLOADS * max(1, self.decoded) * math.exp(-(z**2) / 2))

    def pilots_chance(self, z: float) -> float:
        """Bound of the probability that chance makes the pilots agree this well somewhere among all that was tried."""
        return min(1.0, float(FINE**2) * max(1, self.lattices) * math.exp(-(z**2) / 2))
