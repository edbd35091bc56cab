"""Fixtures that several test files need."""

from pathlib import Path

import pytest

SHARED = Path(__file__).parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with footage and performers; tests that need it are skipped where it is absent."""
    if not SHARED.is_dir():
        pytest.skip("the footage folder ../shared is not here")
    return SHARED
