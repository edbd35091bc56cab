import threading
import time
from collections.abc import Iterator

import pytest

from doublecast.pipeline.flow import Flow, depth_for


def alive() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("doublecast-")]


def test_order_is_kept_and_threads_end() -> None:
    with Flow(depth=3) as flow:
        numbers = flow.ahead(iter(range(100)))
        squares = flow.ahead(n * n for n in numbers)
        assert list(squares) == [n * n for n in range(100)]
    assert not alive()


def test_source_runs_at_most_depth_ahead() -> None:
    made: list[int] = []

    def source() -> Iterator[int]:
        for n in range(100):
            made.append(n)
            yield n

    with Flow(depth=4) as flow:
        items = flow.ahead(source())
        assert next(items) == 0
        time.sleep(0.1)
        assert len(made) <= 1 + 4 + 1
    assert not alive()


@pytest.mark.parametrize("failing", ["read", "process", "write"])
@pytest.mark.parametrize("at", [0, 50])
def test_error_in_any_stage_reaches_the_caller_and_ends_the_others(failing: str, at: int) -> None:
    def stage(name: str, items: Iterator[int]) -> Iterator[int]:
        for n in items:
            if name == failing and n == at:
                raise ValueError(f"{name} failed at {n}")
            yield n

    with pytest.raises(ValueError, match=f"{failing} failed at {at}"), Flow(depth=2) as flow:
        read = flow.ahead(stage("read", iter(range(10**9))))
        processed = flow.ahead(stage("process", read))
        for _ in stage("write", processed):
            pass
    assert not alive()


def test_interrupt_of_the_caller_ends_everything() -> None:
    with pytest.raises(KeyboardInterrupt), Flow() as flow:
        for n in flow.ahead(n for n in flow.ahead(iter(range(10**9)))):
            if n == 20:
                raise KeyboardInterrupt
    assert not alive()


def test_leaving_early_is_quick_while_everything_is_full() -> None:
    begin = time.monotonic()
    with Flow(depth=1) as flow:
        items = flow.ahead(n for n in flow.ahead(iter(range(10**9))))
        assert next(items) == 0
    assert time.monotonic() - begin < 0.4
    assert not alive()


def test_depth_is_checked() -> None:
    with pytest.raises(ValueError, match="depth must be at least 1, got 0"):
        Flow(depth=0)


@pytest.mark.parametrize(("size", "depth"), [((640, 360), 8), ((1280, 720), 8), ((3840, 2160), 4), ((7680, 4320), 1)])
def test_large_frames_wait_in_short_queues(size: tuple[int, int], depth: int) -> None:
    assert depth_for(*size) == depth
