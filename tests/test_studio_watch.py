"""Who follows a production hears what changed in it, and is let go when the studio ends."""

import asyncio
import os
from pathlib import Path

from doublecast.studio.watch import Watcher

SOON = 5.0  #: seconds


def test_changes_are_told_by_kind(tmp_path: Path) -> None:
    async def told() -> frozenset[str]:
        async with Watcher().subscribed(tmp_path) as changes:
            await asyncio.sleep(0.8)  # until it has looked once
            (tmp_path / "production.toml").write_text("format = 1")
            os.utime(tmp_path / "production.toml", (1, 1))
            return await asyncio.wait_for(changes.get(), SOON)

    assert asyncio.run(told()) == {"record"}


def test_the_end_of_the_studio_lets_all_go(tmp_path: Path) -> None:
    async def told() -> list[frozenset[str]]:
        watcher = Watcher()
        async with watcher.subscribed(tmp_path / "a") as first, watcher.subscribed(tmp_path / "b") as second:
            assert not watcher.stopped
            watcher.stop()
            return [await asyncio.wait_for(queue.get(), SOON) for queue in (first, second)]

    assert asyncio.run(told()) == [frozenset(), frozenset()]
