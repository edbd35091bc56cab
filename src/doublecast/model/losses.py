"""Losses over the texels the camera saw. Pictures are NCHW float in 0-1, weights (N, 1, H, W), 0 where hidden."""

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

WINDOW = 8  #: side of the window of the structural similarity, in texels


def _box(x: Tensor) -> Tensor:
    """Mean over 8x8 windows, every second one along each axis: (N, C, H / 2 - 3, W / 2 - 3). By doublings, as on CPUs
    average pooling with stride 1 takes some thirty times as long, backward included."""
    x = x[..., ::2] + x[..., 1::2]
    x = x[..., ::2, :] + x[..., 1::2, :]
    for step in (1, 2):
        x = x[..., step:] + x[..., :-step]
    for step in (1, 2):
        x = x[..., step:, :] + x[..., :-step, :]
    return x / WINDOW**2


def structural(x: Tensor, y: Tensor) -> Tensor:
    """Structural similarity at every second texel, (N, C, H / 2 - 3, W / 2 - 3), at most 1 (Wang et al. 2004, with a
    box window)."""
    mean_x, mean_y, xx, yy, xy = (_box(t) for t in (x, y, x * x, y * y, x * y))
    var_x, var_y, cov = xx - mean_x * mean_x, yy - mean_y * mean_y, xy - mean_x * mean_y
    a = (2 * mean_x * mean_y + 1e-4) * (2 * cov + 9e-4)
    return a / ((mean_x * mean_x + mean_y * mean_y + 1e-4) * (var_x + var_y + 9e-4))


def _dissimilar(output: Tensor, truth: Tensor, halved: Tensor) -> Tensor:
    """(1 - SSIM) / 2, averaged with weights (N, 1, H / 2, W / 2)."""
    return _mean((1 - structural(output, truth)) / 2, halved[:, :, 1:-2, 1:-2])


def _mean(values: Tensor, weight: Tensor) -> Tensor:
    return (values.mean(1, keepdim=True) * weight).sum() / weight.sum().clamp_min(1e-6)


def reconstruction(output: Tensor, truth: Tensor, weight: Tensor) -> dict[str, Tensor]:
    """L1, (1 - SSIM) / 2 at two scales, and L1 of first differences, each a weighted mean."""
    half = [F.avg_pool2d(t, 2) for t in (output, truth, weight)]
    fine = _dissimilar(output, truth, half[2])
    coarse = _dissimilar(half[0], half[1], F.avg_pool2d(half[2], 2))
    error = output - truth
    across = _mean(error.diff(dim=3).abs(), torch.minimum(weight[:, :, :, 1:], weight[:, :, :, :-1]))
    down = _mean(error.diff(dim=2).abs(), torch.minimum(weight[:, :, 1:], weight[:, :, :-1]))
    return {"l1": _mean(error.abs(), weight), "dssim": fine + coarse, "gradient": across + down}


def total(parts: dict[str, Tensor]) -> Tensor:
    """The sum that is minimised."""
    return 4 * parts["l1"] + parts["dssim"] + 2 * parts["gradient"]
