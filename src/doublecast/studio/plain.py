"""JSON that every browser reads, whatever names files have and whatever numbers a production holds."""

import json
import math
from typing import Any

from fastapi.responses import JSONResponse


def as_json(content: Any) -> bytes:
    """Bytes of names that are no text (not UTF-8) become question marks, numbers that are none null."""
    try:
        text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except ValueError:
        text = json.dumps(_finite(content), ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace")


def plain(content: Any) -> Any:
    """The same as a browser gets it."""
    return json.loads(as_json(content))


def _finite(content: Any) -> Any:
    if isinstance(content, dict):
        return {name: _finite(value) for name, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content


class PlainJSON(JSONResponse):
    """An answer of `as_json`."""

    def render(self, content: Any) -> bytes:
        """The body."""
        return as_json(content)
