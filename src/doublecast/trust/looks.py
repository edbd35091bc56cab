"""Whether the visible label is in pictures, as far as can be told: what is declared, against what is seen."""

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias, get_args

import cv2
import numpy as np

from doublecast.trust.label import Corner, Label
from doublecast.types import F32, U8

LabelState: TypeAlias = Literal["seen", "not seen", "declared none", "unknown"]
SURE = 0.5  #: correlation of the label's letters with what is at their place, from which it counts as there
_AROUND = 2  # pixels in which it is looked for


def declared(label: Label) -> dict[str, str]:
    """What credentials say of a label."""
    return {"style": "corner", "text": label.text, "corner": label.corner}


class LabelCheck:
    """Looks at pictures one by one. said: what the credentials declare (see `declared`), None without credentials:
    then the default label is looked for in every corner. `state` is the answer so far."""

    def __init__(self, said: Mapping[str, Any] | None) -> None:
        self._none = said is not None and said.get("style") == "none"
        self._labels = [] if self._none else _labels(said)
        self._seen = self._looked = 0

    def look(self, pixels: U8) -> None:
        """Take a picture into account: uint8 (H, W, 3) RGB, upright."""
        if self._labels:
            self._looked += 1
            self._seen += any(correlation(pixels, label) >= SURE for label in self._labels)

    @property
    def state(self) -> LabelState:
        """Seen: in at least half of the pictures."""
        if self._none:
            return "declared none"
        if not self._looked:
            return "unknown"
        return "seen" if 2 * self._seen >= self._looked else "not seen"


def correlation(pixels: U8, label: Label) -> float:
    """Of the label's letters with the luma at their place, up to 1."""
    patch = label.patch(np.zeros_like(pixels))
    h, w = patch.mask.shape
    top, left = max(0, patch.y - _AROUND), max(0, patch.x - _AROUND)
    part = np.ascontiguousarray(pixels[top : patch.y + h + _AROUND, left : patch.x + w + _AROUND])
    ink, found = _fine(patch.pixels), _fine(part)
    if found.std() < 4:  # flat: no letters, and no correlation that means something
        return 0.0
    return float(cv2.matchTemplate(found, ink, cv2.TM_CCOEFF_NORMED).max())


def _fine(pixels: U8) -> F32:
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return np.asarray(grey - cv2.blur(grey, (15, 15)), np.float32)


def _labels(said: Mapping[str, Any] | None) -> list[Label]:
    if said is None:
        return [Label(corner=corner) for corner in get_args(Corner)]
    if said.get("style", "corner") != "corner":
        return []
    try:
        return [Label(text=str(said["text"])[:100], corner=said["corner"])]
    except (KeyError, ValueError, TypeError):
        return []
