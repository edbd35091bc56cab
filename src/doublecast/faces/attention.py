"""The attention face mesh without its custom operators.

``face_landmark_with_attention.tflite`` (Grishchenko et al. 2020, "Attention Mesh") has three operators that only
MediaPipe knows. The file is split around them: model A gives the features and the 468-point mesh, the operators'
region transforms are done here in numpy, and model B refines lips, eyes and irises. Everything needed, the regions and
the points they refine, is in the operators' own options.
"""

import copy
import json
import os
import tempfile
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from flatbuffers import flexbuffers

from doublecast.errors import WeightsError
from doublecast.types import F32, I64
from doublecast.weights import WEIGHTS, cache_folder, ensure, locked

FORMAT = 1  #: raise when the content of the derived file changes


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """A part of the face that the second model refines.

    points: int64 (N,) mesh points it refines and is framed by. left, right: the two mesh points that give its roll.
    turn: roll it is brought to (radians). scale: how much wider and higher than its points the region is.
    size: side of the square grid that is sampled.
    """

    points: I64
    left: int
    right: int
    turn: float
    scale: tuple[float, float]
    size: int


@dataclass(frozen=True, slots=True)
class Split:
    """Two TFLite models and the regions between them: lips, image-left eye, image-right eye."""

    first: bytes
    second: bytes
    regions: tuple[Region, ...]


def split(model: bytes) -> Split:
    """Split the attention mesh around its custom operators (see the module's text).

    Raises:
        WeightsError: not the file that is expected.
    """
    whole = schema.ModelT.InitFromPackedBuf(model, 0)
    graph = whole.subgraphs[0]
    custom: dict[str, list[Any]] = {}
    for operator in graph.operators:
        code = whole.operatorCodes[operator.opcodeIndex].customCode
        if code:
            custom.setdefault(code.decode(), []).append(operator)
    try:
        matrices, samplers = custom["Landmarks2TransformMatrix"], custom["TransformTensorBilinear"]
        refined = custom["TransformLandmarks"]
    except KeyError as error:
        raise WeightsError(f"the attention mesh lacks the operator {error}: not the expected file") from error
    features = int(samplers[0].inputs[0])
    first_out = [features, int(graph.outputs[0]), int(graph.outputs[6])]
    first = _build(whole, _needed(graph, first_out, set()), [int(graph.inputs[0])], first_out)
    second_in = [int(operator.outputs[0]) for operator in samplers]
    second_out = [int(operator.inputs[0]) for operator in refined]
    second = _build(whole, _needed(graph, second_out, set(second_in)), second_in, second_out)
    options = [flexbuffers.Loads(bytes(operator.customOptions)) for operator in matrices]
    return Split(first, second, tuple(_region(option) for option in options))


def load_split(*, folder: Path | None = None) -> Split:
    """The split attention mesh, from the cache folder where it is there and whole, else made from the weights.

    folder: cache folder, by default that of `doublecast.weights`. The derived file is one archive whose check sums
    show damage; it appears under its name only when complete.
    """
    folder = folder or cache_folder()
    weight = WEIGHTS["face_landmark_attention"]
    cached = folder / f"attention-{weight.version}-{weight.sha256[:12]}-{FORMAT}.npz"
    if (ready := _read(cached)) is not None:
        return ready
    parts = split(ensure(weight.name, folder=folder).read_bytes())
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder / ".lock"):
            _write(cached, parts)
    except OSError:
        return parts  # a full or read-only cache costs a moment at every start, nothing else
    return parts


def _read(path: Path) -> Split | None:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            regions = json.loads(archive["regions"].tobytes())
            return Split(archive["first"].tobytes(), archive["second"].tobytes(), tuple(map(_region, regions)))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def _write(path: Path, parts: Split) -> None:
    regions = [
        {
            "subset_idxs": region.points.tolist(),
            "left_rotation_idx": region.left,
            "right_rotation_idx": region.right,
            "target_rotation_radians": region.turn,
            "scale_x": region.scale[0],
            "scale_y": region.scale[1],
            "output_width": region.size,
        }
        for region in parts.regions
    ]
    handle, name = tempfile.mkstemp(prefix=".attention-", suffix=".npz", dir=path.parent)
    partial = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez(
                file,
                first=np.frombuffer(parts.first, np.uint8),
                second=np.frombuffer(parts.second, np.uint8),
                regions=np.frombuffer(json.dumps(regions).encode(), np.uint8),
            )
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _region(options: dict[str, Any]) -> Region:
    return Region(
        points=np.array(list(options["subset_idxs"]), np.int64),
        left=int(options["left_rotation_idx"]),
        right=int(options["right_rotation_idx"]),
        turn=float(options["target_rotation_radians"]),
        scale=(float(options["scale_x"]), float(options["scale_y"])),
        size=int(options["output_width"]),
    )


