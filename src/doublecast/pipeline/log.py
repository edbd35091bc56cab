"""What training leaves beside its checkpoints: a log of its steps, and previews."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from doublecast.events import Step

LOG = "log.jsonl"  #: one training step per line, in the model's folder
PREVIEWS = "previews"  #: folder of labelled preview sheets, in the model's folder


def read_log(folder: Path) -> list[Step]:
    """The training steps of a model in order; steps that were lost in a crash and trained again count once."""
    steps: dict[int, Step] = {}
    for step in _lines(folder / LOG):
        if steps and step.step <= next(reversed(steps)):
            for later in [number for number in steps if number >= step.step]:
                del steps[later]
        steps[step.step] = step
    return list(steps.values())


def _lines(path: Path) -> Iterator[Step]:
    if not path.exists():
        return
    with path.open(encoding="utf-8") as file:
        for line in file:
            try:
                yield Step(**json.loads(line))
            except (ValueError, TypeError):  # the line that was being written when the process was killed
                continue


def log_text(steps: list[Step]) -> str:
    """Steps as they are in the log."""
    return "".join(json.dumps(asdict(step)) + "\n" for step in steps)
