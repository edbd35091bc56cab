"""Patches go into pictures: into RGB, or into Y'CbCr planes without touching any other sample."""

from collections.abc import Callable, Sequence

import av
import cv2
import numpy as np

from doublecast.types import F32, U8, Bool, Patch
from doublecast.video.colour import Colour, plane
from doublecast.video.orient import Orientation


def composite(pixels: U8, patches: Sequence[Patch]) -> U8:
    """A copy of uint8 (H, W, 3) with the patches in; what lies outside the picture is cut off."""
    out = pixels.copy()
    for patch in patches:
        clipped = _clip(patch.x, patch.y, patch.pixels, patch.mask, pixels.shape[1], pixels.shape[0])
        if clipped is not None:
            x, y, inside, mask = clipped
            np.copyto(out[y : y + len(mask), x : x + mask.shape[1]], inside, where=mask[:, :, None])
    return out


def padded_copy(frame: av.VideoFrame) -> av.VideoFrame:
    """A copy of a yuv420p frame that may be written to, with even sides (the last row and column repeated)."""
    width, height = frame.width + frame.width % 2, frame.height + frame.height % 2
    out = av.VideoFrame(width, height, "yuv420p")
    for index in range(3):
        source, target = plane(frame, index), plane(out, index)
        rows, columns = source.shape
        target[:rows, :columns] = source
        target[rows:, :columns] = source[-1:]
        target[:, columns:] = target[:, columns - 1 : columns]
    return out


def put(frame: av.VideoFrame, patch: Patch, colour: Colour, orientation: Orientation, upright: tuple[int, int]) -> None:
    """Put a patch of the upright picture of size ``upright`` (width, height) into a stored yuv420p frame, in place.

    Luma changes under the mask only. A chroma sample belongs to 2x2 pixels: it becomes the mean over them of the new
    chroma where masked and its own old value elsewhere.
    """
    size = patch.mask.shape[1], patch.mask.shape[0]
    x, y = orientation.stored_corner(patch.x, patch.y, size, upright)
    width, height = (upright[1], upright[0]) if orientation.sideways else upright
    clipped = _clip(x, y, orientation.stored(patch.pixels), orientation.stored(patch.mask), width, height)
    if clipped is None:
        return
    x, y, pixels, mask = clipped
    ycc: F32 = cv2.transform(np.ascontiguousarray(pixels, np.float32), colour.to_ycc()).astype(np.float32, copy=False)
    luma = plane(frame, 0)[y : y + len(mask), x : x + mask.shape[1]]
    np.copyto(luma, _to_bytes(ycc[:, :, 0]), where=mask)
    share, rows, columns = _blocks(mask, x, y)
    weighted = np.where(mask[:, :, None], ycc[:, :, 1:], np.float32(0))
    top, left = y % 2, x % 2
    spread = np.zeros((2 * share.shape[0], 2 * share.shape[1], 2), np.float32)
    spread[top : top + len(mask), left : left + mask.shape[1]] = weighted
    mean = cv2.resize(spread, (share.shape[1], share.shape[0]), interpolation=cv2.INTER_AREA)
    for index in (1, 2):
        old = plane(frame, index)[rows, columns]
        new = _to_bytes(mean[:, :, index - 1] + (1 - share) * old)
        np.copyto(old, new, where=share > 0)


def change_luma(
    frame: av.VideoFrame, change: Callable[[U8], U8], orientation: Orientation, upright: tuple[int, int]
) -> None:
    """Put ``change`` of the upright luma plane, uint8 (H, W), into a stored yuv420p frame, in place.

    upright: its (width, height). Padding (see `padded_copy`) repeats the changed last row and column.
    """
    luma = plane(frame, 0)
    width, height = (upright[1], upright[0]) if orientation.sideways else upright
    luma[:height, :width] = orientation.stored(change(orientation.upright(luma[:height, :width])))
    luma[height:] = luma[height - 1]
    luma[:, width:] = luma[:, width - 1 : width]


def _blocks(mask: Bool, x: int, y: int) -> tuple[F32, slice, slice]:
    """Share of masked pixels in every 2x2 block, and the rows and columns of the blocks in the chroma planes."""
    rows = slice(y // 2, (y + mask.shape[0] + 1) // 2)
    columns = slice(x // 2, (x + mask.shape[1] + 1) // 2)
    tall, wide = rows.stop - rows.start, columns.stop - columns.start
    spread = np.zeros((2 * tall, 2 * wide), np.float32)
    spread[y % 2 : y % 2 + mask.shape[0], x % 2 : x % 2 + mask.shape[1]] = mask
    share = spread.reshape(tall, 2, wide, 2).mean((1, 3), dtype=np.float32)
    return share, rows, columns


def _to_bytes(values: F32) -> U8:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _clip(x: int, y: int, pixels: U8, mask: Bool, width: int, height: int) -> tuple[int, int, U8, Bool] | None:
    left, top = max(0, -x), max(0, -y)
    right, bottom = min(mask.shape[1], width - x), min(mask.shape[0], height - y)
    if left >= right or top >= bottom:
        return None
    return x + left, y + top, pixels[top:bottom, left:right], mask[top:bottom, left:right]