def _needed(graph: Any, outputs: Iterable[int], stop: set[int]) -> list[Any]:
    """The operators, in order, that make ``outputs``, not walking past the tensors in ``stop``."""
    maker = {int(t): k for k, operator in enumerate(graph.operators) for t in operator.outputs}
    need: set[int] = set()
    todo = list(outputs)
    while todo:
        tensor = todo.pop()
        if tensor in stop or tensor not in maker or maker[tensor] in need:
            continue
        need.add(maker[tensor])
        todo += [int(i) for i in graph.operators[maker[tensor]].inputs if i >= 0]
    return [graph.operators[k] for k in sorted(need)]


def _build(whole: Any, operators: list[Any], inputs: list[int], outputs: list[int]) -> bytes:
    """A TFLite file of some of the operators of ``whole``, with the tensors and buffers they use."""
    source = whole.subgraphs[0]
    model, graph = schema.ModelT(), schema.SubGraphT()
    model.version, model.description = 3, b"split"
    model.buffers, model.operatorCodes, model.subgraphs = [schema.BufferT()], [], [graph]
    graph.tensors, graph.operators, graph.name = [], [], b"main"
    tensors: dict[int, int] = {}
    codes: dict[int, int] = {}
    buffers: dict[int, int] = {}

    def tensor(number: int) -> int:
        number = int(number)
        if number >= 0 and number not in tensors:
            moved = copy.copy(source.tensors[number])
            content = whole.buffers[moved.buffer]
            if content.data is not None and len(content.data):
                if moved.buffer not in buffers:
                    buffers[moved.buffer] = len(model.buffers)
                    model.buffers.append(content)
                moved.buffer = buffers[moved.buffer]
            else:
                moved.buffer = 0
            tensors[number] = len(graph.tensors)
            graph.tensors.append(moved)
        return tensors.get(number, -1)

    graph.inputs = [tensor(number) for number in inputs]
    for operator in operators:
        moved = copy.copy(operator)
        if operator.opcodeIndex not in codes:
            codes[operator.opcodeIndex] = len(model.operatorCodes)
            model.operatorCodes.append(whole.operatorCodes[operator.opcodeIndex])
        moved.opcodeIndex = codes[operator.opcodeIndex]
        moved.inputs = [tensor(number) for number in operator.inputs]
        moved.outputs = [tensor(number) for number in operator.outputs]
        graph.operators.append(moved)
    graph.outputs = [tensor(number) for number in outputs]
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def region_matrix(mesh: F32, region: Region) -> F32:
    """Where a region's grid lies (operator Landmarks2TransformMatrix, version 2): float32 (2, 3), grid pixels to mesh
    units. mesh: float32 (468, 2 or 3)."""
    xy = mesh[:, :2]
    dx, dy = (xy[region.right] - xy[region.left]).tolist()
    angle = region.turn - float(np.arctan2(dy, dx))
    c, s = float(np.cos(angle)), float(np.sin(angle))
    rotation = np.array([[c, -s], [s, c]])
    turned = xy[region.points] @ rotation.T
    low, high = turned.min(0), turned.max(0)
    linear = rotation.T * (np.array(region.scale) * (high - low) / region.size)
    shift = rotation.T @ ((low + high) / 2) - linear.sum(1) * (region.size / 2)
    return np.column_stack([linear, shift]).astype(np.float32)


def sample_regions(features: F32, matrices: F32, size: int) -> F32:
    """Sample all regions at once (operator TransformTensorBilinear, version 2): float32 (R, size, size, C).

    features: float32 (H, W, C). matrices: float32 (R, 2, 3), grid pixels to feature pixels. Zero outside the features.
    """
    height, width, channels = features.shape
    axis = np.arange(size, dtype=np.float32) + 0.5
    grid = np.stack(np.broadcast_arrays(axis[None, :], axis[:, None], np.float32(1)), -1).reshape(-1, 3)
    xy = (grid @ matrices.transpose(0, 2, 1) - 0.5).reshape(-1, 2)
    limit = np.array([width - 1, height - 1], np.float32)
    inside = np.logical_and(xy >= 0, xy <= limit).all(1, keepdims=True)
    np.clip(xy, 0, limit, out=xy)
    corner = np.minimum(xy.astype(np.intp), [width - 2, height - 2])
    part = (xy - corner).astype(np.float32)
    u, v = part[:, :1], part[:, 1:] * inside
    keep = inside - v  # (1 - v) inside, 0 outside, so that both rows vanish there
    flat = features.reshape(-1, channels)
    first = corner[:, 1] * width + corner[:, 0]
    upper = flat[first] * (1 - u) + flat[first + 1] * u
    lower = flat[first + width] * (1 - u) + flat[first + width + 1] * u
    return np.asarray(upper * keep + lower * v, np.float32).reshape(-1, size, size, channels)
