"""Imports point one way, along the flow: nothing imports what comes after it, and nothing imports the command line."""

import ast
from pathlib import Path

import pytest

import doublecast

ORDER = [
    "errors", "types", "events", "disk", "lock", "video", "weights", "faces", "faceset", "model", "film", "trust",
    "fidelity", "metrics", "report", "production", "pipeline", "bench", "studio", "cli", "__main__",
]  # fmt: skip
ROOT = Path(doublecast.__file__).parent


def room(module: str) -> str:
    return module.split(".")[1]


def imports(path: Path) -> set[str]:
    """Modules of the package that a file imports, also inside functions."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in found if name.startswith("doublecast.") and room(name) in ORDER}


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_one_way(path: Path) -> None:
    mine = path.relative_to(ROOT).with_suffix("").parts[0]
    if mine in ("__init__", "assets"):
        return
    assert mine in ORDER, f"{mine} has no place in the order of the house"
    later = {name for name in imports(path) if ORDER.index(room(name)) > ORDER.index(mine)}
    assert not later, f"{path.relative_to(ROOT)} imports {sorted(later)}, which comes after it"


def test_only_the_writer_opens_films() -> None:
    users = {
        str(path.relative_to(ROOT))
        for path in ROOT.rglob("*.py")
        if any("FilmEncoder" in name for name in imports(path)) or "FilmEncoder" in path.read_text(encoding="utf-8")
    }
    assert {u.split("/")[0] for u in users} <= {"video", "trust"}
