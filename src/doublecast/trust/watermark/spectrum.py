"""The Fourier transform of a residual, and what stands out of it."""

from dataclasses import dataclass

import cv2
import numpy as np

from doublecast.types import C64, C128, F32, F64, I64

AROUND = 41  #: bins: side of the square over which the noise at a frequency is estimated
STRONGEST = 4.0  #: times the noise: larger amplitudes count as this


@dataclass(frozen=True, eq=False)
class Spectrum:
    """size: (width, height) of the residual. values: complex64 (N, N), its transform, zero-padded to N x N.

    power: float32 (N, N), the squared amplitude as a share of noise: what it is on average around that frequency.
    """

    size: tuple[int, int]
    values: C64
    power: F32
    noise: F32

    @classmethod
    def of(cls, residual: F32) -> "Spectrum":
        """The spectrum of a residual, float32 (h, w); sides of at most 1,000 pixels."""
        height, width = residual.shape
        side = 1024 if max(residual.shape) <= 420 else 2048
        padded = np.zeros((side, side), np.float32)
        padded[:height, :width] = residual
        pairs = cv2.dft(padded, flags=cv2.DFT_COMPLEX_OUTPUT, nonzeroRows=height)
        power: F32 = np.square(pairs[:, :, 0]) + np.square(pairs[:, :, 1])
        noise: F32 = cv2.blur(power, (AROUND, AROUND)) + np.float32(1e-9)
        return cls((width, height), pairs.view(np.complex64)[:, :, 0], power / noise, noise)

    @property
    def side(self) -> int:
        """N."""
        return len(self.values)

    def bins(self, frequencies: F64) -> I64:
        """Nearest bins, int64 (..., 2), of frequencies (..., 2) in cycles per pixel along x and y."""
        return np.rint(frequencies * self.side).astype(np.int64)

    def powers(self, frequencies: F64) -> F32:
        """`power` at frequencies (..., 2)."""
        at = self.bins(frequencies) % self.side
        out: F32 = self.power[at[..., 1], at[..., 0]]
        return out

    def amplitudes(self, frequencies: F64) -> C128:
        """Complex amplitudes at frequencies (..., 2), phase 0 in the middle of the picture, noise 1, at most STRONGEST.

        The phase is that of the nearest bin, where a wave's phase in the middle of the picture is its own.
        """
        bins = self.bins(frequencies)
        at = bins % self.side
        middle = (np.array(self.size) - 1) / 2
        found = self.values[at[..., 1], at[..., 0]] / np.sqrt(self.noise[at[..., 1], at[..., 0]])
        size = np.abs(found)
        out: C128 = (
            found * np.minimum(1, STRONGEST / np.maximum(size, 1e-9)) * np.exp(2j * np.pi * (bins @ middle) / self.side)
        )
        return out
