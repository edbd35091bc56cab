"""What was measured of a production's last film, readable without its report."""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from doublecast.disk import atomic_write
from doublecast.metrics import Measure

FILE = "evaluation.json"
FORMAT = 1  #: version of the file's layout


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Measures of a film, each with floor and ceiling.

    model, step: the model's folder and the training step of the checkpoint that made it. made: UTC, ISO 8601.
    """

    film: Path
    model: str
    step: int
    made: str
    measures: tuple[Measure, ...]


def write_evaluation(folder: Path, evaluation: Evaluation) -> None:
    """Keep it in the production. Raises OutputError on a full disk."""
    plain = {"format": FORMAT, **asdict(evaluation), "film": str(evaluation.film)}
    plain["measures"] = [{name: _finite(value) for name, value in row.items()} for row in plain["measures"]]
    atomic_write(folder / FILE, json.dumps(plain, indent=1, allow_nan=False).encode())


def read_evaluation(folder: Path | str) -> Evaluation | None:
    """What was measured last, None where nothing was or it cannot be read."""
    try:
        raw = json.loads((Path(folder) / FILE).read_text(encoding="utf-8"))
        if raw.pop("format") != FORMAT:
            return None
        measures = tuple(Measure(**{**row, "value": _number(row["value"])}) for row in raw.pop("measures"))
        return Evaluation(**{**raw, "film": Path(raw["film"]), "measures": measures})
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _finite(value: Any) -> Any:
    """None for what JSON has no word for."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)
