"""Locks that say who holds them."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from pipeline_clips import environment

from doublecast.errors import InUseError, OutputError, ProductionError
from doublecast.lock import FileLock, OwnedLock, alive, holder_of
from doublecast.production import Production, holder

HOLD = """
import sys, time
from pathlib import Path
from doublecast.lock import OwnedLock
lock = OwnedLock(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


def test_who_holds_it_is_seen_and_a_killed_process_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert holder_of(path) is None
    with OwnedLock(path):
        assert holder_of(path) == os.getpid()
        with pytest.raises(InUseError, match=rf"in use by another process \({os.getpid()}\)"):
            OwnedLock(path, wait=0)
    assert holder_of(path) is None
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True, env=environment()
    )
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    assert holder_of(path) == process.pid and alive(process.pid)
    process.kill()
    process.wait()
    process.stdout.close()
    assert holder_of(path) is None and not alive(process.pid)


def test_asking_does_not_make_a_starting_process_fail(tmp_path: Path) -> None:
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            holder(tmp_path / "job")

    askers = [threading.Thread(target=ask) for _ in range(2)]
    for asker in askers:
        asker.start()
    try:
        for _ in range(100):
            Production(tmp_path / "job").close()
    finally:
        done.set()
        for asker in askers:
            asker.join()
    assert holder(tmp_path / "job") is None


def test_a_lock_that_does_not_say_who_holds_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with OwnedLock(path):
        path.write_bytes(b" no number")
        assert holder_of(path) == 0
        begin = time.monotonic()
        with pytest.raises(InUseError, match="in use by another process; wait"):
            OwnedLock(path, wait=0.1)
        assert time.monotonic() - begin < 5


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
        except InUseError as error:
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


@pytest.mark.skipif(os.name != "posix", reason="links need rights on Windows")
def test_a_lock_that_is_a_link_leaves_the_file_as_it_is(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("keep this")
    Production(tmp_path / "p").close()
    (tmp_path / "p" / "lock").unlink()
    (tmp_path / "p" / "lock").symlink_to(victim)
    with pytest.raises(ProductionError, match="symbolic links"):
        Production(tmp_path / "p")
    assert victim.read_text() == "keep this"
