"""Whether the visible label is in pictures, as far as can be told: what is declared, against what is seen."""

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from doublecast.trust.label import SEEN, Label, declared_label, seen
from doublecast.types import U8

LabelState: TypeAlias = Literal["seen", "not seen", "declared none", "unknown"]


class LabelCheck:
    """Looks at pictures one by one. said: what the credentials declare (see `Label.declared`), None without
    credentials: then the default label is looked for in every corner. `state` is the answer so far."""

    def __init__(self, said: Mapping[str, Any] | None) -> None:
        self._label = Label() if said is None else declared_label(said)
        self._seen = self._looked = 0

    def look(self, pixels: U8, seconds: float) -> None:
        """Take a picture into account: uint8 (H, W, 3) RGB, upright, shown so many seconds after the first one."""
        if self._label is not None and self._label.style != "none":
            self._looked += 1
            self._seen += seen(pixels, self._label, seconds=seconds) >= SEEN

    @property
    def state(self) -> LabelState:
        """Seen: in at least half of the pictures."""
        if self._label is not None and self._label.style == "none":
            return "declared none"
        if not self._looked:
            return "unknown"
        return "seen" if 2 * self._seen >= self._looked else "not seen"
