"""Where the training of a model stands, from its checkpoints' JSON alone: for looking on, without torch."""

import json
from dataclasses import dataclass
from pathlib import Path

from doublecast.errors import ModelError

FORMAT = 2  #: version of a checkpoint folder's layout
WEIGHTS = "weights.safetensors"  #: what films are made with
FILES = (WEIGHTS, "state.safetensors", "state.json")  #: of a checkpoint, in the order in which they are written


@dataclass(frozen=True, slots=True)
class Standing:
    """seconds: training time over all runs; faces: seen, both sides counted."""

    step: int
    faces: int
    seconds: float


def checkpoints(folder: Path) -> list[Path]:
    """Complete checkpoints below ``folder``, oldest first."""
    return sorted(p for p in folder.glob("checkpoint-*") if (p / "state.json").is_file())


def read_standing(checkpoint: Path) -> Standing:
    """Where a checkpoint stands. Raises ModelError where it is damaged or of another format version."""
    try:
        raw = json.loads((checkpoint / "state.json").read_text(encoding="utf-8"))
        if raw["version"] != FORMAT:
            raise ModelError(f"{checkpoint}: checkpoint format {raw['version']}, this version reads {FORMAT}.")
        return Standing(int(raw["step"]), int(raw["faces"]), float(raw["seconds"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{checkpoint}: the checkpoint is damaged ({error}).") from error


def newest(folder: Path) -> tuple[Path, Standing] | None:
    """The newest checkpoint of a model that can be read, None where there is none."""
    for path in reversed(checkpoints(folder)):
        try:
            return path, read_standing(path)
        except ModelError:
            continue
    return None
