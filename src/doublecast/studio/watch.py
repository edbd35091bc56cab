"""Tells pages that something in a production changed, whoever changed it: another tab, a job, the command line."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TypeAlias

from doublecast.production import RECORD

EVERY = 0.5  #: seconds between two looks while somebody is watching; nobody: no looks

Kinds: TypeAlias = frozenset[str]
WATCHED: Mapping[str, tuple[str, ...]] = {
    "activity": ("activity.json",),
    "jobs": ("jobs",),
    "record": (RECORD,),
    "look": ("look.json",),
    "consent": ("consent",),
    "faces": ("actor/takes.json", "target/takes.json"),
    "curation": ("actor/curation.lance/_versions", "target/curation.lance/_versions"),
    "models": ("model-*", "model-*/previews", "model-*/snapshots", "evaluation.json"),
}  #: kind of change -> files and folders, relative to the production, whose time of change tells of it


class Watcher:
    """Looks at the files of watched productions; subscribers get the kinds of what changed."""

    def __init__(self) -> None:
        self._queues: dict[Path, set[asyncio.Queue[Kinds]]] = defaultdict(set)
        self._task: asyncio.Task[None] | None = None
        self.stopped = False

    def stop(self) -> None:
        """Let all subscribers go, as the studio ends: each gets one more, empty set."""
        self.stopped = True
        for queue in [queue for queues in self._queues.values() for queue in queues]:
            queue.put_nowait(frozenset())

    @asynccontextmanager
    async def subscribed(self, folder: Path) -> AsyncIterator[asyncio.Queue[Kinds]]:
        """A queue of changes of a production for as long as the context lasts."""
        queue: asyncio.Queue[Kinds] = asyncio.Queue()
        self._queues[folder].add(queue)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
        try:
            yield queue
        finally:
            self._queues[folder].discard(queue)
            if not self._queues[folder]:
                del self._queues[folder]

    async def _run(self) -> None:
        seen: dict[Path, dict[str, tuple[int, ...]]] = {}
        while self._queues:
            for folder in list(self._queues):
                now = await asyncio.to_thread(state, folder)
                before = seen.get(folder, now)
                changed = frozenset(kind for kind in now if now[kind] != before[kind])
                seen[folder] = now
                for queue in list(self._queues.get(folder, ())) if changed else []:
                    queue.put_nowait(changed)
            await asyncio.sleep(EVERY)


def state(folder: Path) -> dict[str, tuple[int, ...]]:
    """Times of change by kind."""
    return {kind: tuple(_times(folder, patterns)) for kind, patterns in WATCHED.items()}


def _times(folder: Path, patterns: tuple[str, ...]) -> list[int]:
    found = []
    for pattern in patterns:
        paths = sorted(folder.glob(pattern)) if "*" in pattern else [folder / pattern]
        for path in paths:
            with suppress(OSError):
                found.append(path.stat().st_mtime_ns)
    return found
