"""Fixtures that several test files need."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from doublecast.trust import keys

pytest_plugins = ("studio_browser",)
SHARED = Path(__file__).parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with footage and performers; tests that need it are skipped where it is absent."""
    if not SHARED.is_dir():
        pytest.skip("the footage folder ../shared is not here")
    return SHARED


@pytest.fixture(autouse=True, scope="session")
def own_keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keys of the tests' own: the user's are neither used nor made."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(keys.FOLDER, str(tmp_path_factory.mktemp("keys")))
        yield
