"""Small signed films and pictures for the tests of credentials and verify."""

import random
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from video_clips import make_clip, picture

from doublecast.trust import Claim, ClaimedIdentity, ClaimedTake, FilmId, FilmWriter, Label, Signer, Statement
from doublecast.types import U8
from doublecast.video import Reader, encode_png, find_takes

SAID = Statement("the faces of one person were replaced by another person's")
FILM = "0123456789"


def claim(**changes: Any) -> Claim:
    """A claim with everything in it."""
    values: dict[str, Any] = {
        "takes": (ClaimedTake("actor", "a" * 64), ClaimedTake("target", "b" * 64), ClaimedTake("actor", "c" * 64)),
        "identities": (
            ClaimedIdentity("actor", "0f3a", "self"),
            ClaimedIdentity("target", "77be", "release", "d" * 64),
        ),
        "model": "e" * 64,
        "replaced": ((0.0, 0.2), (0.3, 0.48)),
    }
    return Claim(**{**values, **changes})


def signing() -> dict[str, Any]:
    """What a FilmWriter needs in order to mark and sign."""
    return {"claim": claim(), "signer": Signer.own(), "film": FilmId(FILM)}


def signed_film(
    source: Path,
    path: Path,
    *,
    signer: Signer | None = None,
    said: Claim | None = None,
    film: str = FILM,
    overwrite: bool = False,
) -> Path:
    """The film of a take in which nothing is replaced, labelled and signed."""
    take = find_takes([source])[0]
    with Reader(take) as reader:
        writer = FilmWriter(
            path, take, reader.info, label=Label(), statement=SAID, claim=said or claim(),
            signer=signer or Signer.own(), film=FilmId(film), parts=path.with_name(f"{path.name}.parts"),
            overwrite=overwrite,
        )  # fmt: skip
        with writer:
            for frame in reader:
                if frame.index >= writer.resume_index:
                    writer.write(frame, [])
    return path


def film(folder: Path, name: str = "film.mp4", **options: Any) -> Path:
    """A signed film of 12 frames, 320x240."""
    source = make_clip(folder / f"take-of-{Path(name).stem}.mp4", size=(320, 240), count=options.pop("count", 12))
    return signed_film(source, folder / name, **options)


def signed_picture(folder: Path, name: str = "film.png", **options: Any) -> Path:
    """A signed PNG."""
    source = folder / f"take-of-{name}"
    source.write_bytes(encode_png(textured(0)))
    return signed_film(source, folder / name, **options)


def textured(number: int) -> U8:
    """A picture, 320x240, with some grain."""
    grain = np.random.default_rng(number).integers(-6, 7, (240, 320, 3))
    smooth = cv2.resize(picture(number, 96, 64), (320, 240)).astype(int)
    return np.clip(smooth + grain, 0, 255).astype(np.uint8)


def remux(source: Path, path: Path) -> Path:
    """The same packets in another file, as `ffmpeg -c copy` makes it."""
    with av.open(str(source)) as old, av.open(str(path), "w") as new:
        new.metadata.update(old.metadata)
        stream = old.streams.video[0]
        out = new.add_stream_from_template(stream)
        for packet in old.demux(stream):
            if packet.dts is not None:
                packet.stream = out
                new.mux(packet)
    return path


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Flipped, overwritten, cut, doubled or swapped bytes."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 8, 64))):
        at, size = chance.randrange(len(changed)), chance.choice((1, 1, 2, 4, 16, 256))
        kind = chance.randrange(5)
        if kind == 0:
            changed[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            changed[at : at + size] = chance.randbytes(size)
        elif kind == 2 and len(changed) > 2 * size:
            del changed[at : at + size]
        elif kind == 3:
            changed[at:at] = changed[at : at + size]
        else:
            changed[at : at + size] = bytes([chance.choice((0, 1, 127, 128, 255))]) * size
    return bytes(changed)
