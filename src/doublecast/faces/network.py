"""One small network on LiteRT: float32 arrays in, float32 arrays out, on the CPU."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from doublecast.types import F32


class Network:
    """A TFLite model. One thread by default: two were never reliably faster. Not safe to call from two threads at once;
    the call itself releases the GIL."""

    def __init__(self, model: Path | bytes, *, threads: int = 1) -> None:
        content = model if isinstance(model, bytes) else model.read_bytes()
        with _quiet():
            self._interpreter = Interpreter(model_content=content, num_threads=threads)
            self._interpreter.allocate_tensors()
        inputs, outputs = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        self._inputs: list[int] = [detail["index"] for detail in inputs]
        self._outputs: list[int] = [detail["index"] for detail in outputs]
        self.input_shapes: list[tuple[int, ...]] = [tuple(int(n) for n in detail["shape"]) for detail in inputs]

    def __call__(self, *inputs: F32) -> list[F32]:
        """Run the network; the arrays that come back are copies."""
        for index, array in zip(self._inputs, inputs, strict=True):
            self._interpreter.set_tensor(index, array)
        self._interpreter.invoke()
        return [np.asarray(self._interpreter.get_tensor(index), np.float32) for index in self._outputs]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Drop what LiteRT's C++ side writes to standard error while a network is made ("INFO: Created TensorFlow Lite
    XNNPACK delegate"); there is no setting for it. Errors still arrive as exceptions."""
    try:
        saved = os.dup(2)
    except OSError:  # no standard error, nothing to drop
        yield
        return
    try:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)


def sigmoid(x: F32) -> F32:
    """Logistic function without overflow."""
    return np.asarray(0.5 * (1 + np.tanh(0.5 * x)), np.float32)
