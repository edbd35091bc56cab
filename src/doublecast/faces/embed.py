"""Identity vectors: dlib's face recognition ResNet, read from dlib's file and run in torch.

Two faces of one person lie about .2-.35 apart (Euclidean), different people at least .58; the threshold is about .55.
King 2017, http://blog.dlib.net/2017/02/high-quality-face-recognition-with-deep.html; weights CC0.
"""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from doublecast.errors import WeightsError
from doublecast.faces.geometry import similarity
from doublecast.faces.sampling import sample
from doublecast.types import F32, F64, U8, VECTOR
from doublecast.weights import ensure

CHIP = 150  #: side of the aligned picture that the network sees
PADDING = 0.25  #: margin around dlib's mean face, in its own size

# dlib's mean of its five points (image_transforms/interpolation.h): outer and inner corner of the image-right eye,
# outer and inner corner of the image-left eye, base of the nose; and the mesh points in the same places
_MEAN = np.array(
    [
        [0.8595674595992, 0.2134981538014],
        [0.6460604764104, 0.2289674387677],
        [0.1205750620789, 0.2137274526848],
        [0.3340850613712, 0.2290642403242],
        [0.4901123135679, 0.6277975316475],
    ]
)
_FIVE = np.array([263, 362, 33, 133, 2])


class _Reader:
    """Reads dlib's serialized tensors in file order."""

    def __init__(self, data: bytes) -> None:
        self._data, self._position = data, 0

    def tensor(self, *shape: int) -> Tensor:
        """The next tensor with exactly these four dimensions (format version 2: sizes, then little-endian float32)."""
        head = _integer(2) + b"".join(map(_integer, shape))
        found = self._data.find(head, self._position)
        start, count = found + len(head), int(np.prod(shape))
        if found < 0 or start + 4 * count > len(self._data):
            raise WeightsError(f"dlib's weights lack a tensor of shape {shape}: not the expected file")
        self._position = start + 4 * count
        return torch.from_numpy(np.frombuffer(self._data, "<f4", count, start).copy())


def _integer(value: int) -> bytes:
    """dlib's packed integer: a byte with the length, then little-endian bytes."""
    body = value.to_bytes((value.bit_length() + 7) // 8, "little")
    return bytes([len(body)]) + body


def _convolution(reader: _Reader, inputs: int, outputs: int, kernel: int, stride: int, padding: int) -> nn.Conv2d:
    """A convolution and the affine layer after it, folded into one."""
    weights = reader.tensor(outputs * inputs * kernel * kernel + outputs, 1, 1, 1)
    affine = reader.tensor(2 * outputs, 1, 1, 1)
    gain, offset = affine[:outputs], affine[outputs:]
    layer = nn.Conv2d(inputs, outputs, kernel, stride, padding)
    with torch.no_grad():
        layer.weight.copy_(weights[:-outputs].view(outputs, inputs, kernel, kernel) * gain[:, None, None, None])
        assert layer.bias is not None
        layer.bias.copy_(weights[-outputs:] * gain + offset)
    return layer


class _Block(nn.Module):
    def __init__(self, reader: _Reader, inputs: int, outputs: int, *, down: bool) -> None:
        super().__init__()
        self._down = down
        self.first = _convolution(reader, inputs, outputs, 3, 2 if down else 1, 0 if down else 1)
        self.second = _convolution(reader, outputs, outputs, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.second(functional.relu(self.first(x)))
        if not self._down:
            return functional.relu(x + y)
        x = functional.avg_pool2d(x, 2, 2)
        height, width = max(x.shape[2], y.shape[2]), max(x.shape[3], y.shape[3])
        return functional.relu(_fill(x, y.shape[1], height, width) + _fill(y, y.shape[1], height, width))


def _fill(x: Tensor, channels: int, height: int, width: int) -> Tensor:
    """Zeros at the end of channels, rows and columns, as dlib adds tensors of different size."""
    return functional.pad(x, (0, width - x.shape[3], 0, height - x.shape[2], 0, channels - x.shape[1]))


class DlibResNet(nn.Module):
    """The network: uint8 (N, 150, 150, 3) RGB chips to float32 (N, 128)."""

    mean: Tensor
    last: Tensor

    def __init__(self, data: bytes) -> None:
        super().__init__()
        reader = _Reader(data)
        self.stem = _convolution(reader, 3, 32, 7, 2, 0)
        blocks, inputs = [], 32
        for outputs, count, down in ((32, 3, False), (64, 4, True), (128, 3, True), (256, 3, True), (256, 1, True)):
            for k in range(count):
                blocks.append(_Block(reader, inputs, outputs, down=down and k == 0))
                inputs = outputs
        self.body = nn.Sequential(*blocks)
        self.register_buffer("last", reader.tensor(256, VECTOR, 1, 1).view(256, VECTOR))
        self.register_buffer("mean", torch.tensor([122.782, 117.001, 104.298])[:, None, None])

    def forward(self, chips: Tensor) -> Tensor:
        """See the class."""
        x = (chips.permute(0, 3, 1, 2).float() - self.mean) / 256
        x = functional.max_pool2d(functional.relu(self.stem(x)), 3, 2)
        return torch.matmul(self.body(x).mean((2, 3)), self.last)


def chip_matrix(points: F32) -> F64:
    """Frame pixels to chip pixels, float64 (2, 3): dlib's ``get_face_chip_details`` with five points, size 150,
    padding .25. points: (478, 3)."""
    place = (PADDING + _MEAN) / (2 * PADDING + 1) * CHIP
    scale, rotation, shift = similarity(points[_FIVE, :2].astype(np.float64), place)
    return np.hstack([scale * rotation, shift[:, None]])


def chip(pixels: U8, points: F32) -> U8:
    """The aligned picture that the network sees: uint8 (150, 150, 3) RGB."""
    return sample(pixels, chip_matrix(points), CHIP)


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Torch on one thread in this context: a few faces are too little work for several, which would wait for each other
    and for whoever else is busy (under load two took from 27 to 800 ms for the same batch)."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class Embedder:
    """Identity vectors of faces, about 10 ms a face on one core."""

    def __init__(self, *, device: str = "cpu", batch: int = 32, folder: Path | None = None) -> None:
        self._device = torch.device(device)
        self._batch = batch
        network = DlibResNet(ensure("dlib_resnet", folder=folder).read_bytes()).eval().requires_grad_(False)
        self._network = network.to(self._device)

    def embed(self, faces: Sequence[tuple[U8, F32]]) -> F32:
        """Vectors float32 (N, 128) of faces given as (frame pixels uint8 (H, W, 3) RGB, landmarks (478, 3))."""
        return self.embed_chips([chip(pixels, points) for pixels, points in faces])

    def embed_chips(self, chips: Sequence[U8]) -> F32:
        """Vectors float32 (N, 128) of chips made by `chip`."""
        vectors = [np.zeros((0, VECTOR), np.float32)]
        with one_thread(), torch.inference_mode():
            for start in range(0, len(chips), self._batch):
                batch = torch.from_numpy(np.stack(chips[start : start + self._batch])).to(self._device)
                vectors.append(self._network(batch).cpu().numpy())
        return np.concatenate(vectors)


def distance(a: F32, b: F32) -> float:
    """Euclidean distance of two identity vectors."""
    return float(np.linalg.norm(a - b))
