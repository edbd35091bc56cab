"""Frame -> [Face]: detection, landmarks, identity vectors and tracks. `geometry` is pure functions."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__all__ = ["Detection", "Detector", "Embedder", "FaceTracker", "Landmarker", "Roi"]

if TYPE_CHECKING:
    from doublecast.faces.detect import Detection, Detector
    from doublecast.faces.embed import Embedder
    from doublecast.faces.landmarks import Landmarker, Roi
    from doublecast.faces.track import FaceTracker

_HOMES = {
    "Detection": "doublecast.faces.detect",
    "Detector": "doublecast.faces.detect",
    "Embedder": "doublecast.faces.embed",
    "FaceTracker": "doublecast.faces.track",
    "Landmarker": "doublecast.faces.landmarks",
    "Roi": "doublecast.faces.landmarks",
}


def __getattr__(name: str) -> Any:
    """Load a public name when it is first asked for: geometry alone needs neither LiteRT nor torch."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
