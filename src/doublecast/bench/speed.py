"""How fast this machine does each stage, beside the field's baselines, in one run.

Material: the demo takes that come with the package, the actor's enlarged to 1280x720 and played three times.
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from importlib import import_module
from importlib.resources import as_file, files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from doublecast.bench.original import Original, optimizer, step
from doublecast.events import Listener, Progress, ignore
from doublecast.faceset import FaceStore
from doublecast.model.device import autocast, choose_device, precise
from doublecast.model.material import gather
from doublecast.model.train import TrainConfig, Trainer
from doublecast.pipeline.consent import state
from doublecast.pipeline.convert import convert_takes
from doublecast.pipeline.curate import curate_side
from doublecast.pipeline.extract import extract_side
from doublecast.pipeline.train import train
from doublecast.production import SIDES, Production
from doublecast.trust import Basis
from doublecast.video import Reader, Take, find_takes

PLAYS = 3  #: how often the actor's demo take is played in the 720p take
HOG_FRAMES = 20  #: frames that dlib's detector is timed on
ROUNDS = 5  #: timed rounds of training, ours and the baseline in turn


@dataclass(frozen=True, slots=True)
class Result:
    """One line: what was measured, the figure, and what issue or plan asks for (None: just told)."""

    name: str
    value: float
    unit: str
    goal: float | None = None
    lower_is_better: bool = False

    @property
    def met(self) -> bool | None:
        """Whether the goal is reached; None without a goal."""
        if self.goal is None:
            return None
        return self.value <= self.goal if self.lower_is_better else self.value >= self.goal


def speed(*, on_event: Listener = ignore) -> list[Result]:
    """Time every stage on this machine. Takes about two minutes on two cores. Raises WeightsError without weights."""
    results: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="doublecast-bench-") as name, Production(Path(name) / "job") as job:
        demo = files("doublecast.assets") / "demo"
        with as_file(demo / "actor.mp4") as actor, as_file(demo / "target.mp4") as target:
            on_event(Progress("bench", 0, 4, "parts", "preparing a 720p take"))
            take = _enlarged(actor, Path(name) / "actor.mp4")
            for side in SIDES:
                state(job, side, Basis("synthetic", "performers of the demo"))
            results += _extraction(job, take, target, on_event)
        for side in SIDES:
            curate_side(job, side, on_event=on_event)
        train(job, config=TrainConfig(steps=5, device="cpu"), on_event=on_event)
        on_event(Progress("bench", 2, 4, "parts", "converting"))
        frames = sum(1 for _ in _decoded(take))
        seconds = _timed(lambda: convert_takes(job, Path(name) / "film.mp4", on_event=on_event))
        results.append(Result("convert, 720p, encode included", frames / seconds, "frames/s", 15))
        if (memory := _memory()) is not None:
            results.append(Result("memory, extract to convert", memory, "MB", 2000, lower_is_better=True))
        on_event(Progress("bench", 3, 4, "parts", "training beside the baseline"))
        results += _training(FaceStore(job.side("actor")), FaceStore(job.side("target")))
    on_event(Progress("bench", 4, 4, "parts"))
    return results


def _timed(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _memory() -> float | None:
    """Largest resident size of this process so far, in MB; None on Windows, which does not tell it this way."""
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak / 1e3


def _decoded(take: Take) -> Iterator[np.ndarray[Any, np.dtype[np.uint8]]]:
    with Reader(take) as reader:
        for frame in reader:
            yield frame.pixels


def _enlarged(source: Path, path: Path) -> Take:
    """The take in 1280x720, played `PLAYS` times. It shows nobody's face replaced: it is only larger."""
    with av.open(str(path), "w") as film:
        stream = film.add_stream("libx264", rate=25, options={"crf": "20", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuv420p"
        count = 0
        for _ in range(PLAYS):
            with av.open(str(source)) as take:
                for frame in take.decode(video=0):
                    larger = frame.reformat(1280, 720, "yuv420p", interpolation="BICUBIC")
                    larger.pts, larger.time_base = count, Fraction(1, 25)
                    film.mux(stream.encode(larger))
                    count += 1
        film.mux(stream.encode())
    return find_takes([path])[0]


def _extraction(job: Production, take: Take, target: Path, on_event: Listener) -> list[Result]:
    extract_side(job, "target", find_takes([target]), on_event=on_event)  # loads the weights, too
    on_event(Progress("bench", 1, 4, "parts", "extracting"))
    start = time.perf_counter()
    done = extract_side(job, "actor", [take], on_event=on_event)
    rate = done.frames / (time.perf_counter() - start)
    results = [Result("extract, 720p, one face, decode and storing included", rate, "frames/s", 80)]
    if find_spec("dlib") is not None:
        detector = import_module("dlib").get_frontal_face_detector()
        frames = [pixels for _, pixels in zip(range(HOG_FRAMES), _decoded(take), strict=False)]
        hog = len(frames) / _timed(lambda: [detector(pixels, 0) for pixels in frames])
        results.append(Result("dlib HOG detector alone, 720p", hog, "frames/s"))
        results.append(Result("extract, times dlib HOG", rate / hog, "x", 5))
    return results


def _training(actor: FaceStore, target: FaceStore) -> list[Result]:
    """Ours and faceswap's `original`, in turn, same threads, same precision, 16 faces per side."""
    config = TrainConfig(steps=10**6, device="cpu")
    device = choose_device("cpu")
    trainer = Trainer(config, [gather(actor, config.size, "actor"), gather(target, config.size, "target")], device)
    network = Original().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    adam = optimizer(network)
    faces = torch.rand(2, config.batch, 3, 64, 64)

    def ours() -> None:
        for _ in range(10):
            trainer.advance()

    def theirs() -> None:
        with autocast(device):
            step(network, adam, faces)

    ours()
    theirs()
    rates = [(10 * 2 * config.batch / _timed(ours), 2 * config.batch / _timed(theirs)) for _ in range(ROUNDS)]
    mine = statistics.median(rate for rate, _ in rates)
    others = statistics.median(rate for _, rate in rates)
    ratio = statistics.median(a / b for a, b in rates)
    return [
        Result(f"train, {config.size} px, both sides counted, {os.cpu_count()} cores", mine, "faces/s", 60),
        Result("faceswap `original`, 64 px, in the same run", others, "faces/s"),
        Result("train, times `original`", ratio, "x", 5),
        *_arithmetic(trainer, mine / (2 * config.batch)),
    ]


def _arithmetic(trainer: Trainer, steps: float) -> list[Result]:
    """How much of what this machine's cores can multiply training makes use of. steps: per second."""
    with FlopCounterMode(display=False) as counter:
        trainer.advance()
    achieved = steps * counter.get_total_flops() / 1e9
    peak = _matmul_peak(precise(trainer.device))
    return [
        Result("train, arithmetic of all layers, both passes", achieved, "GFLOP/s"),
        Result("matrix product in the same precision, the most", peak, "GFLOP/s"),
        Result("train, share of that", 100 * achieved / peak, "%", 60),
    ]


def _matmul_peak(dtype: torch.dtype, side: int = 2048) -> float:
    """GFLOP/s of a product of two square matrices, the best of `ROUNDS`."""
    a, b = torch.rand(side, side, dtype=dtype), torch.rand(side, side, dtype=dtype)
    _timed(lambda: a @ b)
    return 2 * side**3 / min(_timed(lambda: a @ b) for _ in range(ROUNDS)) / 1e9
