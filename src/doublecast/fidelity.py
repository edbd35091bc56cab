"""How like the truth a picture is, inside a mask: PSNR, SSIM and MS-SSIM. All of them forgive blur."""

import cv2
import numpy as np

from doublecast.types import F64, U8, Bool, check

MS_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  #: exponents of MS-SSIM, finest scale first (Wang et al. 2003)


def _check_pair(picture: U8, truth: U8, mask: Bool) -> None:
    check("picture", picture, (None, None, 3), np.uint8)
    check("truth", truth, (*picture.shape[:2], 3), np.uint8)
    check("mask", mask, picture.shape[:2], np.bool_)
    if not mask.any():
        raise ValueError("the mask is empty: there is nothing to compare")


def psnr(picture: U8, truth: U8, mask: Bool) -> float:
    """Peak signal-to-noise ratio in dB over the RGB values inside the mask; infinite for equal pictures.

    picture, truth: uint8 (H, W, 3). mask: bool (H, W), not empty.
    """
    _check_pair(picture, truth, mask)
    error = float(((picture[mask].astype(np.float64) - truth[mask]) ** 2).mean())
    return float("inf") if error == 0 else float(10 * np.log10(255**2 / error))


def ssim(picture: U8, truth: U8, mask: Bool) -> float:
    """Structural similarity of the luma, mean over the mask: 1 for equal pictures (Wang et al. 2004).

    Gaussian window of 11x11 with sigma 1.5, K1 = .01, K2 = .03. Windows reach over the mask's edge.
    picture, truth: uint8 (H, W, 3) RGB. mask: bool (H, W), not empty.
    """
    _check_pair(picture, truth, mask)
    luminance, structure = _ssim_maps(_luma(picture), _luma(truth))
    return float((luminance * structure)[mask].mean())


def ms_ssim(picture: U8, truth: U8, mask: Bool) -> float:
    """Multi-scale structural similarity of the luma over the mask: 1 for equal pictures (Wang et al. 2003).

    Contrast and structure at every scale, luminance at the coarsest, multiplied with the paper's exponents. Five scales
    need a shorter side of 176 px, so that the 11 px window fits into the coarsest; smaller pictures get fewer scales,
    with the exponents of those brought to a sum of 1. A scale counts where half of the pixel's area is in the mask.
    picture, truth: uint8 (H, W, 3) RGB, at least 11 px. mask: bool (H, W), not empty.
    """
    _check_pair(picture, truth, mask)
    scales = int(np.clip(np.log2(max(min(mask.shape), 11) / 11) + 1, 1, len(MS_WEIGHTS)))
    weights = np.array(MS_WEIGHTS[:scales]) / sum(MS_WEIGHTS[:scales])
    a, b, inside = _luma(picture), _luma(truth), mask.astype(np.float32)
    score = 1.0
    for scale, weight in enumerate(weights):
        chosen = inside >= min(0.5, float(inside.max()))
        luminance, structure = _ssim_maps(a, b)
        last = luminance if scale == scales - 1 else 1.0
        score *= max(float((last * structure)[chosen].mean()), 0.0) ** float(weight)
        size = max(a.shape[1] // 2, 1), max(a.shape[0] // 2, 1)
        a, b = (np.asarray(cv2.resize(x, size, interpolation=cv2.INTER_AREA), np.float64) for x in (a, b))
        inside = np.asarray(cv2.resize(inside, size, interpolation=cv2.INTER_AREA), np.float32)
    return score


def _luma(pixels: U8) -> F64:
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), np.float64)


def _ssim_maps(a: F64, b: F64) -> tuple[F64, F64]:
    """Luminance term, and contrast and structure term, of the structural similarity at every pixel."""
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    mean_a, mean_b, aa, bb, ab = (cv2.GaussianBlur(x, (11, 11), 1.5) for x in (a, b, a * a, b * b, a * b))
    luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    structure = (2 * (ab - mean_a * mean_b) + c2) / (aa - mean_a**2 + bb - mean_b**2 + c2)
    return np.asarray(luminance, np.float64), np.asarray(structure, np.float64)
