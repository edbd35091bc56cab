import errno
import os
from pathlib import Path

import pytest

from doublecast.disk import atomic_write, disk_errors, fingerprint, key_of, open_own
from doublecast.errors import OutputError
from doublecast.lock import FileLock


def test_atomic_write_replaces_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "record"
    atomic_write(path, b"old")

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OutputError, match="disk is full"):
            atomic_write(path, b"new")
    assert path.read_bytes() == b"old"
    assert [item.name for item in tmp_path.iterdir()] == ["record"]
    atomic_write(path, b"new")
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), OutputError),
        (OSError("LanceError(IO): ... (os error 28)"), OutputError),
        (OSError(errno.EIO, "Input/output error"), OSError),
    ],
)
def test_full_disk_is_told_as_such(tmp_path: Path, error: OSError, kind: type[Exception]) -> None:
    with pytest.raises(kind), disk_errors(tmp_path):
        raise error


def test_fingerprint(tmp_path: Path) -> None:
    assert fingerprint(tmp_path / "none") == "" == fingerprint(tmp_path)
    (tmp_path / "a").write_bytes(b"1")
    first = fingerprint(tmp_path)
    (tmp_path / "b").write_bytes(b"2")
    assert first and first != fingerprint(tmp_path)
    assert fingerprint(tmp_path / "a").startswith("1-")


def test_keys_differ() -> None:
    assert len({key_of(1), key_of("1"), key_of(1, None), key_of((1,)), key_of()}) == 5


@pytest.mark.skipif(os.name != "posix", reason="links need rights on Windows")
def test_locks_and_logs_are_not_written_through_links(tmp_path: Path) -> None:
    """A production from another machine may hold links to any file of the user's."""
    with open_own(tmp_path / "log") as file:
        file.write(b"one\n")
    with open_own(tmp_path / "log") as file:
        file.write(b"two\n")
    assert (tmp_path / "log").read_bytes() == b"one\ntwo\n"
    victim = tmp_path / "victim"
    victim.write_text("keep this")
    for name, target in (("link", victim), ("loose", tmp_path / "new")):
        (tmp_path / name).symlink_to(target)
        with pytest.raises(OSError, match="symbolic links"):
            open_own(tmp_path / name)
        with pytest.raises(OutputError, match="symbolic links"), FileLock(tmp_path / name):
            pass
    assert victim.read_text() == "keep this" and not (tmp_path / "new").exists()
