"""Frames of the shared clips for the tests of faces, and the guard that keeps those tests off the network."""

import os
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from doublecast.errors import WeightsError
from doublecast.types import U8, Frame
from doublecast.weights import VARIABLE, fetch_all, status

MAN = "footage/pexels/anthony-shkraba-8136210.mp4"
GRID_MAN = "footage/grid/other/sbia1a.mpg"
GRID_WOMAN = "footage/grid/other/brbk7n.mpg"
PERFORMER = "performers/clips/pair1_perf1_A.mp4"
RATE = Fraction(1, 25)


def require_weights() -> None:
    """Skip the test unless the weights are on this machine."""
    if os.environ.get(VARIABLE):  # a folder, so nothing is downloaded
        try:
            fetch_all()
        except WeightsError as error:
            pytest.skip(str(error))
    elif any(row.state != "ready" for row in status()):
        pytest.skip("the weights are not here: run `doublecast weights --fetch` first")


def pictures(path: Path, count: int) -> list[U8]:
    """The first frames of a clip."""
    found: list[U8] = []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            found.append(np.asarray(frame.to_ndarray(format="rgb24"), np.uint8))
            if len(found) == count:
                break
    return found


def fit(pixels: U8, width: int, height: int, *, scale: float | None = None) -> U8:
    """A picture centred on a grey one of the given size, shrunk to fit or by ``scale``."""
    k = scale or min(width / pixels.shape[1], height / pixels.shape[0])
    small = np.asarray(cv2.resize(pixels, None, fx=k, fy=k, interpolation=cv2.INTER_AREA), np.uint8)
    small = small[:height, :width]
    whole = np.full((height, width, 3), 96, np.uint8)
    y, x = (height - small.shape[0]) // 2, (width - small.shape[1]) // 2
    whole[y : y + small.shape[0], x : x + small.shape[1]] = small
    return whole


def stream(pixels: list[U8]) -> list[Frame]:
    """Frames numbered from 0."""
    return [Frame(picture, k, k, RATE) for k, picture in enumerate(pixels)]
