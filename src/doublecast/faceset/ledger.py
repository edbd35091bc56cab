"""The ledger of takes: one readable JSON file that says how far each take has been extracted."""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from doublecast.disk import atomic_write
from doublecast.errors import ProductionError
from doublecast.faceset.record import TakeRecord

FORMAT = 1  #: version of the store's layout


class Ledger:
    """`takes.json`: the takes of a store, in the order they were begun. A change is on disk when the call returns."""

    def __init__(self, path: Path) -> None:
        """Open the ledger, or start an empty one. ProductionError for another format or a damaged file."""
        self.path = path
        if not path.exists():
            self._write([])
        self.read()

    def read(self) -> list[TakeRecord]:
        """The takes as they are on disk now (another process may be writing)."""
        advice = "Use another work folder, or delete this one to extract again."
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
            form = content["format"]
            if form != FORMAT:
                raise ProductionError(
                    f"{self.path} has format {form}, this version of doublecast reads format {FORMAT}. {advice}"
                )
            takes = [TakeRecord(**{**take, "files": tuple(take["files"]), "problems": tuple(take["problems"])})
                     for take in content["takes"]]  # fmt: skip
            if odd := [take.name for take in takes if Path(take.name).name != take.name]:
                raise ValueError(f"{odd[0]!r} is no plain name")
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ProductionError(f"{self.path} is damaged ({error}). {advice}") from error
        return takes

    def number(self, key: str) -> int:
        """Position of a take; KeyError if it was never begun."""
        for n, record in enumerate(self.read()):
            if record.key == key:
                return n
        raise KeyError(f"take {key} was not begun")

    def add(self, record: TakeRecord) -> None:
        """Append a take."""
        self._write([*self.read(), record])

    def change(self, key: str, **changes: Any) -> TakeRecord:
        """Change fields of a take's record."""
        takes, n = self.read(), self.number(key)
        takes[n] = replace(takes[n], **changes)
        self._write(takes)
        return takes[n]

    def _write(self, takes: Sequence[TakeRecord]) -> None:
        content = {"format": FORMAT, "takes": [asdict(take) for take in takes]}
        atomic_write(self.path, json.dumps(content, indent=1).encode("ascii"))  # as ASCII it holds any file name
