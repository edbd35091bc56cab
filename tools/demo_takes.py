"""Renders the two takes of `doublecast demo` again: synthetic performers, people who do not exist.

    python tools/demo_takes.py --performers ../shared/performers/performers.py

Needs the renderer's own requirements (numpy, scipy, opencv-python-headless, moderngl with EGL) and an ffmpeg binary;
none of them is needed to use doublecast. About two minutes on two cores.
"""

import argparse
import subprocess
import sys
import tempfile
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

DEMO = Path(__file__).resolve().parent.parent / "src" / "doublecast" / "assets" / "demo"
RATE = 25
BT709 = "colorprim=bt709:transfer=bt709:colormatrix=bt709:range=tv"


@dataclass(frozen=True)
class Part:
    """One take: which person (odd seeds men), which performance, which light and background, sound or not."""

    name: str
    person: int
    performance: int
    scene: int
    sound: bool


PARTS = (Part("actor", 13, 34, 34, True), Part("target", 15, 67, 52, False))


def murmur(seconds: float, *, rate: int = 48000, seed: int = 0) -> npt.NDArray[np.int16]:
    """A quiet hum under slowly swelling low-pass noise, int16 mono: there to show that sound passes through."""
    t = np.arange(round(seconds * rate)) / rate
    noise = np.random.default_rng(seed).normal(size=t.size)
    noise = np.convolve(noise, np.hanning(96) / np.hanning(96).sum(), mode="same")
    swell = 0.5 + 0.5 * np.sin(2 * np.pi * 0.9 * t) ** 2
    hum = np.sin(2 * np.pi * 146.8 * t) + 0.6 * np.sin(2 * np.pi * 220.0 * t) + 0.3 * np.sin(2 * np.pi * 293.7 * t)
    fade = np.clip(np.minimum(t, seconds - t) / 0.25, 0, 1)
    sound = fade * (0.035 * hum * (0.7 + 0.3 * np.sin(2 * np.pi * 0.25 * t)) + 0.12 * noise * swell)
    return np.round(np.clip(sound, -1, 1) * 32767).astype(np.int16)


def render(part: Part, performers: Path, folder: Path, frames: int, size: str) -> Path:
    """Render a take with the shared renderer at the best quality that it writes (1.1 Mbit/s at most)."""
    out = folder / part.name
    arguments = ["clip", "--id", part.person, "--perf", part.performance, "--scene", part.scene, "--frames", frames]
    command = [sys.executable, performers, *arguments, "--size", size, "--ss", "2", "--crf", "10", "--out", out]
    subprocess.run([str(a) for a in command], check=True)
    return out.with_suffix(".mp4")


def encode(part: Part, picture: Path, folder: Path, seconds: float, crf: int, to: Path) -> Path:
    """H.264 with BT.709 pixels and tags, and AAC sound where the part has it."""
    command = ["ffmpeg", "-y", "-loglevel", "error", "-i", str(picture)]
    if part.sound:
        track = folder / "murmur.wav"
        with wave.open(str(track), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(48000)
            file.writeframes(murmur(seconds).tobytes())
        command += ["-i", str(track), "-c:a", "aac", "-b:a", "48k"]
    # The renderer writes untagged BT.601 (ffmpeg's default for RGB); turn the pixels into BT.709 and say so.
    command += ["-vf", "scale=in_color_matrix=bt601:in_range=tv:out_color_matrix=bt709:out_range=tv"]
    command += ["-c:v", "libx264", "-preset", "veryslow", "-crf", str(crf), "-pix_fmt", "yuv420p"]
    command += ["-x264-params", BT709]
    command += ["-color_primaries", "bt709", "-color_trc", "bt709", "-colorspace", "bt709", "-color_range", "tv"]
    command += ["-movflags", "+faststart", "-map_metadata", "-1", "-fflags", "+bitexact"]
    command += ["-metadata", "comment=Synthetic performer, rendered: this person does not exist"]
    film = to / f"{part.name}.mp4"
    subprocess.run([*command, str(film)], check=True)
    return film


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--performers", type=Path, required=True, help="the renderer, performers.py")
    options.add_argument("--frames", type=int, default=200)
    options.add_argument("--size", default="640x360")
    options.add_argument("--crf", type=int, default=20)
    options.add_argument("--to", type=Path, default=DEMO)
    given = options.parse_args()
    given.to.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        for part in PARTS:
            picture = render(part, given.performers, Path(name), given.frames, given.size)
            film = encode(part, picture, Path(name), given.frames / RATE, given.crf, given.to)
            print(f"{film} {film.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
