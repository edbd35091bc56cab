import errno
import os
import threading
import time
from pathlib import Path

import pytest

from doublecast.disk import FileLock, atomic_write, disk_errors, fingerprint, key_of
from doublecast.errors import OutputError, ProductionError


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


def test_a_lock_is_waited_for(tmp_path: Path) -> None:
    order = []

    def later() -> None:
        with FileLock(tmp_path / "lock"):
            order.append("second")

    thread = threading.Thread(target=later)
    with FileLock(tmp_path / "lock") as lock, lock:  # the same thread may take it again
        thread.start()
        time.sleep(0.1)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]


@pytest.mark.parametrize("shared", [True, False], ids=["one object", "two objects"])
def test_a_lock_that_stays_taken(tmp_path: Path, shared: bool) -> None:
    held = FileLock(tmp_path / "lock", wait=0.1)
    other = held if shared else FileLock(tmp_path / "lock", wait=0.1)
    raised: list[str] = []

    def later() -> None:
        try:
            with other:
                raised.append("nothing")
        except ProductionError as error:
            raised.append(str(error))

    with held:
        thread = threading.Thread(target=later)
        thread.start()
        thread.join(10)
    assert raised == [f"{tmp_path} was being changed by another process for 0.1 seconds; try again"]
    with other:
        pass


def test_a_lock_in_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"), FileLock(tmp_path / "none" / "lock"):
        pass
