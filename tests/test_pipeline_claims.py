"""Which takes the credentials name."""

from dataclasses import replace
from pathlib import Path

import pytest

from doublecast.errors import InputError, ProductionError
from doublecast.pipeline.claims import claimed_takes
from doublecast.production import SIDES, Production, Side, TakeInput
from doublecast.trust import Basis, ClaimedTake, ConsentRecord
from doublecast.trust.consent import BoundTake
from doublecast.video import find_takes

OTHER = "0" * 64


def take(path: Path) -> TakeInput:
    """As extraction records it."""
    path.write_bytes(path.name.encode())
    found = find_takes([path])[0]
    return TakeInput(found.name, found.key(), "video", (str(path),), found.sha256())


def record(side: Side, *takes: TakeInput) -> ConsentRecord:
    bound = tuple(BoundTake(one.key, one.sha256) for one in takes)
    return ConsentRecord("id", side, "p", Basis("self"), "", bound, (0.0,) * 128, 1)


@pytest.mark.parametrize("side", SIDES)
def test_the_takes_are_those_that_are_there(tmp_path: Path, side: Side) -> None:
    takes = {one: take(tmp_path / f"{one}.mp4") for one in SIDES}
    mine, path = takes[side], tmp_path / f"{side}.mp4"
    records = [record(one, takes[one]) for one in SIDES]
    with Production(tmp_path / "job") as job:
        for one in SIDES:
            job.set_inputs(one, [takes[one]])
        wanted = tuple(ClaimedTake(one, takes[one].sha256) for one in SIDES)
        assert claimed_takes(job, records) == claimed_takes(job, []) == wanted
        job.record.inputs[side] = [replace(mine, sha256="")]  # as older versions noted them
        assert claimed_takes(job, records) == wanted
        job.record.inputs[side] = [replace(mine, sha256=OTHER)]  # an edited line
        for known in (records, [], [record(side, replace(mine, sha256=OTHER))]):
            with pytest.raises(ProductionError, match=rf"{side}\.mp4.*differ.*doublecast extract"):
                claimed_takes(job, known)
        path.unlink()
        with pytest.raises(ProductionError, match=rf"{side}\.mp4.*differ.*consent add"):
            claimed_takes(job, records)
        job.record.inputs[side] = [mine]  # gone: what was noted and signed stands
        assert claimed_takes(job, records) == wanted
        job.record.inputs[side] = [replace(mine, sha256="")]
        with pytest.raises(InputError, match="cannot be read"):
            claimed_takes(job, records)
        path.write_bytes(b"another film")
        job.record.inputs[side] = [mine]
        with pytest.raises(ProductionError, match="differ"):
            claimed_takes(job, records)
