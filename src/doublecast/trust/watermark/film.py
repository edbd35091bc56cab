"""Reads a film file for its mark: only pictures that are looked at, and with leaps through a long film."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av

from doublecast.errors import InputError
from doublecast.trust.watermark.detector import BUDGET, Detector, Found
from doublecast.types import U8
from doublecast.video.colour import PLANAR, plane
from doublecast.video.orient import orientation_of

LEAP = 5.0  #: seconds: a shorter way is decoded, a longer one is jumped over
MOST_ERRORS = 20  #: damaged places, after which the rest is left alone


def detect_film(path: Path, *, budget: float = BUDGET) -> list[Found]:
    """What mark a film file carries, stretch by stretch (see `Detector`), in about ``budget`` seconds at most.

    A long film is looked at in evenly spread windows. Damaged files are read as far as they can be. Raises InputError
    where nothing can be read.
    """
    try:
        with av.open(str(path), metadata_errors="replace") as container:
            if not container.streams.video or container.streams.video[0].codec_context is None:
                raise InputError(f"{path}: there is no picture in this file that can be decoded.")
            stream: Any = container.streams.video[0]
            stream.thread_type = "AUTO"
            length = float(container.duration / av.time_base) if container.duration else None
            detector = Detector(length=length, budget=budget)
            for luma, seconds in _lumas(container, stream, detector):
                detector.add(luma, seconds)
                if detector.spent >= budget:
                    break
    except (av.FFmpegError, OSError) as error:
        what = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{path}: cannot be read as a video ({what}). Is it complete?") from error
    return detector.result()


def _lumas(container: Any, stream: Any, detector: Detector) -> Iterator[tuple[U8, float]]:
    """Upright luma planes with their times; what is not looked at may be left out."""
    last = until = float("-inf")
    errors = 0
    while errors <= MOST_ERRORS and stream.time_base:
        goal = None
        try:
            for frame in container.decode(stream):
                seconds = frame.time if frame.time is not None else max(last, 0) + 0.04
                if seconds <= last:
                    continue
                last = seconds
                yield _luma(frame), seconds
                if last >= until and detector.resumes > last + LEAP:
                    goal = detector.resumes
                    break
        except av.FFmpegError:  # a damaged place: go on behind it
            errors += 1
            goal = max(last, until, 0) + LEAP
        if goal is None:
            return
        until = goal
        try:
            container.seek(int(goal / stream.time_base), stream=stream)
        except av.FFmpegError:
            return


def _luma(frame: av.VideoFrame) -> U8:
    picture = frame if frame.format.name in PLANAR else frame.reformat(format="yuv420p")
    turned = orientation_of(frame)
    return turned.upright(plane(picture, 0)) if turned.matrix is not None else plane(picture, 0)
