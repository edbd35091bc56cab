"""Where the tile lies: how a picture was scaled, stretched, turned, mirrored and cut since it was marked.

The pilots' frequencies move with scale, stretch and angle, whatever was cut off; so these are found first, by trying
all of them on the power spectrum: one hypothesis costs as many look-ups as there are pilots. Where the tile begins is
then told by the pilots' phases. Phases and the data carriers' signs take no part in the first search, which is why it
does not make chance finds more likely (see `evidence`).
"""

from dataclasses import dataclass

import numpy as np

from doublecast.trust.watermark.carriers import carriers
from doublecast.trust.watermark.spectrum import Spectrum
from doublecast.types import C128, F32, F64

TILES = 0.2, 1.0  #: side of the tile as a share of the picture's shorter side, least and most
USUAL = 0.3  #: such a share decides how finely angles are tried
STRETCH = 1.55  #: most that one side of the tile may be longer than the other
STEP = 0.8  #: bins of the unpadded transform by which the fastest wave moves from one hypothesis to the next
NARROW, WIDE = 3.2, 10.0  #: degrees to either side that are tried
CAP = 9.0  #: times the noise: more power at one pilot counts as this
SMALLEST, LONGEST = 64, 4  #: pixels of the shorter side, and times as long: other pictures are not searched
KEPT = 8  #: hypotheses that are looked at closer
ROUNDS, TRIES, SHRINK = 7, 300, 0.62  #: of random improvement: rounds, tries in each, smaller steps from round to round
GRID, FINE = 128, 512  #: places of the tile's beginning along each side: tried, and after refinement
PLACES = 3  #: beginnings that are looked at closer
TURNED = (((1, 0), (0, 1)), ((-1, 0), (0, 1)), ((0, -1), (1, 0)), ((0, 1), (1, 0)))  #: upright, mirrored, on its side


@dataclass(frozen=True, eq=False)
class Lattice:
    """matrix: float64 (2, 2), frequency in cycles per pixel (x, y) = matrix @ carrier. power: of the pilots there."""

    matrix: F64
    power: float


@dataclass(frozen=True, eq=False)
class Place:
    """start: where the tile begins, as shares of its sides (x, y), counted from the middle of the picture.

    z: how well the pilots' phases agree, in standard deviations of chance (see `evidence`).
    """

    start: F64
    z: float


def lattices(spectrum: Spectrum, *, wide: bool = False) -> list[Lattice]:
    """The KEPT most likely lattices, best first.

    wide: also pictures that were mirrored, laid on their side, or turned by more than a few degrees (slower).
    """
    found: list[Lattice] = []
    if min(spectrum.size) < SMALLEST or max(spectrum.size) > LONGEST * min(spectrum.size):
        return found
    for turned in TURNED if wide else TURNED[:1]:
        found += _coarse(spectrum, np.array(turned, np.float64), WIDE if wide else NARROW)
    found.sort(key=lambda lattice: -lattice.power)
    apart: list[Lattice] = []
    short = min(spectrum.size)
    for lattice in found:
        if all(np.abs(lattice.matrix - other.matrix).max() * short > 0.06 for other in apart):
            apart.append(lattice)
        if len(apart) == KEPT:
            break
    random = np.random.default_rng(0)
    return sorted((_improved(spectrum, one, random) for one in apart), key=lambda lattice: -lattice.power)


def _coarse(spectrum: Spectrum, turned: F64, degrees: float) -> list[Lattice]:
    """The best of all scales, stretches and angles; several of each angle, neighbours among them."""
    width, height = spectrum.size
    short, fastest = min(width, height), float(np.hypot(*carriers().pilots.T).max())
    powers = np.minimum(spectrum.power, np.float32(CAP))
    across, down = (
        np.arange(1 / (TILES[1] * short), 1 / (TILES[0] * short), STEP / (fastest * n)) for n in (width, height)
    )
    stretch = down[:, None] / across[None, :]
    allowed = (stretch < STRETCH) & (stretch > 1 / STRETCH)
    step = np.degrees(STEP * USUAL * short / (fastest * max(width, height)))
    found = []
    for angle in np.radians(np.arange(-degrees, degrees + step / 2, step)):
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) @ turned
        total = np.zeros(stretch.shape, np.float32)
        for x, y in carriers().pilots @ turn.T:
            columns = np.rint(x * across * spectrum.side).astype(np.int64) % spectrum.side
            rows = np.rint(y * down * spectrum.side).astype(np.int64) % spectrum.side
            total += powers[rows[:, None], columns[None, :]]
        total[~allowed] = 0
        for at in np.argpartition(total.ravel(), -40)[-40:]:
            row, column = divmod(int(at), len(across))
            matrix = np.diag([across[column], down[row]]) @ turn
            found.append(Lattice(matrix, float(total[row, column])))
    return found


