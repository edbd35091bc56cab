"""Face replacement for film, teaching and research: two takes in, one labelled film out.

::

    from doublecast import swap
    done = swap("actor.mp4", "target.mp4", "film.mp4", minutes=10)

or stage by stage, over a production folder: `extract`, `curate`, `train`, `convert`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = [
    "Production",
    "__version__",
    "convert",
    "curate",
    "extract",
    "swap",
    "train",
]

if TYPE_CHECKING:
    from doublecast.pipeline.convert import convert
    from doublecast.pipeline.curate import curate
    from doublecast.pipeline.extract import extract
    from doublecast.pipeline.swap import swap
    from doublecast.pipeline.train import train
    from doublecast.production import Production

_HOMES = {
    "Production": "doublecast.production",
    "convert": "doublecast.pipeline.convert",
    "curate": "doublecast.pipeline.curate",
    "extract": "doublecast.pipeline.extract",
    "swap": "doublecast.pipeline.swap",
    "train": "doublecast.pipeline.train",
}


def __getattr__(name: str) -> Any:
    """Load a public name when it is first asked for, so that the command line starts without torch."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