def _improved(spectrum: Spectrum, lattice: Lattice, random: np.random.Generator) -> Lattice:
    """The best of many slightly different lattices, any shear allowed."""
    matrix, power, reach = lattice.matrix, 0.0, 0.012 * np.sqrt(abs(np.linalg.det(lattice.matrix)))
    for _ in range(ROUNDS):
        steps = random.uniform(-reach, reach, (TRIES, 2, 2))
        steps[0] = 0
        tried = matrix + steps
        powers = spectrum.powers(np.einsum("nij,kj->nki", tried, carriers().pilots))
        totals: F32 = np.minimum(powers, np.float32(2 * CAP)).sum(1)
        best = int(totals.argmax())
        matrix, power, reach = tried[best], float(totals[best]), reach * SHRINK
    return Lattice(matrix, power)


def places(spectrum: Spectrum, lattice: Lattice, *, opposite: bool = False) -> list[Place]:
    """The PLACES most likely beginnings of the tile, best first. opposite: for a picture turned by half a turn."""
    plan = carriers()
    seen = pilots_seen(spectrum, lattice, opposite=opposite) * np.conj(plan.phases)
    scale = float(np.sqrt(np.square(np.abs(seen)).sum() / 2)) + 1e-9
    grid = np.zeros((GRID, GRID), np.complex128)
    grid[plan.pilots[:, 1] % GRID, plan.pilots[:, 0] % GRID] = seen
    fit = np.fft.fft2(grid).real
    rows, columns = np.ogrid[:GRID, :GRID]
    found = []
    for _ in range(PLACES):
        row, column = divmod(int(fit.argmax()), GRID)
        start, z = _finer(seen, np.array([column, row]) / GRID)
        found.append(Place(start, z / scale))
        near = [np.minimum((axis - at) % GRID, (at - axis) % GRID) < 4 for axis, at in ((rows, row), (columns, column))]
        fit[near[0] & near[1]] = -np.inf
    return sorted(found, key=lambda place: -place.z)


def pilots_seen(spectrum: Spectrum, lattice: Lattice, *, opposite: bool) -> C128:
    """Amplitudes of the pilots, complex (PILOTS,)."""
    seen = spectrum.amplitudes(carriers().pilots @ lattice.matrix.T)
    return np.conj(seen) if opposite else seen


def data_seen(spectrum: Spectrum, lattice: Lattice, place: Place, *, opposite: bool) -> C128:
    """Amplitudes of the data carriers as they were in the tile, complex (N,)."""
    plan = carriers()
    seen = spectrum.amplitudes(plan.data @ lattice.matrix.T)
    seen = np.conj(seen) if opposite else seen
    out: C128 = seen * np.exp(-2j * np.pi * (plan.data @ place.start))
    return out


def _finer(seen: C128, start: F64) -> tuple[F64, float]:
    """Improve a beginning to 1 / FINE of the tile; also the sum of the pilots' agreement."""
    around = np.stack(np.meshgrid([-1, 0, 1], [-1, 0, 1]), -1).reshape(-1, 2)
    step, best = 1 / GRID, 0.0
    while step > 1 / FINE:
        step /= 2
        tried = start + step * around
        fit = (seen * np.exp(-2j * np.pi * (tried @ carriers().pilots.T))).real.sum(1)
        best, start = float(fit.max()), tried[int(fit.argmax())]
    return start, best
